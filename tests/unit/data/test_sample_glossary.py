"""The glossary holds the company's own words: its documents say each term, and none of the words instead of it."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from data.writers.source import read_source

DATA = Path(__file__).resolve().parents[3] / "data"


@cache
def glossary() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DATA / "glossary.yaml").read_text(encoding="utf-8"))
    return content


@cache
def read_language(language: str) -> str:
    """Everything the company says in one language, in small letters."""
    company = DATA / "company"
    read = (read_source(path, company) for path in sorted(company.rglob("*.md")))
    return "\n".join(source.body for source in read if source.language == language).casefold()


def says(text: str, word: str) -> bool:
    return re.search(rf"\b{re.escape(word.casefold())}", text) is not None


def test_the_documents_say_every_term() -> None:
    assert len(glossary()["terms"]) == 36
    assert [
        one["term"] for one in glossary()["terms"] if one["term"].casefold() not in read_language(one["language"])
    ] == []


def test_neither_documents_nor_pairs_say_a_word_instead_of_a_term() -> None:
    pairs = [json.loads(line) for line in (DATA / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = {
        language: "\n".join(pair["answer"] for pair in pairs if pair["language"] == language).casefold()
        for language in ("en", "de")
    }
    said = [
        word
        for one in glossary()["terms"]
        for word in one["instead_of"]
        if says(read_language(one["language"]) + answers[one["language"]], word)
    ]
    assert said == []


def test_customers_are_addressed_as_sie() -> None:
    assert glossary()["address"] == {"de": "Sie"}
    assert not re.search(r"\b(du|dir|dich|dein\w*)\b", read_language("de"))
