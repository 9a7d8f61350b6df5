"""CSV and JSONL files as sources: robust against how people write them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tasks.document_ports import Source
from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.sources import build_source
from tasks.source_models import RecordsConfig


def open_records(file: Path | str, content: bytes | None = None, **options: Any) -> Source:
    if content is not None:
        Path(file).write_bytes(content)
    config = RecordsConfig(**{"name": "tickets", "url": str(file), "key": "id", "overview": False, **options})
    return build_source(config, variables={}, max_file_mb=1)


def texts(source: Source) -> dict[str, str]:
    """The text behind the title of each record, or the reason why it has none."""
    found = {}
    for document in source.list_documents():
        if document.problem:
            found[document.path] = document.problem.reason
            continue
        with source.open_document(document.path) as stream:
            found[document.path] = stream.read().decode().partition("\n\n")[2].rstrip("\n")
    return found


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(tmp_path: Path, delimiter: str) -> None:
    content = delimiter.join(["id", "name", "note"]) + "\n" + delimiter.join(["1", "Ada", "a: b. c"]) + "\n"
    assert texts(open_records(tmp_path / "a.csv", content.encode(), template="{name}/{note}")) == {"1": "Ada/a: b. c"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_the_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    content = "id;Größe\n1;übergroß – 5 €\n".encode(encoding)
    assert texts(open_records(tmp_path / "a.csv", content, template="{Größe}")) == {"1": "übergroß – 5 €"}


def test_a_table_put_together_from_two_encodings_is_read(tmp_path: Path) -> None:
    content = "id,n\n1,ü\n".encode() + "2,ä\n".encode("cp1252")
    assert texts(open_records(tmp_path / "a.csv", content, template="{n}")) == {"1": "ü", "2": "ä"}


def test_quoted_cells_may_hold_line_breaks_delimiters_and_quotes(tmp_path: Path) -> None:
    content = b'id,note\r\n1,"first\r\n\r\nsecond, ""quoted"""\r\n\r\n2,5" pipe\r\n'
    assert texts(open_records(tmp_path / "a.csv", content, template="{note}")) == {
        "1": 'first\r\n\r\nsecond, "quoted"',
        "2": '5" pipe',
    }


def test_a_broken_line_is_one_problem_and_its_neighbours_are_read(tmp_path: Path) -> None:
    content = b'id,note\n1,a\n2,"never closed\n3,c\n4,too,many,cells\n5\n6,f,,\n1,again\n,no key\n'
    assert texts(open_records(tmp_path / "a.csv", content, template="{note}")) == {
        "1": "a",
        "@line-3": "broken-line",
        "3": "c",
        "@line-5": "broken-line",
        "@line-6": "broken-line",
        "6": "f",
        "1@line-8": "duplicate-key",
        "@line-9": "no-key",
    }


def test_a_broken_line_says_its_number(tmp_path: Path) -> None:
    listed = list(open_records(tmp_path / "a.jsonl", b'{"id": 1}\n{"id": \n').list_documents())
    assert listed[1].problem is not None
    assert "line 2" in listed[1].problem.message
    assert listed[1].uri == f"file://{tmp_path}/a.jsonl#@line-2"


def test_json_records_may_be_nested_and_differ(tmp_path: Path) -> None:
    content = (
        b'{"id": 1, "from": {"name": "Ada", "mails": ["a@x", "b@x"]}, "ok": true}\n\n'
        b'{"id": "two", "extra": [{"a": 1}], "from": {}}\n[1]\nnope\n' + b"[" * 100_000 + b'\n{"id": null}\n'
    )
    source = open_records(tmp_path / "a.jsonl", content, template="{from.name}: {from.mails}\nok: {ok}\n{extra}")
    assert texts(source) == {
        "1": "Ada: a@x, b@x\nok: yes",
        "two": '[{"a": 1}]',
        "@line-4": "broken-line",
        "@line-5": "broken-line",
        "@line-6": "broken-line",
        "@line-7": "no-key",
    }


