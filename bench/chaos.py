"""Kills one process of the running circle a round, at a random moment, and compares the end with an undisturbed run.

    python bench/chaos.py [--rounds 20] [--seed 1]

Server, worker, training, serving process and the flow that handles cases take turns in random order. A round is a
training of a few steps and 20 cases.
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

from tests.e2e.loop_chaos import Chaos, Round, draw_victims
from tests.e2e.loop_company import found_company, read_end, work_undisturbed
from tests.e2e.running import running_up
from tests.fakes.tiny_models import save_tiny_phi


def print_table(rounds: list[Round]) -> None:
    """One line a victim."""
    by_victim: dict[str, list[Round]] = defaultdict(list)
    for one in rounds:
        by_victim[one.victim].append(one)
    print(f"\n{'killed':<12}{'rounds':>8}{'faults':>8}{'median s':>10}{'longest s':>11}")
    for victim, struck in [*sorted(by_victim.items()), ("all", rounds)]:
        seconds = [one.seconds for one in struck]
        faults = sum(len(one.faults) for one in struck)
        print(f"{victim:<12}{len(struck):>8}{faults:>8}{statistics.median(seconds):>10.0f}{max(seconds):>11.0f}")


def main() -> None:
    """Kill, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"processor: {cpuinfo.get_cpu_info().get('brand_raw', platform.processor())}")
    started, rounds = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        company = found_company(Path(folder), save_tiny_phi(Path(folder) / "phi"), rounds=options.rounds)
        expected = work_undisturbed(company)
        with running_up(company.shell, "--file", company.schedule) as up:
            chaos = Chaos(up, company, seed=options.seed)
            for number, victim in enumerate(draw_victims(options.rounds, options.seed)):
                rounds.append(one := chaos.disturb(number, victim))
                print(
                    f"{number + 1:>4}. {victim} at {one.second:.1f} s: done after {one.seconds:.0f} s",
                    *one.faults,
                    flush=True,
                )
            stuck = up.shell.run("status", "--json").record["learning"]["stuck"]
        end = read_end(company.shell)
    print_table(rounds)
    for what in ("datasets", "cases", "messages"):
        same = getattr(end, what) == getattr(expected, what)
        print(f"{what}: {len(getattr(end, what))}, equal to those of an undisturbed run: {same}")
    print(f"stuck: {stuck or 'nothing'}")
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
