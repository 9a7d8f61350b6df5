"""Questions for an overview: is the right document first, and its beginning among what is shown?

    python -m bench.overview HOME [--again]

HOME holds the sample company (`data/sources.yaml`); its documents are summarised if they are not yet, `--again` anew.
The questions of `bench/overview.jsonl` describe a document, mostly in other words than its title and some in the other
language. They are searched without summaries, by their topic but still without, and with them; a document's own
description of itself is expected in its first chunk. Ordinary questions (`data/questions.jsonl`) must find exactly the
same passages with and without.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import NamedTuple
from urllib.parse import unquote

import sqlalchemy as sa

from tasks.answer_models import Question
from tasks.integrations.database.schema import document_readers, versions
from tasks.integrations.database.summaries import DatabaseSummaries
from tasks.integrations.processor import describe_processor
from tasks.models import Hit, Run
from tasks.settings import Settings
from tasks.summary_ports import FoundSummary
from tasks.wiring import Application

FOLDER = Path(__file__).parent
SHOWN = 3
"""Passages that an answer is made of."""


class Asked(NamedTuple):
    """A question for an overview, and the end of the uri of the document that is meant."""

    question: Question
    path: str


class Forgetful(DatabaseSummaries):
    """Knows that there are summaries, and none of them: what searching by the topic alone is worth."""

    def read_summaries(self, summary_ids: Collection[str]) -> dict[str, FoundSummary]:
        """Nothing."""
        del summary_ids
        return {}


def main() -> None:
    """Print what summarising took, then a line a way to search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--again", action="store_true", help="summarise what is summarised, too")
    arguments = parser.parse_args()
    app = Application(Settings(home=arguments.home))
    print(describe_processor())
    if arguments.again:
        with app.database.write() as connection:
            connection.execute(sa.update(versions).values(summary_rules=None))
    _summarise(app)
    with app.database.read() as connection:
        everyone = frozenset(connection.execute(sa.select(document_readers.c.principal).distinct()).scalars())
    plain = Application(Settings(home=arguments.home, summaries="none"))
    asked = [
        Asked(Question(text=row["question"], principals=everyone), row["path"])
        for row in _read_rows(FOLDER / "overview.jsonl")
    ]
    print(f"{'':10}{'n':>5}{'hit@1':>8}{'hit@3':>8}{'start@1':>9}{'start@3':>9}{'ms':>6}")
    topic = Application(Settings(home=arguments.home))
    topic.summaries = Forgetful(topic.database)
    for name, one in (("without", plain), ("topic", topic), ("with", app)):
        print(f"{name:10}{_measure(one, asked)}")
    others = [
        Question(text=row["question"], principals=everyone)
        for row in _read_rows(FOLDER.parent / "data" / "questions.jsonl")
    ]
    same = sum(_list_found(app, one) == _list_found(plain, one) for one in others)
    print(f"{same} of {len(others)} ordinary questions find exactly the same")


def _summarise(app: Application) -> None:
    pipeline = app.serving_pipeline()
    assert pipeline is not None, "the home holds documents"
    chunks, summaries, started = 0, 0, time.perf_counter()
    for tenant, source in app.index_truth.list_sources(pipeline.fingerprint):
        with app.hold_source(tenant, source) as token:
            run = Run(
                run_id="bench",
                tenant=tenant,
                source=source,
                lease_token=token,
                fingerprint=pipeline.fingerprint,
                started_at=datetime.now(UTC),
            )
            summaries += app.summarise_versions(run)
        chunks = app.index_truth.count_chunks(pipeline.fingerprint, tenant)
    seconds = time.perf_counter() - started
    print(f"{summaries} summaries beside {chunks} chunks in {seconds:.1f} s, loading the embedder included")


def _measure(app: Application, asked: Sequence[Asked]) -> str:
    app.searcher.search([asked[0].question], limit=1)
    started = time.perf_counter()
    found = [app.searcher.search([one.question], limit=SHOWN)[0] for one in asked]
    milliseconds = (time.perf_counter() - started) * 1000 / len(asked)
    pairs = [(one.path, hits) for one, hits in zip(asked, found, strict=True)]
    columns = [
        fmean(_is_of(path, hits[:1]) for path, hits in pairs),
        fmean(_is_of(path, hits) for path, hits in pairs),
        fmean(_is_start(path, hits[:1]) for path, hits in pairs),
        fmean(_is_start(path, hits) for path, hits in pairs),
    ]
    first, third, start, starts = (f"{column:.3f}" for column in columns)
    return f"{len(asked):5}{first:>8}{third:>8}{start:>9}{starts:>9}{milliseconds:6.0f}"


def _list_found(app: Application, question: Question) -> list[str]:
    """Passages in their order; scores may differ in the fifth digit from one encoder in memory to the next."""
    return [hit.passage.chunk_id for hit in app.searcher.search([question], limit=10)[0]]


def _is_of(path: str, hits: Sequence[Hit]) -> bool:
    return any(unquote(hit.passage.uri).endswith(path) for hit in hits)


def _is_start(path: str, hits: Sequence[Hit]) -> bool:
    return any(hit.passage.chunk.start == 0 and _is_of(path, [hit]) for hit in hits)


def _read_rows(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
