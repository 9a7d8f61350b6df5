"""Champions change under load: errors, mixed answers, and how long a promotion and a rollback take.

    python bench/swap.py [--askers 100] [--swaps 4]

Two adapters of a tiny Phi-3 are trained by `expertloop train`. While all askers ask a real `expertloop serve` without a
pause, `promote` and `rollback` take turns as commands. Counted is the time from the start of a command to the first
answer by the adapter it names, and to the last answer by the other one: both hold the command's own start.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import httpx

from tasks.integrations.processor import describe_processor
from tests.e2e.command import CommandLine
from tests.e2e.loop_company import check, found_company
from tests.e2e.serving import add_key, serving
from tests.fakes.tiny_models import save_tiny_phi

QUESTIONS = ("What is the emergency number?", "How do I install the VPN?", "How is the dose calculated?")


class Answered(NamedTuple):
    """One answer."""

    begun: float
    ended: float
    generator: str


class Askers:
    """Threads that ask until they are told to stop."""

    def __init__(self, address: str, key: str, count: int) -> None:
        self._address, self._key = address, key
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(count)]
        self.answers: list[Answered] = []
        self.errors: Counter[str] = Counter()

    def __enter__(self) -> Askers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        headers = {"Authorization": f"Bearer {self._key}"}
        with httpx.Client(base_url=self._address, headers=headers, timeout=300) as client:
            while not self._stopped.is_set():
                begun = time.monotonic()
                try:
                    response = client.post("/v1/answers", json={"question": QUESTIONS[number % len(QUESTIONS)]})
                except httpx.HTTPError as error:
                    self.errors[type(error).__name__] += 1
                    continue
                if response.status_code == 200:
                    used = str(response.json()["versions"]["generator"])
                    self.answers.append(Answered(begun, time.monotonic(), used))
                else:
                    self.errors[str(response.status_code)] += 1

    def wait_for(self, adapter: str, count: int) -> None:
        """Until an adapter has given so many more answers."""
        wanted = count + self._count(adapter)
        while self._count(adapter) < wanted:
            time.sleep(0.02)

    def _count(self, adapter: str) -> int:
        return sum(one.generator.endswith(adapter) for one in self.answers)


def main() -> None:
    """Train, serve, swap, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--askers", type=int, default=100)
    parser.add_argument("--swaps", type=int, default=4)
    options = parser.parse_args()
    print(describe_processor())
    with tempfile.TemporaryDirectory() as folder:
        model = save_tiny_phi(Path(folder) / "phi")
        company = found_company(Path(folder), model, rounds=2)
        shell = company.shell.set(
            EXPERTLOOP_GENERATOR=str(model),
            EXPERTLOOP_ANSWER_TOKENS="8",
            EXPERTLOOP_RATE_PER_MINUTE="0",
            EXPERTLOOP_QUEUE_QUESTIONS=str(4 * options.askers),
            EXPERTLOOP_QUEUE_TIMEOUT_SECONDS="600",
        )
        company.import_pairs(shell, 0)
        first, second = (train(shell, model, seed) for seed in (1, 2))
        check(shell.run("promote", first, "--override", "bench", "--json"))
        with serving(shell) as server, Askers(server.address, add_key(shell, "many"), options.askers) as askers:
            askers.wait_for(first, options.askers)
            for number in range(options.swaps):
                promotes = number % 2 == 0
                words = ("promote", second, "--override", "bench") if promotes else ("rollback",)
                old, new = (first, second) if promotes else (second, first)
                started = time.monotonic()
                check(shell.run(*words, "--json"))
                committed = time.monotonic()
                askers.wait_for(new, options.askers)
                report(words[0], askers, old, new, started, committed)
    known = {first, second}
    strange = [one for one in askers.answers if one.generator.rpartition("+")[2] not in known]
    print(f"{options.askers} askers: {len(askers.answers)} answers, errors {dict(askers.errors) or 0}, ", end="")
    print(f"answers that name neither adapter: {len(strange)}")


def train(shell: CommandLine, model: Path, seed: int) -> str:
    """A few steps; returns the adapter's id."""
    values = (f"base_model={model}", "max_tokens=3000", f"seed={seed}")
    options = [word for value in values for word in ("--set", value)]
    return str(check(shell.run("train", *options, "--max-questions", "1", "--json")).record["adapter_id"])


def report(command: str, askers: Askers, old: str, new: str, started: float, committed: float) -> None:
    """One line a swap."""
    after = [one for one in list(askers.answers) if one.ended >= started]
    first = min(one.ended for one in after if one.generator.endswith(new))
    last = max((one.ended for one in after if one.generator.endswith(old)), default=started)
    late = [one for one in after if one.generator.endswith(old) and one.begun > committed]
    waits = [one.ended - one.begun for one in after]
    print(
        f"{command}: command {committed - started:.1f} s; first answer by the new one after {first - started:.1f} s, "
        f"last by the old one after {last - started:.1f} s; asked after the command and answered by the old one: "
        f"{len(late)}; median answer {statistics.median(waits):.2f} s, longest {max(waits):.2f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
