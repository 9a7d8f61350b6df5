"""Kills ingests of a folder that people keep changing, and looks into the stores afterwards."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.e2e.command import CommandLine, kill_group, wait_until
from tests.e2e.stored import find_faults, query
from tests.fakes.hostile_files import write_docx

LEDGER_PARTS = ("new", "changed", "renamed", "unchanged", "outdated", "quarantined")
_VOWELS, _CONSONANTS = "aeiou", "bdfgklmnprstvz"
SECTIONS, _SENTENCES_OF_A_SECTION, _WORDS_OF_A_SENTENCE = 3, 4, 13
SIDECAR = ".groups"


class Corpus:
    """A folder of small md, txt, html and docx files, changed as people change folders; the same for the same seed.

    Every section says over and over whose it is (`mark`), so that a passage tells which version it was taken from.

    Attributes:
        versions: By the number of a document that is there, how often it was written.
        withdrawn: Numbers of documents that only hr may read.
        questions: By number, version and section, words that stand there and nowhere else.
    """

    def __init__(self, folder: Path, *, seed: int, documents: int) -> None:
        self.folder = folder
        self._random = random.Random(seed)
        self._named = 0
        self._sound: dict[Path, bytes] = {}
        self.versions: dict[int, int] = {}
        self.withdrawn: set[int] = set()
        self.questions: dict[tuple[int, int, int], str] = {}
        for _ in range(documents):
            self.add()

    def add(self) -> None:
        """A new document, sometimes in a subfolder."""
        self._named += 1
        ending = ("md", "txt", "html", "docx")[self._named % 4]
        place = self.folder / self._random.choice(("", "", "archive"))
        place.mkdir(parents=True, exist_ok=True)
        self._write(place / f"doc{self._named}.{ending}")

    def change(self) -> None:
        """A day: what was damaged is repaired; then edits, a rename, a deletion, additions, damage, a broken file."""
        self.repair()
        edited, other, renamed, deleted, damaged = self._random.sample(self._files(), 5)
        self._write(edited)
        self._write(other)
        self._rename(renamed, renamed.with_name(f"renamed-{renamed.name}"))
        deleted.unlink()
        del self.versions[number_of(deleted)]
        self.add()
        self.add()
        self._sound[damaged] = damaged.read_bytes()
        damaged.write_bytes(b"PK\x03\x04 cut off" + self._random.randbytes(8))
        (self.folder / "broken.pdf").write_bytes(b"%PDF-1.4 cut off" + self._random.randbytes(8))

    def withdraw(self) -> None:
        """One document more is for hr alone, as its sidecar says."""
        path = self._random.choice([path for path in self._files() if number_of(path) not in self.withdrawn])
        _sidecar(path).write_text("hr\n")
        self.withdrawn.add(number_of(path))

    def repair(self) -> None:
        """Damaged files get their content back: a clean ingest then knows what this one knows."""
        for path, content in self._sound.items():
            path.write_bytes(content)
        self._sound = {}

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("doc*.*") if path.suffix != SIDECAR and path.is_file())

    def _rename(self, path: Path, other: Path) -> None:
        path.rename(other)
        if _sidecar(path).exists():
            _sidecar(path).rename(_sidecar(other))

    def _write(self, path: Path) -> None:
        number = number_of(path)
        self.versions[number] = version = self.versions.get(number, 0) + 1
        title = self._sentence(4)
        sections = [self._section(number, version, section) for section in range(SECTIONS)]
        if path.suffix == ".docx":
            write_docx(path, *sections)
        elif path.suffix == ".html":
            body = "".join(f"<h2>{text[:20]}</h2><p>{text}</p>" for text in sections)
            path.write_text(f"<html><head><title>{title}</title></head><body>{body}</body></html>")
        else:
            path.write_text("\n\n".join([f"# {title}", *(f"## {text[:20]}\n\n{text}" for text in sections)]))

    def _section(self, number: int, version: int, section: int) -> str:
        sentences = [self._sentence(_WORDS_OF_A_SENTENCE) for _ in range(_SENTENCES_OF_A_SECTION)]
        named = f"d{number} {mark(number, version, section)}"
        self.questions[number, version, section] = f"{named} {sentences[0]}"
        return " ".join(f"{named} {sentence}" for sentence in sentences)

    def _sentence(self, words: int) -> str:
        return " ".join(self._word() for _ in range(words)).capitalize() + "."

    def _word(self) -> str:
        syllables = self._random.randint(1, 3)
        pick = self._random.choice
        return "".join(pick(_CONSONANTS) + pick(_VOWELS) for _ in range(syllables))


def mark(number: int, version: int, section: int) -> str:
    """What a section of a version of a document is told by."""
    return f"d{number}v{version}s{section}"


def find_marks(text: str) -> set[tuple[int, int, int]]:
    """Number, version and section of everything that a text was taken from."""
    return {(int(one[1]), int(one[2]), int(one[3])) for one in re.finditer(r"\bd(\d+)v(\d+)s(\d+)\b", text)}


def number_of(path: Path) -> int:
    """Of a document, whatever became of its name."""
    return int(path.stem.rpartition("doc")[2])


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + SIDECAR)


@dataclass(frozen=True)
class Kill:
    """One kill and the rerun after it."""

    phase: str
    second: float
    processes: int
    survivors: list[str]
    ledger: dict[str, Any]
    rerun_seconds: float
    faults: list[str]


class Killer:
    """Kills ingests of one corpus at random moments.

    A quarter of the moments is drawn over the whole command, the others over the run itself, from its first row in the
    database to its end: otherwise most would hit the imports, where nothing can be lost.

    Args:
        shell: Where the commands run.
        corpus: Changed before each kill.
        seed: Of the moments.
    """

    def __init__(self, shell: CommandLine, corpus: Corpus, *, seed: int) -> None:
        self._shell = shell
        self._corpus = corpus
        self._random = random.Random(seed)
        self._begin_seconds = self._run_seconds = 0.0

    def measure(self) -> dict[str, Any]:
        """A run that nobody kills: how long the start takes, and the work."""
        started = time.monotonic()
        ingest = self._start()
        self._wait_for_run(ingest, known=0)
        begun = time.monotonic()
        self._begin_seconds = begun - started
        _, errors = ingest.communicate()
        assert ingest.returncode == 0, errors.decode()
        self._run_seconds = time.monotonic() - begun
        return self._rerun()[0]

    def kill(self, number: int) -> Iterator[Kill]:
        """Change, kill, run again, `number` times; runs that ended before their moment came do not count."""
        done = 0
        while done < number:
            self._corpus.change()
            everywhere = done % 4 == 0
            if (killed := self._kill_one(everywhere=everywhere)) is None:
                continue
            done += 1
            ledger, seconds = self._rerun()
            phase, second, processes, survivors = killed
            yield Kill(phase, second, processes, survivors, ledger, seconds, find_faults(self._shell))

    def _kill_one(self, *, everywhere: bool) -> tuple[str, float, int, list[str]] | None:
        known = count_runs(self._shell)
        ingest = self._start()
        if not everywhere:
            self._wait_for_run(ingest, known=known)
        span = self._begin_seconds + self._run_seconds if everywhere else self._run_seconds
        moment = self._random.uniform(0, span)
        try:
            ingest.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            phase = describe_phase(self._shell, known)
            survivors, processes = kill_leader(ingest)
            return phase, moment, processes, survivors
        self._run_seconds *= 0.8
        return None

    def _start(self) -> subprocess.Popen[bytes]:
        return self._shell.start("ingest", self._corpus.folder, "--json")

    def _wait_for_run(self, ingest: subprocess.Popen[bytes], *, known: int) -> None:
        def begun() -> bool:
            return ingest.poll() is not None or count_runs(self._shell) > known

        wait_until(begun, what="the run's first row in the database", pause_seconds=0.01)

    def _rerun(self) -> tuple[dict[str, Any], float]:
        done = self._shell.run("ingest", self._corpus.folder, "--json")
        assert done.code == 0, done.errors
        return done.record, done.seconds


def count_runs(shell: CommandLine) -> int:
    try:
        return len(query(shell, "SELECT run_id FROM runs"))
    except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):  # the tables are not there yet
        return 0


def describe_phase(shell: CommandLine, known: int) -> str:
    """How far the newest run had come, from its rows."""
    if count_runs(shell) == known:
        return "starting"
    newest = "(SELECT run_id FROM runs ORDER BY started_at DESC LIMIT 1)"
    (status,) = query(shell, f"SELECT status FROM runs WHERE run_id = {newest}")
    if status != "running":
        return "ending"
    if not query(shell, f"SELECT 1 FROM listing WHERE run_id = {newest}"):
        return "listing"
    for state, phase in (("writing", "embedding"), ("ready", "publishing")):
        unseen = "version_id NOT IN (SELECT live_version_id FROM documents WHERE live_version_id IS NOT NULL)"
        if query(shell, f"SELECT 1 FROM versions WHERE state = '{state}' AND {unseen}"):
            return phase
    waiting = f"SELECT 1 FROM listing WHERE run_id = {newest} AND outcome IS NULL"
    return "reading" if query(shell, waiting) else "pruning"


def kill_leader(process: subprocess.Popen[bytes], *, patience_seconds: float = 30) -> tuple[list[str], int]:
    """`kill -9` for the command alone: its children must end by themselves.

    Returns:
        Command lines of those that did not (they are killed now), and how many processes there were.
    """
    family = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=patience_seconds)
    survivors = [" ".join(child.cmdline()) for child in alive if child.is_running()]
    kill_group(process)
    return survivors, len(family) + 1


def is_balanced(ledger: dict[str, Any]) -> bool:
    """Whether each listed file is counted once and live documents add up."""
    counted = sum(ledger[part] for part in LEDGER_PARTS)
    return bool(
        ledger["listed"] == counted
        and ledger["live_after"] == ledger["live_before"] + ledger["new"] - ledger["removed"]
    )
