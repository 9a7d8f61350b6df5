"""Kills ingests of changing documents at random moments, each followed by a rerun, and looks into both stores.

    python bench/kill.py [--kills 100] [--documents 20] [--seed 1]
    python bench/kill.py --stores [--kills 30]

The same as tests/e2e/test_kill.py, longer, and with a table of the phases in which the kills struck. At the end the
state is compared with that of a clean ingest into a fresh home. With `--stores` the same as
tests/e2e/test_store_chaos.py: the ingest, Weaviate and PostgreSQL are killed in turn, while somebody searches.
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

from tests.e2e.chaos import Corpus, Kill, Killer, is_balanced
from tests.e2e.command import CommandLine, prefect_server, wait_until
from tests.e2e.store_chaos import Round, StoreChaos, draw_victims, running_company
from tests.e2e.stored import find_leftovers, find_unrecalled, read_stores

CLEANUP_SECONDS = 300
"""Weaviate's own interval between two clean-ups of its graph."""

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


def print_rounds(rounds: list[Round]) -> None:
    """One line a victim."""
    print(f"\n{'killed':<14}{'rounds':>8}{'faults':>8}{'median s':>10}{'longest s':>11}")
    for victim in [*sorted({one.victim for one in rounds}), "all"]:
        struck = [one for one in rounds if victim in ("all", one.victim)]
        seconds = [one.seconds for one in struck]
        faults = sum(len(one.faults) for one in struck)
        print(f"{victim:<14}{len(struck):>8}{faults:>8}{statistics.median(seconds):>10.0f}{max(seconds):>11.0f}")


def compare_with_clean(shell: CommandLine, *arguments: str | Path) -> None:
    """Read once more without a kill, and into a fresh home on SQLite and LanceDB; print how the two differ."""
    final = shell.run("ingest", *arguments, "--json").record
    clean = shell.set(EXPERTLOOP_HOME=str(shell.folder / "clean"), EXPERTLOOP_DATABASE_URL="", EXPERTLOOP_INDEX_URL="")
    clean.run("ingest", *arguments, "--json")
    stored = read_stores(shell)
    print(f"\nstate equals that of a clean ingest: {stored == read_stores(clean)}")
    print(f"last ledger balanced: {is_balanced(final)}")
    print(f"documents: {len(stored.documents)}, chunks: {len(stored.chunks)}")
    print(f"chunks not found by their own vector: {len(find_unrecalled(shell))}")
    print(f"left over in database and folders: {len(find_leftovers(shell))}")


def wait_for_graph(shell: CommandLine) -> None:
    """Until Weaviate's graph reaches every chunk again, which its clean-up of deleted ones sees to."""
    started = time.monotonic()
    print(f"by Weaviate's graph alone: {len(find_unrecalled(shell, by_graph=True))}", flush=True)
    wait_until(
        lambda: not find_unrecalled(shell, by_graph=True),
        what="the graph's clean-up",
        limit_seconds=3 * CLEANUP_SECONDS,
        pause_seconds=5,
    )
    print(f"the graph reached them all after {time.monotonic() - started:.0f} s")


def kill_ingests(shell: CommandLine, options: argparse.Namespace) -> None:
    """One process on SQLite and LanceDB."""
    corpus = Corpus(shell.folder / "documents", seed=options.seed, documents=options.documents)
    killer = Killer(shell, corpus, seed=options.seed)
    killer.measure()
    kills = []
    for kill in killer.kill(options.kills):
        kills.append(kill)
        print(f"{len(kills):>4}. {kill.phase} at {kill.second:.2f} s", *kill.survivors, *kill.faults, flush=True)
    corpus.repair()
    print_table(kills)
    compare_with_clean(shell, corpus.folder)


def kill_stores(shell: CommandLine, options: argparse.Namespace) -> None:
    """Three processes: the ingest and two servers."""
    rounds = []
    with running_company(shell, seed=options.seed, documents=options.documents) as company:
        chaos = StoreChaos(company, seed=options.seed)
        for victim in draw_victims(options.kills, options.seed):
            rounds.append(one := chaos.disturb(victim))
            ended = "" if one.code is None else f", the ingest ended with {one.code}"
            back = (
                "" if victim == "ingest" else " and back at once" if one.is_back_at_once else " and back when it ended"
            )
            struck = f"{len(rounds):>4}. {victim} while {one.phase} at {one.second:.2f} s{back}{ended}"
            print(struck, f"({one.seconds:.0f} s)", *one.faults, flush=True)
        company.corpus.repair()
        company.asker.expect_change()
        print_rounds(rounds)
        compare_with_clean(company.shell)
        wait_for_graph(company.shell)
    asker = company.asker
    print(f"searches: {asker.answered} answered, {asker.refused} told that something does not answer")
    print(f"longest search: {asker.longest_seconds:.1f} s; faults: {asker.faults or 'none'}")


def main() -> None:
    """Kill, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stores", action="store_true", help="on Weaviate and PostgreSQL, which are killed, too")
    options = parser.parse_args()
    print(f"processor: {cpuinfo.get_cpu_info().get('brand_raw', platform.processor())}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, prefect_server(Path(folder)) as url:
        shell = CommandLine(Path(folder)).set(PREFECT_API_URL=url)
        (kill_stores if options.stores else kill_ingests)(shell, options)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
