"""Files far larger than anybody meant to hand in: time and memory stay bounded, and neighbours are read."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.chaos import is_balanced
from tests.e2e.command import CommandLine, finish
from tests.fakes.hostile_files import write_pdf

PAGES = 10_000
CSV_BYTES = 200_000_000
READ_SECONDS = 240
WORKER_MIB = 1536
MOST_BYTES = 5 * 2**30
"""Two workers at their limit, and what the command itself needs."""

logger = logging.getLogger(__name__)

pytestmark = [pytest.mark.slow]


class PeakMemory:
    """The largest sum of the private and shared memory of a process and all its descendants, in bytes."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            self.peak_bytes = max(self.peak_bytes, sum(self._sizes()))

    def _sizes(self) -> Iterator[int]:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [self._process, *self._process.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    # Proportional: pages that the workers share with their fork server count once.
                    yield process.memory_full_info().pss


def write_csv(path: Path, size_bytes: int) -> None:
    """Rows of a price list, no two alike."""
    with path.open("w") as file:
        file.write("sku,name,price\n")
        written, number = 0, 0
        while written < size_bytes:
            number += 1
            written += file.write(f"P{number},Pump of the type {number % 977} for hall {number % 31},{number % 9973}\n")


@pytest.mark.parametrize(
    ("name", "build", "reasons"),
    [
        ("long.pdf", lambda path: write_pdf(path, pages=PAGES), {"timeout", "out-of-memory", "too-much-text"}),
        ("wide.csv", lambda path: write_csv(path, CSV_BYTES), {"timeout", "out-of-memory", "too-much-text"}),
    ],
    ids=["10,000 pages", "200 MB"],
)
def test_a_huge_file_is_read_or_says_why_not_within_bounds(
    tmp_path: Path, api_url: str, name: str, build: object, reasons: set[str]
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "neighbour.txt").write_text("The small one beside it.")
    assert callable(build)
    build(folder / name)
    shell = CommandLine(tmp_path).set(
        PREFECT_API_URL=api_url,
        EXPERTLOOP_PARTITION_TIMEOUT_SECONDS=str(READ_SECONDS),
        EXPERTLOOP_PARTITION_MEMORY_MB=str(WORKER_MIB),
    )
    ingest = shell.start("ingest", folder, "--json")
    with PeakMemory(ingest.pid) as memory:
        done = finish(ingest, limit_seconds=READ_SECONDS * 8)
    assert done.code == 0, done.errors
    assert is_balanced(done.record)
    assert memory.peak_bytes < MOST_BYTES, memory.peak_bytes
    live = {document["uri"].rpartition("/")[2] for document in shell.run("documents", "--json").records}
    refused = {entry["uri"].rpartition("/")[2]: entry["reason"] for entry in shell.run("quarantine", "--json").records}
    assert "neighbour.txt" in live
    assert name in live or refused[name] in reasons, refused
    logger.info("huge file name=%s seconds=%.0f peak_bytes=%s", name, done.seconds, memory.peak_bytes)
