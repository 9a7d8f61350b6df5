"""Files of pairs in every shape that people save them in."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from tasks.errors import ConfigurationError
from tasks.integrations.pair_files import read_rows, write_rows

ROWS = [{"question": "Wie oft?", "answer": "täglich"}, {"question": "=1+1", "answer": "a\nb"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_in_whatever_encoding_it_is(tmp_path: Path, encoding: str, delimiter: str) -> None:
    file = tmp_path / "pairs.csv"
    file.write_bytes(f"question{delimiter}answer\r\nWie oft?{delimiter}täglich\r\n\r\n".encode(encoding))
    (row,) = read_rows(file)
    assert (row.number, dict(row.fields), row.fault) == (2, ROWS[0], "")


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".xlsx"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"pairs{suffix}"
    assert write_rows(file, ROWS, ("question", "answer")) == 2
    assert [dict(row.fields) for row in read_rows(file)] == ROWS


def test_broken_rows_are_faults_and_the_others_go_on(tmp_path: Path) -> None:
    lines = tmp_path / "pairs.jsonl"
    lines.write_text('{"question": 1}\nnonsense\n[]\n\n{"a": "b"}\n')
    assert [(row.number, bool(row.fault)) for row in read_rows(lines)] == [(1, False), (2, True), (3, True), (5, False)]
    sheet = tmp_path / "pairs.csv"
    sheet.write_text("question,answer\na,b,c\nd\n")
    assert [(row.number, bool(row.fault)) for row in read_rows(sheet)] == [(2, True), (3, False)]


def test_a_formula_counts_with_its_stored_value_and_without_one_is_a_fault(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["question", "answer"])
    sheet.append(["How much?", 12.0])
    sheet.append(["How much more?", "=A1"])
    book.save(tmp_path / "pairs.xlsx")
    first, second = read_rows(tmp_path / "pairs.xlsx")
    assert (first.number, first.fields["answer"]) == (2, "12")
    assert "no stored value" in second.fault


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl"):
        (tmp_path / name).write_bytes(b"")
        assert list(read_rows(tmp_path / name)) == []


@pytest.mark.parametrize("name", ["missing.csv", "missing.jsonl", "broken.xlsx", "pairs.pdf"])
def test_what_cannot_be_read_says_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.xlsx").write_bytes(b"no zip")
    with pytest.raises(ConfigurationError) as caught:
        list(read_rows(tmp_path / name))
    assert caught.value.advice


@pytest.mark.parametrize("told", [";", "|"])
def test_a_first_line_that_names_the_separator_is_no_header(tmp_path: Path, told: str) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(f"sep={told}\nquestion{told}answer\nWie oft?{told}täglich\n", encoding="utf-8-sig")
    (row,) = read_rows(file)
    assert (row.number, dict(row.fields), row.fault) == (3, ROWS[0], "")
