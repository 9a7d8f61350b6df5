"""What a file's name tells of a document's age, and of which document it is an edition."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tasks.answering.editions import are_editions, find_date, tell_date
from tasks.models import Passage
from tests.fakes.passage_reader import FakePassageReader


def make_passage(path: str, *, title: str = "Travel policy", modified: datetime | None = None) -> Passage:
    (passage,) = FakePassageReader().add_document(path, ["One sentence."], title=title)
    return passage.model_copy(update={"modified": modified})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("travel-policy-2024.pdf", "travel-policy-2026.docx", True),
        ("travel-policy.pdf", "travel-policy-2026.docx", True),
        ("Travel_Policy_2025-12-01.pdf", "travel policy 2026-01.pdf", True),
        ("Stand 01.12.2025 Preise.xlsx", "Stand 15.01.2026 Preise.xlsx", True),
        ("service-contracts-2024-v3.docx", "service-contracts-2026-v4.pdf", True),
        ("Preisliste%20v3.xlsx", "Preisliste%20v3.1.xlsx", True),
        ("old/travel-policy-2024.pdf", "new/travel-policy-2026.pdf", True),
        ("travel-policy-2026.pdf", "travel-policy-2026.docx", False),
        ("travel-policy.pdf", "travel-policy.docx", False),
        ("travel-policy-2024.pdf", "leave-policy-2026.pdf", False),
        ("pump-120.md", "pump-240.md", False),
        ("D120.md", "D240.md", False),
        ("invoice-20240117001.pdf", "invoice-20240117002.pdf", False),
        ("2024.md", "2026.md", False),
        ("v1.2", "v1.3", False),
    ],
)
def test_names_that_differ_in_what_tells_editions_apart_are_editions(one: str, other: str, *, same: bool) -> None:
    first, second = make_passage(one), make_passage(other)
    assert are_editions(first, second) is same
    assert are_editions(second, first) is same


@pytest.mark.parametrize(
    ("title", "path", "modified", "expected", "told"),
    [
        ("Price list 2026", "prices.pdf", datetime(2020, 1, 1, tzinfo=UTC), date(2026, 1, 1), "2026"),
        ("Prices", "prices-2025-07-01.pdf", None, date(2025, 7, 1), "2025-07-01"),
        ("Prices 2025", "prices-2026-02.pdf", None, date(2026, 2, 1), "2026-02"),
        ("Prices", "prices.pdf", datetime(2024, 3, 5, tzinfo=UTC), date(2024, 3, 5), "2024-03-05"),
        ("Prices", "prices_20230315.pdf", None, date(2023, 3, 15), "2023-03-15"),
        ("Minutes", "minutes-15-01-2024.pdf", None, date(2024, 1, 15), "2024-01-15"),
        ("Stand 01.02.2024", "minutes.pdf", None, date(2024, 2, 1), "2024-02-01"),
        ("Prices of 2026-02-31", "prices.pdf", None, None, ""),
        ("Pump 20260", "pump.pdf", None, None, ""),
        ("Prices", "prices.pdf", None, None, ""),
    ],
)
def test_a_document_is_as_old_as_its_name_says_else_as_its_file(
    title: str, path: str, modified: datetime | None, expected: date | None, told: str
) -> None:
    passage = make_passage(path, title=title, modified=modified)
    assert (find_date(passage), tell_date(passage)) == (expected, told)


@pytest.mark.parametrize(
    ("one", "other", "asked", "same"),
    [
        ("annual-report-2024.pdf", "annual-report-2025.pdf", "What was the revenue?", True),
        ("annual-report-2024.pdf", "annual-report-2025.pdf", "What was the revenue in 2024?", False),
        ("annual-report-2024.pdf", "annual-report-2025.pdf", "What was the revenue in 2023?", True),
        ("invoice-2001.pdf", "invoice-2002.pdf", "What is the total of invoice 2001?", False),
        ("prices v3.pdf", "prices v4.pdf", "What did version 3 say?", False),
    ],
)
def test_who_names_an_edition_asks_about_that_one(one: str, other: str, asked: str, *, same: bool) -> None:
    assert are_editions(make_passage(one), make_passage(other), [asked]) is same
