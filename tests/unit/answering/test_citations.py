"""Marks are written by us alone."""

from __future__ import annotations

import re

import pytest

from tasks.answering.citations import Statement, quote_statement, split_claims, write_answer
from tasks.answering.context import list_quotables
from tasks.models import Hit
from tests.fakes.passage_reader import FakePassageReader


def hits_of(*texts: str) -> list[Hit]:
    passages = FakePassageReader().add_document("a.md", texts, title="Prices")
    return [Hit(rank=rank, score=0.5, passage=passage) for rank, passage in enumerate(passages, start=1)]


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("Oil is cheap [1]. Water is free. [2][3]", [("Oil is cheap.", {1}), ("Water is free.", {2, 3})]),
        ("Oil is cheap [1, 2].", [("Oil is cheap.", {1, 2})]),
        ("[1] [2]", []),
        ("Oil [[7]] is cheap", [("Oil [] is cheap", {7})]),
        ("Nothing marked", [("Nothing marked", set())]),
        ("", []),
    ],
)
def test_marks_are_taken_out_of_claims_and_kept_as_hints(text: str, claims: list[tuple[str, set[int]]]) -> None:
    assert [(claim.text, set(claim.marks)) for claim in split_claims(text)] == claims


def test_a_row_is_shown_with_its_header_and_quoted_as_it_stands() -> None:
    quotables = list_quotables(hits_of("Article | Price\nA-12 | 3.50 EUR\nA-13 | 4 EUR"))
    text, (citation,) = write_answer([quote_statement(quotables[1])])
    assert text == "Article: A-13; Price: 4 EUR [1]"
    assert citation.quote == "A-13 | 4 EUR"


def test_a_row_of_a_split_table_is_shown_with_the_repeated_header() -> None:
    (hit,) = hits_of("A-12 | 3.50 EUR\nA-13 | 4 EUR")
    chunk = hit.passage.chunk.model_copy(update={"kind": "table", "repeated_header": "Article | Price"})
    passage = hit.passage.model_copy(update={"chunk": chunk})
    quotables = list_quotables([hit.model_copy(update={"passage": passage})])
    assert [quote_statement(one).text for one in quotables] == [
        "Article: A-12; Price: 3.50 EUR",
        "Article: A-13; Price: 4 EUR",
    ]


def test_the_same_span_is_cited_once() -> None:
    (quotable,) = list_quotables(hits_of("Oil is cheap."))
    text, citations = write_answer([Statement("Oil is cheap.", (quotable,)), Statement("It is cheap.", (quotable,))])
    assert text == "Oil is cheap. [1]\nIt is cheap. [1]"
    assert len(citations) == 1


def test_brackets_of_the_document_or_the_model_are_no_marks() -> None:
    quotables = list_quotables(hits_of("See [7] and [[1]1] for oil."))
    text, _ = write_answer([quote_statement(quotables[0])])
    assert re.findall(r"\[\d+\]", text) == ["[1]"]


def test_headings_are_not_quoted() -> None:
    (hit,) = hits_of("Prices\nOil is cheap.")
    assert [one.quote for one in list_quotables([hit])] == ["Oil is cheap."]