def test_readers_title_and_time_come_from_fields(tmp_path: Path) -> None:
    content = b'{"id": 1, "t": "Hot  pump\\n", "g": ["hr", "board"], "m": 1700000000}\n{"id": 2, "t": "x", "g": []}\n'
    first, second = open_records(
        tmp_path / "a.jsonl", content, title="{t}", groups_column="g", modified_column="m"
    ).list_documents()
    assert (first.title, first.groups, str(first.modified)) == (
        "Hot pump",
        ("hr", "board"),
        "2023-11-14 22:13:20+00:00",
    )
    assert second.groups == ("everyone",)


@pytest.mark.parametrize(
    ("cell", "groups"),
    [("7", ("7",)), ('[7, "hr"]', ("7", "hr")), ("null", ("staff",)), ('""', ("staff",)), ("7.0", ("7",))],
)
def test_readers_may_be_numbers(tmp_path: Path, cell: str, groups: tuple[str, ...]) -> None:
    content = f'{{"id": 1, "g": {cell}}}\n'.encode()
    (row,) = open_records(tmp_path / "a.jsonl", content, groups=["staff"], groups_column="g").list_documents()
    assert (row.groups, row.problem) == (groups, None)


@pytest.mark.parametrize("cell", ['{"read": ["hr"]}', "true", '[["hr"]]', '["hr", {"a": 1}]'])
def test_a_cell_that_names_no_readers_closes_its_row(tmp_path: Path, cell: str) -> None:
    content = f'{{"id": 1, "g": {cell}}}\n{{"id": 2, "g": "hr"}}\n'.encode()
    closed, other = open_records(tmp_path / "a.jsonl", content, groups=["staff"], groups_column="g").list_documents()
    assert closed.problem is not None
    assert (closed.path, closed.groups, closed.problem.reason) == ("1", (), "groups-unreadable")
    assert (other.groups, other.problem) == (("hr",), None)


def test_packed_and_remote_files_are_read(tmp_path: Path) -> None:
    packed = gzip.compress(b"id\n1\n")
    assert texts(open_records(tmp_path / "a.csv.gz", packed)) == {"1": "id: 1"}
    store = fsspec.filesystem("memory")
    store.pipe_file("/tickets/a.jsonl", b'{"id": 1}\n')
    (document,) = open_records("memory://tickets/a.jsonl").list_documents()
    assert document.uri == "memory://tickets/a.jsonl#1"
    store.store.clear()


def test_a_file_that_ends_early_fails_the_listing(tmp_path: Path) -> None:
    packed = gzip.compress(b"id\n" + b"".join(b"%d\n" % number for number in range(10_000)))
    with pytest.raises(BackendUnavailable, match="ends in the middle"):
        texts(open_records(tmp_path / "a.csv.gz", packed[: len(packed) // 2]))


@pytest.mark.parametrize(
    ("name", "content", "options", "said"),
    [
        ("a.csv", b"nr,name\n1,x\n", {}, "no column is called id"),
        ("a.jsonl", b'{"nr": 1}\n', {"template": "{name}"}, "no column is called id, name"),
        ("a.csv", b"id,id\n1,2\n", {}, "several columns are called id"),
        ("a.dat", b"id\n1\n", {}, "write format: csv"),
        ("b.csv", None, {}, "there is nothing at"),
        ("", None, {"format": "csv"}, "is no file"),
    ],
)
def test_what_is_configured_wrongly_is_said_before_the_first_record(
    tmp_path: Path, name: str, content: bytes | None, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        texts(open_records(tmp_path / name, content, **options))
    assert said in str(raised.value) + raised.value.advice


def test_an_empty_file_lists_nothing(tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl"):
        assert texts(open_records(tmp_path / name, b"\n\n")) == {}


def test_numbers_in_a_csv_are_compared_as_numbers(tmp_path: Path) -> None:
    content = b"id,weight_kg,when\na,9,2024-01-02\nb,10,2023-01-02\nc,,\n"
    source = open_records(tmp_path / "a.csv", content, overview=True)
    assert "The largest is 10 kg (tickets b)." in texts(source)["@overview"]
    assert "The smallest is 2023-01-02 (tickets b)." in texts(source)["@overview"]
