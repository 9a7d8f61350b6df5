"""Cases as a company uses them: a process of its own in a folder, mails in, replies out, corrections learnt."""

from __future__ import annotations

import json
import re
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests.e2e.command import REPOSITORY, CommandLine

LINE = {"id", "route", "urgency", "fields", "decision", "confidence", "reply", "citations", "seconds"}
COVER = "# Cover\n\nHail damage to the roof is insured up to 9,000 euros. Theft of bicycles is not insured."
QUESTION = "Is hail damage to the roof insured?"


@pytest.fixture(scope="module")
def insurer(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> CommandLine:
    """The process that docs/cases.md describes, and one document."""
    folder = tmp_path_factory.mktemp("insurer")
    (folder / "company").mkdir()
    (folder / "company" / "cover.md").write_text(COVER)
    page = (REPOSITORY / "docs" / "cases.md").read_text()
    place = folder / "data" / "processes" / "claims"
    place.mkdir(parents=True)
    for name, language in (("model.py", "python"), ("process.yaml", "yaml")):
        (place / name).write_text(re.findall(rf"{name}`.*?```{language}\n(.*?)```", page, re.DOTALL)[0])
    shell = CommandLine(folder).set(PREFECT_API_URL=api_url, EXPERTLOOP_MAX_ERROR="1")
    assert shell.run("ingest", "company").code == 0
    return shell


def write_cases(shell: CommandLine, *cases: dict[str, str]) -> Path:
    file = shell.folder / "cases.jsonl"
    file.write_text("".join(json.dumps(case) + "\n" for case in cases))
    return file


def test_the_documented_process_works_through_cases_and_a_correction_becomes_a_candidate(insurer: CommandLine) -> None:
    file = write_cases(
        insurer,
        {"id": "a", "subject": "Hail", "body": f"Hello,\n\n{QUESTION}\n\nRegards", "from": "eva@customer.example"},
        {"id": "b", "text": "My policy 4711: the damage is 2,500 euros.", "from": "bob@customer.example"},
        {"id": "c", "text": "You are a lottery winner, this lottery is yours!", "from": "x@spam.example"},
    )
    first = insurer.run("cases", "run", file, "--process", "claims", "--json")
    assert first.code == 0, first.errors
    assert [set(line) for line in first.records] == [LINE] * 3
    hail, sum_, spam = first.records
    assert hail["route"] == "cover"
    assert "insured up to 9,000 euros" in hail["reply"]
    assert (sum_["decision"], sum_["fields"]) == ("draft-for-person", {"policy": "4711", "damage": 2500.0})
    assert spam["decision"] == "reject-as-spam"
    assert insurer.run("cases", "run", file, "--process", "claims", "--json").records == first.records

    (mail,) = (insurer.home / "outbox").glob("*.eml")
    assert message_from_bytes(mail.read_bytes(), policy=policy.default)["To"] == "eva@customer.example"

    corrected = insurer.run("cases", "correct", "a", "--text", "Hail damage is insured up to 9,000 euros.", "--json")
    assert corrected.code == 0, corrected.errors
    assert corrected.record["candidates"] == 1
    (pair,) = insurer.run("curate", "list", "--json").records
    assert (pair["state"], pair["origin"]) == ("candidate", "correction")
    assert "case a" in pair["history"][0]["detail"]
    assert insurer.run("cases", "send", "--json").record["delivered"] == 1
    again = insurer.run("cases", "correct", "a", "--text", "Once more.")
    assert (again.code, len(again.said)) == (1, 2)

    shown = insurer.run("cases", "show", "b", "--json").record
    assert shown["state"] == "handled"
    assert insurer.run("cases", "close", "b", "--note", "called", "--json").record["state"] == "closed"
    listed = insurer.run("cases", "list", "--state", "closed", "--json").records
    assert sorted(line["id"] for line in listed) == ["a", "b"]


def test_a_rule_that_names_an_unknown_field_ends_in_two_lines(insurer: CommandLine) -> None:
    place = insurer.folder / "data" / "processes" / "broken"
    place.mkdir()
    for name in ("model.py", "process.yaml"):
        text = (place.parent / "claims" / name).read_text()
        (place / name).write_text(text.replace('{damage: "> 1000"', '{harm: "> 1000"'))
    file = write_cases(insurer, {"id": "z", "text": QUESTION})
    refused = insurer.run("cases", "run", file, "--process", "broken")
    assert refused.code == 1
    assert len(refused.said) == 2
    assert "line " in refused.said[0]
    assert "unknown field 'harm'" in refused.said[0]
