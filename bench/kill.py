"""Kills ingests of changing documents at random moments, each followed by a rerun, and looks into both stores.

    python bench/kill.py [--kills 100] [--documents 20] [--seed 1]

The same as tests/e2e/test_kill.py, longer, and with a table of the phases in which the kills struck. At the end the
state is compared with that of a clean ingest into a fresh home.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import cpuinfo

from tests.e2e.chaos import (
    Corpus,
    Kill,
    Killer,
    find_leftovers,
    find_unrecalled,
    is_balanced,
    read_stores,
)
from tests.e2e.command import CommandLine, prefect_server

COLUMNS = ("kills", "processes", "survivors", "unbalanced", "faults", "rerun s")


def print_table(kills: list[Kill]) -> None:
    """One line a phase."""
    phases: dict[str, list[Kill]] = defaultdict(list)
    for kill in kills:
        phases[kill.phase].append(kill)
    print(f"\n{'killed while':<14}" + "".join(f"{word:>12}" for word in COLUMNS))
    for phase, struck in [*sorted(phases.items()), ("all", kills)]:
        cells = (
            len(struck),
            statistics.median(kill.processes for kill in struck),
            sum(len(kill.survivors) for kill in struck),
            sum(not is_balanced(kill.ledger) for kill in struck),
            sum(len(kill.faults) for kill in struck),
            round(statistics.median(kill.rerun_seconds for kill in struck), 1),
        )
        print(f"{phase:<14}" + "".join(f"{cell:>12}" for cell in cells))


def main() -> None:
    """Kill, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"processor: {cpuinfo.get_cpu_info().get('brand_raw', platform.processor())}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, prefect_server(Path(folder)) as url:
        shell = CommandLine(Path(folder)).set(PREFECT_API_URL=url)
        corpus = Corpus(Path(folder) / "documents", seed=options.seed, documents=options.documents)
        killer = Killer(shell, corpus, seed=options.seed)
        killer.measure()
        kills = []
        for kill in killer.kill(options.kills):
            kills.append(kill)
            print(f"{len(kills):>4}. {kill.phase} at {kill.second:.2f} s", *kill.survivors, *kill.faults, flush=True)
        corpus.repair()
        final = shell.run("ingest", corpus.folder, "--json").record
        clean = shell.set(EXPERTLOOP_HOME=str(Path(folder) / "clean"))
        clean.run("ingest", corpus.folder, "--json")
        print_table(kills)
        stored = read_stores(shell)
        print(f"\nstate equals that of a clean ingest: {stored == read_stores(clean)}")
        print(f"last ledger balanced: {is_balanced(final)}")
        print(f"documents: {len(stored.documents)}, chunks: {len(stored.chunks)}")
        print(f"chunks not found by their own vector: {len(find_unrecalled(shell))}")
        print(f"left over in database and folders: {len(find_leftovers(shell))}")
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
