"""Two documents that say different numbers of the same thing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.answering.conflicts import find_conflicting, sort_newest_first
from tasks.answering.context import Quotable, list_quotables
from tasks.answering.extract import WIDEST_GAP, Ranked
from tasks.answering.words import Stems
from tasks.models import Hit
from tests.fakes.passage_reader import FakePassageReader


def quote(text: str, *, path: str = "a.md", title: str = "Travel policy", language: str = "en") -> Quotable:
    (passage,) = FakePassageReader().add_document(path, [text], title=title, language=language)
    (quotable,) = list_quotables([Hit(rank=1, score=1.0, passage=passage)])
    return quotable


def rank(*quotables: Quotable, gap: float = 0.1) -> list[Ranked]:
    """As if each scored a little less than the one before."""
    return [Ranked(one, 9 - gap * place, 1.0, 0.5) for place, one in enumerate(quotables)]


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
    assert find_conflicting(lead, rank(lead, second), Stems(language)) == ([second] if conflict else [])


def test_a_document_does_not_contradict_itself() -> None:
    lead = quote("The daily meal allowance is 24 euros.")
    other = quote("The daily meal allowance is 28 euros.")
    assert find_conflicting(lead, rank(lead, other), Stems("en")) == []


PRIVATE_CAR = "What is refunded per kilometer with a private car?"
OLD, NEW = "Use of a private car is refunded at EUR 0.30 per kilometer.", "Private car: EUR 0.38 per kilometer."


@pytest.mark.parametrize(
    ("path", "other", "gap", "conflict"),
    [
        ("travel-2026.docx", NEW, 0.1, True),
        ("travel-2026.docx", NEW, WIDEST_GAP + 0.1, False),
        ("travel-2026.docx", "Private car: EUR 0.30 per kilometer.", 0.1, False),
        ("travel-2026.docx", "Hotels: EUR 135 a night in Germany.", 0.1, False),
        ("mileage-2026.docx", NEW, 0.1, False),
    ],
)
def test_editions_of_one_document_contradict_each_other_in_other_words(
    path: str, other: str, gap: float, *, conflict: bool
) -> None:
    lead = quote(OLD, path="travel-2024.pdf", title="Travel and expense policy")
    second = quote(other, path=path, title="Business travel: the new rules")
    found = find_conflicting(lead, rank(lead, second, gap=gap), Stems("en"), [PRIVATE_CAR])
    assert found == ([second] if conflict else [])


def test_of_another_edition_the_best_sentence_alone_is_shown() -> None:
    lead = quote(OLD, path="travel-2024.pdf")
    (passage,) = FakePassageReader().add_document(
        "travel-2026.pdf", [f"{NEW} Private car, shared: EUR 0.43 per kilometer."]
    )
    best, second = list_quotables([Hit(rank=1, score=1.0, passage=passage)])
    assert find_conflicting(lead, rank(lead, best, second), Stems("en"), [PRIVATE_CAR]) == [best]
    assert find_conflicting(lead, rank(lead, second, best), Stems("en"), [PRIVATE_CAR]) == [second]


def test_the_newest_comes_first_and_the_undated_last() -> None:
    old, new, undated = (quote("One.", title=title) for title in ("Prices 2023", "Prices 2026", "Prices"))
    assert sort_newest_first([undated, old, new]) == [new, old, undated]


def test_the_more_trusted_comes_before_the_newer() -> None:
    old = quote("The daily meal allowance is 24 euros.", path="a-2020.md")
    new = quote("The daily meal allowance is 28 euros.", path="b-2026.md")
    trusted = old._replace(passage=old.passage.model_copy(update={"trust": "high"}))
    assert sort_newest_first([old, new]) == [new, old]
    assert sort_newest_first([trusted, new]) == [trusted, new]


def test_editions_are_as_old_as_their_numbers_say_whenever_their_files_were_copied() -> None:
    third, fourth = (quote("One.", path=f"prices v{number}.md", title="Prices") for number in (3, 4))
    third = third._replace(passage=third.passage.model_copy(update={"modified": datetime(2026, 5, 1, tzinfo=UTC)}))
    assert sort_newest_first([third, fourth]) == [fourth, third]
