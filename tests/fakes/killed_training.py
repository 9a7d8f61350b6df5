"""A training in a process of its own, which a test kills: `python -m tests.fakes.killed_training BASE OUT [N]`."""

from __future__ import annotations

import sys
from pathlib import Path

from tasks.integrations.qlora import QLoRATrainer
from tasks.training_ports import TrainingProgress
from tests.fakes.training import make_job


def main(base: str, out: str, devices: int = 1) -> None:
    def tell(progress: TrainingProgress) -> None:
        sys.stdout.write(f"{progress.step}\n")
        sys.stdout.flush()

    trainer = QLoRATrainer(cache=Path(out))
    strategy = "ddp" if devices > 1 else "single"
    job = make_job(trainer.open_base(base), base, Path(out), epochs=4, strategy=strategy, devices=devices)
    trainer.train(job, tell)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
