"""Documents, pairs and datasets of them that share hardly a word: what tests of snapshots freeze."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.curation.snapshot import Snapshot, SnapshotOptions, take_snapshot
from tasks.curation.split import SplitShares
from tasks.integrations.database.datasets import DatabaseDatasets, DatabaseSplits
from tests.fakes.curation import CuratedWorld
from tests.fakes.pairs import add_document
from tests.fakes.passage_reader import FakePassageReader

SHARES = SplitShares(validation=0.2, test=0.3)
WORDS = ("alpha", "bravo", "cedar", "delta", "ember", "flint", "grove", "heron", "ivory", "jetty", "krill", "lotus")


def text_of(number: int) -> str:
    """A document that shares hardly a word with another, as the fake embedder counts words."""
    word = WORDS[number % len(WORDS)]
    return f"{quote_of(number)} {word}est {word}ify {word}ous {word}al {word}ing {word}ed {number + 100} days."


def quote_of(number: int) -> str:
    """Its first sentence."""
    word = WORDS[number % len(WORDS)]
    return f"{word.title()}um {word}or {word}ix {word}an opens at {number + 20} bar."


def fill(world: CuratedWorld, count: int = 12, *, readers: list[str] | None = None) -> None:
    """Documents, an approved pair of each, and a search that finds each document and its neighbour."""
    reader = FakePassageReader()
    rows: list[dict[str, Any]] = []
    passages = []
    for number in range(count):
        add_document(world.database, f"doc{number}.md", text_of(number), readers=readers or ["everyone"])
        passages += reader.add_document(f"doc{number}.md", [text_of(number)])
    for number in range(count):
        word = WORDS[number % len(WORDS)]
        quote = {"document": f"doc{number}.md", "quote": quote_of(number)}
        row = {
            "question": f"When does {word}um {word}or {word}ix {word}an open?",
            "answer": f"at {number + 20} bar",
            "evidence": [quote],
        }
        world.searcher.found = {
            **world.searcher.found,
            str(row["question"]): [passages[number], passages[(number + 1) % count]],
        }
        rows.append({**row, "state": "approved"})
    summary, lines = world.import_rows(*rows)
    assert summary.approved == count, lines


def take(world: CuratedWorld, home: Path, *, day: int = 1, **options: Any) -> Snapshot:
    return take_snapshot(
        world.open_desk(),
        DatabaseSplits(world.database),
        DatabaseDatasets(world.database),
        home=home,
        options=SnapshotOptions(shares=SHARES, **options),
        facts={"collection": "c"},
        now=datetime(2026, 7, day, tzinfo=UTC),
    )
