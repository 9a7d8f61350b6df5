"""Two documents that say different numbers of the same thing."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tasks.answering.conflicts import find_conflicting, find_date, sort_newest_first
from tasks.answering.context import Quotable, list_quotables
from tasks.answering.words import Stems
from tasks.models import Hit
from tests.fakes.passage_reader import FakePassageReader


def quote(text: str, *, path: str = "a.md", title: str = "Travel policy", language: str = "en") -> Quotable:
    (passage,) = FakePassageReader().add_document(path, [text], title=title, language=language)
    (quotable,) = list_quotables([Hit(rank=1, score=1.0, passage=passage)])
    return quotable


@pytest.mark.parametrize(
    ("language", "one", "other", "conflict"),
    [
        ("en", "The daily meal allowance is 24 euros.", "The daily meal allowance is 28 euros.", True),
        ("en", "The daily meal allowance is 24 euros.", "The daily meal allowance is 24 euros.", False),
        ("en", "The daily meal allowance is 24 euros.", "The daily meal allowance is € 24.00.", False),
        ("en", "The daily meal allowance is 24 euros.", "The nightly hotel allowance is 120 euros.", False),
        (
            "en",
            "The D120 weighs 12 kg without its oil filling.",
            "The D240 weighs 31 kg without its oil filling.",
            False,
        ),
        (
            "de",
            "Die Kündigungsfrist im Vertrag beträgt 3 Monate.",
            "Die Kündigungsfrist im Vertrag beträgt 6 Monate.",
            True,
        ),
        ("de", "Die Frist gilt bis zum 31. März 2026.", "Die Frist gilt bis zum 31. März 2026.", False),
    ],
)
def test_only_another_amount_of_the_same_thing_is_a_conflict(
    language: str, one: str, other: str, *, conflict: bool
) -> None:
    lead = quote(one, path="a.md", language=language)
    second = quote(other, path="b.md", language=language)
    assert find_conflicting(lead, [second], Stems(language)) == ([second] if conflict else [])


def test_a_document_does_not_contradict_itself() -> None:
    lead = quote("The daily meal allowance is 24 euros.")
    assert find_conflicting(lead, [quote("The daily meal allowance is 28 euros.")], Stems("en")) == []


@pytest.mark.parametrize(
    ("title", "path", "modified", "expected"),
    [
        ("Price list 2026", "prices.pdf", datetime(2020, 1, 1, tzinfo=UTC), date(2026, 1, 1)),
        ("Prices", "prices-2025-07-01.pdf", None, date(2025, 7, 1)),
        ("Prices", "prices.pdf", datetime(2024, 3, 5, tzinfo=UTC), date(2024, 3, 5)),
        ("Pump 20260", "pump.pdf", None, None),
        ("Prices", "prices.pdf", None, None),
    ],
)
def test_a_document_is_as_old_as_its_name_says_else_as_its_file(
    title: str, path: str, modified: datetime | None, expected: date | None
) -> None:
    passage = quote("One sentence.", path=path, title=title).passage.model_copy(update={"modified": modified})
    assert find_date(passage) == expected


def test_the_newest_comes_first_and_the_undated_last() -> None:
    old, new, undated = (quote("One.", title=title) for title in ("Prices 2023", "Prices 2026", "Prices"))
    assert sort_newest_first([undated, old, new]) == [new, old, undated]


def test_the_more_trusted_comes_before_the_newer() -> None:
    old = quote("The daily meal allowance is 24 euros.", path="a-2020.md")
    new = quote("The daily meal allowance is 28 euros.", path="b-2026.md")
    trusted = old._replace(passage=old.passage.model_copy(update={"trust": "high"}))
    assert sort_newest_first([old, new]) == [new, old]
    assert sort_newest_first([trusted, new]) == [trusted, new]
