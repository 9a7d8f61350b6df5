"""Training and serving on a GPU, in one command, within ten minutes.

    python -m bench.gpu [--out FOLDER]

Needs torch, transformers, peft, trl and bitsandbytes, with what they bring, and pydantic, in which our trainer's
configuration is written; no network, database or Prefect, and no model: weights are random, of the published shapes.
Run it in the repository's root, on a device with nothing else on it, and with 30 GB of disk for what is thrown away.
Without a GPU it runs only with --tiny, which proves the code and measures nothing. Each part is a process of its own
with a deadline: what fails or is late is told, the others go on.
Writes gpu.json and gpu.md into FOLDER and prints the table.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.gpu.shapes import Size

PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "pydantic")
LOG_LINES = 40


PARTS = {"device": 0.15, "training": 0.40, "70b": 0.20, "serving": 0.20}
"""What is measured, and its share of the time; what is left starts the processes."""


def main() -> int:
    """Run every part; the exit code tells whether all came through."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--minutes", type=float, default=10.0, help="for all parts together")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes, to prove the code on any machine")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--run", nargs="+", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        for name in arguments.run:
            run_part(name, arguments.work, tiny=arguments.tiny)
        return 0
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise SystemExit(f"not installed here: {', '.join(missing)}")
    from bench.gpu.report import write_table

    with tempfile.TemporaryDirectory() as folder:
        results = {
            name: start_part(name, Path(folder), PARTS[name] * 60 * arguments.minutes, tiny=arguments.tiny)
            for name in arguments.parts
        }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "gpu.json").write_text(json.dumps(results, indent=2) + "\n")
    table = write_table(results)
    (arguments.out / "gpu.md").write_text(table)
    print(table)
    return 1 if any(part["failure"] for part in results.values()) else 0


def run_part(name: str, work: Path, *, tiny: bool) -> None:
    """Measure, in this process; each row is kept as soon as it is there."""
    from bench.gpu.device import choose_device
    from bench.gpu.shapes import FULL, TINY

    device = choose_device()
    if device == "cpu" and not tiny:
        raise SystemExit("there is no CUDA device: --tiny proves the code without one")
    with (work / f"{name}.jsonl").open("a") as rows:
        for row in choose_part(name)(TINY if tiny else FULL, work, device):
            rows.write(json.dumps(row) + "\n")
            rows.flush()


def choose_part(name: str) -> Callable[[Size, Path, str], Iterator[dict[str, Any]]]:
    """What measures it; imported here, since the process that starts the parts needs none of the packages."""
    from bench.gpu.large import measure_large
    from bench.gpu.serving import measure_serving
    from bench.gpu.training import measure_training

    return {"device": prepare, "training": measure_training, "70b": measure_large, "serving": measure_serving}[name]


def prepare(size: Size, work: Path, device: str) -> Iterator[dict[str, Any]]:
    """The device, and the model and the adapters that other parts read."""
    from bench.gpu.device import describe_device
    from bench.gpu.shapes import save_model

    yield describe_device(device) | {name: importlib.metadata.version(name) for name in PACKAGES}
    save_model(size, work / "model", device)


def start_part(name: str, work: Path, seconds: float, *, tiny: bool) -> dict[str, Any]:
    """Run a part in a process of its own until its deadline; its rows until then count."""
    command = [sys.executable, "-m", "bench.gpu", "--run", name, "--work", str(work), *(["--tiny"] if tiny else [])]
    log, rows = work / f"{name}.log", work / f"{name}.jsonl"
    print(f"{name} (at most {seconds:.0f} s) …", file=sys.stderr, flush=True)
    started = time.perf_counter()
    with log.open("w") as output:
        try:
            code = subprocess.run(
                command, check=False, stdout=output, stderr=subprocess.STDOUT, timeout=seconds, env=choose_environment()
            ).returncode
            failure = explain(log.read_text(), code) if code else None
        except subprocess.TimeoutExpired:
            failure = f"stopped after {seconds:.0f} s"
    found = [json.loads(line) for line in rows.read_text().splitlines()] if rows.exists() else []
    told = log.read_text().splitlines()[-LOG_LINES:] if failure else []
    return {"seconds": time.perf_counter() - started, "failure": failure, "log": told, "rows": found}


def explain(log: str, code: int) -> str:
    """The last line that was written: an exception's, where there was one."""
    return (log.strip().splitlines() or [f"ended with code {code}"])[-1][:300]


def choose_environment() -> Mapping[str, str]:
    """One device, nothing fetched."""
    return {"CUDA_VISIBLE_DEVICES": "0", **os.environ, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}


if __name__ == "__main__":
    sys.exit(main())
