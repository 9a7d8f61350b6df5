"""The same ingests and searches on SQLite and on PostgreSQL over TCP, side by side in one run.

    python bench/databases.py [--documents 200] [--rounds 3] [--questions 100]

Ingest: the command's own seconds (its ledger's, without the start of Python), of new documents and of a run in which
nothing changed. Search: in this process, one question on each database in turn. PostgreSQL runs with fsync.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import cpuinfo
from pydantic import SecretStr

from tasks.answer_models import Question
from tasks.models import EVERYONE
from tasks.settings import Settings
from tasks.wiring import Application
from tests.e2e.chaos import Corpus
from tests.e2e.command import CommandLine, prefect_server
from tests.postgresql import PostgreSQLServer, running_postgresql

DATABASES = ("sqlite", "postgresql")
EMBEDDER = "minilm"
WORDS_OF_A_QUESTION = 6
CHUNKS_OF_A_JOIN = 50
ALL = frozenset({EVERYONE})


class Figures:
    """Measured values by what was measured and on which database."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, list[float]]] = {}

    def add(self, what: str, database: str, value: float) -> None:
        """One more value."""
        self._values.setdefault(what, {name: [] for name in DATABASES})[database].append(value)

    def lines(self) -> Iterator[str]:
        """The table: medians and their ratio."""
        yield f"{'':<34}" + "".join(f"{name:>14}" for name in (*DATABASES, "ratio"))
        for what, by_database in self._values.items():
            sqlite, postgresql = (statistics.median(by_database[name]) for name in DATABASES)
            yield f"{what:<34}{sqlite:>14.4f}{postgresql:>14.4f}{postgresql / sqlite:>13.2f}×"


def measure_ingests(shells: dict[str, CommandLine], corpus: Corpus, figures: Figures) -> None:
    """New documents, then nothing new, on each database in turn."""
    for what, part in (("ingest, new documents, s", "new"), ("ingest, nothing changed, s", "unchanged")):
        for name, shell in shells.items():
            done = shell.run("ingest", corpus.folder, "--json")
            assert done.code == 0, done.errors
            assert done.record[part] == done.record["listed"], done.record
            figures.add(what, name, done.record["seconds"])


def measure_searches(shells: dict[str, CommandLine], texts: list[str], figures: Figures) -> None:
    """One question on each in turn; the first of each is not counted."""
    apps = {name: _open(shell) for name, shell in shells.items()}
    times: dict[str, list[float]] = {name: [] for name in DATABASES}
    for number, text in enumerate([texts[0], *texts]):
        for name, app in apps.items():
            question = Question(text=f"{text} {number}", principals=ALL)
            seconds = _time(lambda: app.searcher.search([question], limit=10))  # noqa: B023
            if number:
                times[name].append(seconds * 1000)
    for name, values in times.items():
        ordered = sorted(values)
        figures.add("search p50, ms", name, ordered[len(ordered) // 2])
        figures.add("search p95, ms", name, ordered[int(len(ordered) * 0.95)])
    for name, app in apps.items():
        some = list(islice(app.catalogue.list_live_chunk_ids("default"), CHUNKS_OF_A_JOIN))
        joins = [_time(lambda: app.passages.read_passages("default", some, ALL)) for _ in texts]  # noqa: B023
        figures.add(f"join of {len(some)} chunks p50, ms", name, statistics.median(joins) * 1000)
        app.database.close()


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _open(shell: CommandLine) -> Application:
    url = shell.settings["EXPERTLOOP_DATABASE_URL"]
    return Application(Settings(home=shell.home, embedder=EMBEDDER, database_url=SecretStr(url) if url else None))


@contextmanager
def _shells(folder: Path, api_url: str, server: PostgreSQLServer) -> Iterator[dict[str, CommandLine]]:
    """A fresh home on each database."""
    name = server.create_database()
    urls = {"sqlite": "", "postgresql": server.url(name)}
    yield {
        database: CommandLine(folder).set(
            PREFECT_API_URL=api_url,
            EXPERTLOOP_HOME=str(folder / database),
            EXPERTLOOP_EMBEDDER=EMBEDDER,
            EXPERTLOOP_DATABASE_URL=url,
        )
        for database, url in urls.items()
    }
    server.drop_database(name)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=100)
    options = parser.parse_args()
    print(f"processor: {cpuinfo.get_cpu_info().get('brand_raw', platform.processor())}")
    figures = Figures()
    with (
        tempfile.TemporaryDirectory() as folder,
        prefect_server(Path(folder)) as api_url,
        running_postgresql(fsync="on", full_page_writes="on") as server,
    ):
        corpus = Corpus(Path(folder) / "documents", seed=1, documents=options.documents)
        words = next(corpus.folder.glob("*.txt")).read_text().split()
        texts = [" ".join(words[n % 100 : n % 100 + WORDS_OF_A_QUESTION]) for n in range(options.questions)]
        for number in range(options.rounds):
            place = Path(folder) / f"round{number}"
            place.mkdir()
            with _shells(place, api_url, server) as shells:
                measure_ingests(shells, corpus, figures)
                measure_searches(shells, texts, figures)
        print(*figures.lines(), sep="\n")


if __name__ == "__main__":
    main()
