"""Kills one of three processes in the middle of an ingest: the ingest itself, Weaviate, or PostgreSQL."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from tests.e2e.asker import Asker
from tests.e2e.chaos import Corpus, count_runs, describe_phase, is_balanced, kill_leader
from tests.e2e.command import CommandLine, Finished, finish, wait_until
from tests.e2e.serving import add_key, serving
from tests.e2e.stored import find_faults
from tests.postgresql import PostgreSQLServer, running_postgresql
from tests.weaviate_server import WeaviateServer, find_binary

Victim = Literal["ingest", "weaviate", "postgresql"]
VICTIMS: tuple[Victim, ...] = ("ingest", "weaviate", "postgresql")
DONE, TRY_LATER = 0, 4


@dataclass(frozen=True)
class Company:
    """A changing folder, both stores on servers of their own, and a process that serves and is never killed."""

    shell: CommandLine
    corpus: Corpus
    postgresql: PostgreSQLServer
    weaviate: WeaviateServer
    asker: Asker
    run_seconds: float


@contextmanager
def running_company(shell: CommandLine, *, seed: int, documents: int) -> Iterator[Company]:
    """Everything runs, the documents are read, and somebody asks; the searches go on while the block does."""
    corpus = Corpus(shell.folder / "documents", seed=seed, documents=documents)
    sources = shell.folder / "sources.yaml"
    sources.write_text(f"sources: [{{name: company, url: {corpus.folder}, groups_sidecar: .groups}}]\n")
    weaviate = WeaviateServer(shell.folder / "weaviate", find_binary())
    try:
        with running_postgresql() as postgresql:
            shell = shell.set(
                EXPERTLOOP_DATABASE_URL=postgresql.url(postgresql.create_database()),
                EXPERTLOOP_INDEX_URL=weaviate.start().url,
                EXPERTLOOP_SOURCES=str(sources),
                EXPERTLOOP_BATCH_DOCUMENTS="4",
                EXPERTLOOP_RATE_PER_MINUTE="0",
            )
            run_seconds = _measure(shell)
            key = add_key(shell, "eva")
            with serving(shell) as served:
                asker = Asker(served.address, key, corpus, seed=seed)
                asker.expect_changed()
                with asker.asking():
                    yield Company(shell, corpus, postgresql, weaviate, asker, run_seconds)
    finally:
        weaviate.stop()


def draw_victims(rounds: int, seed: int) -> list[Victim]:
    """Each as often as the others, in random order."""
    drawn = [VICTIMS[number % len(VICTIMS)] for number in range(rounds)]
    random.Random(seed).shuffle(drawn)
    return drawn


@dataclass(frozen=True)
class Round:
    """One kill and the rerun after it."""

    victim: Victim
    phase: str
    second: float
    code: int | None
    """How the ingest ended whose store was killed; None: it was killed itself."""
    is_back_at_once: bool
    seconds: float
    faults: list[str]


class StoreChaos:
    """Rounds of change, ingest, kill, restart, rerun.

    Args:
        company: What runs.
        seed: Of the moments, and of whether a killed store is back at once or only when the ingest has ended.
    """

    def __init__(self, company: Company, *, seed: int) -> None:
        self._company = company
        self._random = random.Random(seed)
        self._run_seconds = company.run_seconds

    def disturb(self, victim: Victim) -> Round:
        """One round; where the ingest was too quick for the moment drawn, it is drawn again for another."""
        company, started = self._company, time.monotonic()
        while True:
            company.corpus.change()
            company.corpus.withdraw()
            company.asker.expect_change()
            if (struck := self._strike(victim)) is not None:
                break
            company.asker.expect_changed()
            self._run_seconds *= 0.8
        phase, moment, code, is_back_at_once, faults = struck
        rerun = company.shell.run("ingest", "--json")
        if rerun.code != DONE or not is_balanced(rerun.record):
            faults.append(f"the rerun ended with {rerun.code}: {rerun.errors}{rerun.out}")
        company.asker.expect_changed()
        faults += find_faults(company.shell)
        return Round(victim, phase, moment, code, is_back_at_once, time.monotonic() - started, faults)

    def _strike(self, victim: Victim) -> tuple[str, float, int | None, bool, list[str]] | None:
        shell = self._company.shell
        known = count_runs(shell)
        ingest = shell.start("ingest", "--json")
        _wait_for_run(shell, ingest, known)
        moment = self._random.uniform(0, self._run_seconds)
        is_back_at_once = self._random.random() < 0.5
        try:
            _, errors = ingest.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            phase = describe_phase(shell, known)
            if victim == "ingest":
                survivors, _ = kill_leader(ingest)
                return phase, moment, None, is_back_at_once, survivors
            done = self._kill_store(victim, ingest, is_back_at_once=is_back_at_once)
            faults = [] if done.code in (DONE, TRY_LATER) else [f"the ingest ended with {done.code}: {done.errors}"]
            return phase, moment, done.code, is_back_at_once, faults
        assert ingest.returncode == DONE, errors.decode()
        return None

    def _kill_store(self, victim: Victim, ingest: subprocess.Popen[bytes], *, is_back_at_once: bool) -> Finished:
        server = self._company.weaviate if victim == "weaviate" else self._company.postgresql
        server.kill()
        try:
            if not is_back_at_once:
                return finish(ingest)
        finally:
            server.start()
        return finish(ingest)


def _measure(shell: CommandLine) -> float:
    """The first ingest; returns how long the run itself took."""
    ingest = shell.start("ingest", "--json")
    _wait_for_run(shell, ingest, known=0)
    begun = time.monotonic()
    done = finish(ingest)
    assert done.code == DONE, done.errors
    return time.monotonic() - begun


def _wait_for_run(shell: CommandLine, ingest: subprocess.Popen[bytes], known: int) -> None:
    def begun() -> bool:
        return ingest.poll() is not None or count_runs(shell) > known

    wait_until(begun, what="the run's first row in the database", pause_seconds=0.05)
