"""A training in a process of its own, which the test kills: `python -m tests.fakes.killed_training BASE OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from tasks.integrations.qlora import QLoRATrainer
from tasks.training_ports import TrainingProgress
from tests.fakes.training import make_job


def main(base: str, out: str) -> None:
    def tell(progress: TrainingProgress) -> None:
        sys.stdout.write(f"{progress.step}\n")
        sys.stdout.flush()

    trainer = QLoRATrainer(cache=Path(out))
    trainer.train(make_job(trainer.open_base(base), base, Path(out), epochs=4), tell)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
