"""The sample pairs quote the sample company, ask nothing that the questions ask, and have the faults that are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data.writers.source import plain, read_source
from tasks.curation.rows import Draft, read_draft
from tasks.curation_models import is_refusal
from tasks.curation_ports import RawRow

DATA = Path(__file__).resolve().parents[3] / "data"
FAULTY = 6
"""The last rows: what each has for the checks to find stands in data/README.md and docs/curate.md."""


def read_lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def squeeze(text: str) -> str:
    return " ".join(text.replace("|", " ").split())


def test_every_line_is_a_row_that_an_import_reads() -> None:
    rows = read_lines("pairs.jsonl")
    drafts = [read_draft(RawRow(number, row), {}) for number, row in enumerate(rows, start=1)]
    assert all(isinstance(draft, Draft) for draft in drafts)
    assert len(rows) == 71
    assert sum(row["language"] == "de" for row in rows) >= 20
    assert sum(is_refusal(row["answer"]) for row in rows) == 8


def test_no_pair_asks_what_the_question_file_asks() -> None:
    asked = {question["question"].casefold() for question in read_lines("questions.jsonl")}
    assert [row["question"] for row in read_lines("pairs.jsonl") if row["question"].casefold() in asked] == []


def test_every_quote_stands_in_its_document() -> None:
    company = DATA / "company"
    sources = [read_source(path, company) for path in sorted(company.rglob("*.md"))]
    texts = {source.target.rpartition("/")[2]: squeeze(plain(source.body)) for source in sources}
    missing = [
        quoted["quote"]
        for row in read_lines("pairs.jsonl")[:-FAULTY]
        for quoted in row["evidence"]
        if squeeze(quoted["quote"]) not in texts[quoted["document"]]
    ]
    assert missing == []
