"""Cases out of folders, CSV and JSON lines."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from tasks.cases.collect import Collector
from tasks.cases.process import load_process
from tasks.errors import ConfigurationError
from tests.fakes.cases import write_process


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    return Collector("default", load_process(write_process(tmp_path)))


def write(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def test_a_folder_of_mails_is_read_in_the_order_of_names(collector: Collector, tmp_path: Path) -> None:
    for name in ("b", "a"):
        write(tmp_path / f"{name}.eml", f"From: {name}@x.example\nSubject: {name}\n\nbody {name}")
    cases = list(collector.read_path(tmp_path))
    assert [(one.id, one.sender, one.body) for one in cases] == [
        ("a", "a@x.example", "body a"),
        ("b", "b@x.example", "body b"),
    ]


def test_json_lines_have_text_or_subject_and_body_and_other_fields_are_ignored(
    collector: Collector, tmp_path: Path
) -> None:
    rows = [
        {"id": 7, "text": "Hail?", "from": "e@x.example", "groups": ["gold"], "colour": "red"},
        {"subject": "s", "body": "b"},
    ]
    file = write(tmp_path / "cases.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n")
    first, second = collector.read_path(file)
    assert (first.id, first.body, first.sender, first.groups) == ("7", "Hail?", "e@x.example", ("gold",))
    assert (second.subject, second.body) == ("s", "b")
    assert second.id


def test_csv_of_either_kind_is_read(collector: Collector, tmp_path: Path) -> None:
    file = write(tmp_path / "cases.csv", "id;text;groups\nc1;Is hail insured, too?;gold|silver\n")
    (case,) = collector.read_path(file)
    assert (case.body, case.groups) == ("Is hail insured, too?", ("gold", "silver"))


def test_the_same_content_has_the_same_id_and_an_edited_one_another(collector: Collector) -> None:
    rows = [{"id": "1", "text": text} for text in ("a", "a", "b")]
    first, same, edited = (collector.make_record(row, "test").case_id for row in rows)
    assert first == same != edited


def test_what_no_database_keeps_is_left_out(collector: Collector) -> None:
    assert collector.make_record({"text": "a\0b\ud800"}, "test").body == "ab?"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "no JSON"),
        ("[]", "no object"),
        ('{"id": "1"}', "neither text nor subject"),
        ('{"text": ["a"]}', "text is no text"),
        ('{"text": "a", "groups": [1]}', "groups"),
    ],
)
def test_a_line_that_is_no_case_is_named(collector: Collector, tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match="line 1") as raised:
        list(collector.read_path(write(tmp_path / "cases.jsonl", line)))
    assert said in raised.value.message


def test_a_path_without_cases_is_refused(collector: Collector, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no cases"):
        list(collector.read_path(tmp_path / "nothing"))


def test_tables_of_another_encoding_are_read_and_what_is_lost_is_noted(collector: Collector, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_bytes("id;text\nC1;Wann öffnet das Büro?\n".encode("cp1252"))
    (case,) = collector.read_path(file)
    assert (case.body, case.problems) == ("Wann öffnet das Büro?", ())
    file.write_bytes(b"id;text\nC1;W\x81nn?\n")
    (case,) = collector.read_path(file)
    assert case.problems == ("characters that could not be read were replaced",)


@pytest.mark.parametrize(
    ("key", "id_"),
    [
        (Decimal("5.0000"), "5"),
        (Decimal("5.25"), "5.25"),
        (7.0, "7"),
        (UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    ],
)
def test_keys_of_tables_are_of_many_types(collector: Collector, key: object, id_: str) -> None:
    assert collector.make_record({"id": key, "text": "Hail?"}, "row 1").id == id_


def test_a_text_that_is_a_list_is_refused(collector: Collector) -> None:
    with pytest.raises(ConfigurationError, match="text is no text"):
        collector.make_record({"id": 1, "text": ["Hail?"]}, "row 1")
