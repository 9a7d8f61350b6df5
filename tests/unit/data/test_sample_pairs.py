"""The sample pairs quote the sample company, ask nothing that the questions ask, and have the faults that are told."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from data.writers.source import Source, plain, read_source
from tasks.curation.rows import Draft, read_draft
from tasks.curation_models import is_refusal
from tasks.curation_ports import RawRow

DATA = Path(__file__).resolve().parents[3] / "data"
FAULTY = 19
"""The last rows: what each has for the checks to find stands in data/README.md and docs/curate.md."""
TITLES = {"products": "{name} ({product_id})", "price_list": "Price of {product_name} ({product_id})"}
"""As data/sources.yaml calls the rows."""
RESTRICTED = ("hr/", "service/internal/")


@cache
def read_lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


@cache
def sources() -> dict[str, Source]:
    company = DATA / "company"
    read = [read_source(path, company) for path in sorted(company.rglob("*.md"))]
    return {source.target.rpartition("/")[2]: source for source in read}


def squeeze(text: str) -> str:
    return " ".join(text.replace("|", " ").split())


def source_text(source: Source) -> str:
    if not source.target.endswith(".csv"):
        return squeeze(plain(source.body))
    rows = csv.reader(source.body.splitlines(), delimiter=source.header["delimiter"])
    return squeeze("\n".join(" ".join(row) for row in rows))


def record_texts() -> dict[str, str]:
    """What each row of the two SQL tables says, by its title."""
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.executescript((DATA / "sql" / "seed.sql").read_text(encoding="utf-8"))
    tables = {title: connection.execute(f"SELECT * FROM {table}").fetchall() for table, title in TITLES.items()}
    connection.close()
    rows = [(title, dict(row)) for title, found in tables.items() for row in found]
    return {title.format(**row): squeeze("\n".join(map(show_cell, row.items()))) for title, row in rows}


def show_cell(cell: tuple[str, Any]) -> str:
    name, value = cell
    return f"{name}: {value:g}" if isinstance(value, float) else f"{name}: {value}"


def test_every_line_is_a_row_that_an_import_reads() -> None:
    rows = read_lines("pairs.jsonl")
    drafts = [read_draft(RawRow(number, row), {}) for number, row in enumerate(rows, start=1)]
    assert all(isinstance(draft, Draft) for draft in drafts)
    assert len(rows) == 483
    assert sum(row["language"] == "de" for row in rows) == 161
    assert sum(is_refusal(row["answer"]) for row in rows) == 50


def test_every_document_has_pairs_and_some_are_for_few_readers() -> None:
    quoted = Counter(one["document"] for row in read_lines("pairs.jsonl")[:-FAULTY] for one in row["evidence"])
    assert {name: quoted[name] for name in sources() if quoted[name] < 3} == {}
    restricted = [
        name
        for name, source in sources().items()
        if source.target.startswith(RESTRICTED) and not source.target.startswith("hr/for-everyone/")
    ]
    assert sum(quoted[name] for name in restricted) == 34


def test_no_pair_asks_what_the_question_file_asks() -> None:
    asked = {question["question"].casefold() for question in read_lines("questions.jsonl")}
    assert [row["question"] for row in read_lines("pairs.jsonl") if row["question"].casefold() in asked] == []


def test_no_two_sound_pairs_ask_the_same() -> None:
    questions = Counter(row["question"].casefold() for row in read_lines("pairs.jsonl")[:-FAULTY])
    assert [question for question, count in questions.items() if count > 1] == []


def test_every_quote_stands_in_its_document() -> None:
    texts = {name: source_text(source) for name, source in sources().items()} | record_texts()
    missing = [
        quoted["quote"]
        for row in read_lines("pairs.jsonl")[:-FAULTY]
        for quoted in row["evidence"]
        if squeeze(quoted["quote"]) not in texts[quoted["document"]]
    ]
    assert missing == []
