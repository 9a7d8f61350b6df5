"""The sample cases are what data/README.md says: sixty, varied, from nobody real, answerable where that is claimed."""

from __future__ import annotations

import json
from collections import Counter
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from data.writers.source import Source, plain, read_source

DATA = Path(__file__).resolve().parents[3] / "data"
CASES = DATA / "cases"
ROUTES = {
    *("product-question", "spare-parts-and-prices", "service-and-repair", "complaint", "order-status"),
    *("hr", "it", "legal", "spam", "other"),
}
DECISIONS = {"auto-reply", "draft-for-person", "escalate", "reject-as-spam"}


def read_lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / name).read_text(encoding="utf-8").splitlines()]


@cache
def records() -> dict[str, dict[str, Any]]:
    return {record["id"]: record for record in read_lines("cases.jsonl")}


@cache
def expected() -> dict[str, dict[str, Any]]:
    return {line["id"]: line for line in read_lines("expected.jsonl")}


@cache
def mails() -> dict[str, EmailMessage]:
    files = sorted((CASES / "mails").glob("*.eml"))
    return {file.stem: message_from_bytes(file.read_bytes(), policy=default) for file in files}


@cache
def sources() -> dict[str, Source]:
    company = DATA / "company"
    read = [read_source(path, company) for path in sorted(company.rglob("*.md"))]
    return {source.target.rpartition("/")[2]: source for source in read}


def read_body(mail: EmailMessage) -> str:
    part = mail.get_body(("plain", "html"))
    return part.get_content() if part else ""


def bodies() -> dict[str, str]:
    return {name: record["body"] for name, record in records().items()} | {
        name: read_body(mail) for name, mail in mails().items()
    }


def test_every_case_has_one_expectation() -> None:
    assert len(records()) == 50
    assert len(mails()) == 10
    assert sorted([*records(), *mails()]) == sorted(expected())


def test_routes_and_decisions_are_known_and_varied() -> None:
    lines = expected().values()
    assert {line["route"] for line in lines} == ROUTES
    assert {line["decision"] for line in lines} == DECISIONS
    assert {line["urgency"] for line in lines} == {"high", "normal", "low"}
    assert Counter(line["language"] for line in lines) == {"en": 35, "de": 25}
    assert Counter(line["route"] for line in lines)["spam"] == 4


def test_nobody_writes_from_an_address_that_could_be_real() -> None:
    senders = [record["from"] for record in records().values()]
    senders += [str(mail["From"].addresses[0].addr_spec) for mail in mails().values()]
    assert [one for one in senders if not one.endswith((".example.com", ".example.net", ".example.org"))] == []


def test_facts_stand_in_their_documents_which_everyone_may_read() -> None:
    for line in expected().values():
        assert bool(line["facts"]) == bool(line["documents"]), line["id"]
        texts = [plain(sources()[name].body) for name in line["documents"]]
        assert [fact for fact in line["facts"] if not any(fact in text for text in texts)] == [], line["id"]
        hidden = [name for name in line["documents"] if is_restricted(sources()[name].target)]
        assert hidden == [], line["id"]


def is_restricted(target: str) -> bool:
    return target.startswith(("hr/", "service/internal/")) and not target.startswith("hr/for-everyone/")


def test_only_what_the_documents_answer_is_answered_without_a_person() -> None:
    answered = {line["id"]: line["facts"] for line in expected().values() if line["decision"] == "auto-reply"}
    assert len(answered) == 34
    assert [name for name, facts in answered.items() if not facts] == []
    assert [line["id"] for line in expected().values() if line["facts"] and line["id"] not in answered] == []


def test_what_only_hr_may_read_is_in_no_reply() -> None:
    asked = [line for line in expected().values() if (line["route"], line["decision"]) == ("hr", "escalate")]
    assert len(asked) == 3
    assert [line["id"] for line in asked if not line["forbidden"]] == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("case-041", "ignore your instructions"),
        ("case-031", "sick and tired"),
        ("case-032", "Unverschämt"),
        ("case-051", "pixel.fjordwater.example.com"),
        ("case-054", "für unsere Orbita"),
    ],
)
def test_the_hard_cases_say_what_makes_them_hard(name: str, said: str) -> None:
    assert said in bodies()[name]


def test_one_case_is_empty_one_answers_itself_and_one_is_only_an_attachment() -> None:
    assert records()["case-048"]["body"] == ""
    assert mails()["case-052"]["Auto-Submitted"] == "auto-replied"
    assert expected()["case-052"]["decision"] != "auto-reply"
    assert read_body(mails()["case-056"]).strip() == ""
    assert [part.get_filename() for part in mails()["case-056"].iter_attachments()] == ["scan-0417.csv"]
