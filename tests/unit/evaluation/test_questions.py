"""Question files: every format, every fault at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.errors import ConfigurationError
from tasks.evaluation.questions import read_question_file
from tasks.evaluation_models import GoldQuestion


def read(file: Path, text: str) -> list[GoldQuestion]:
    file.write_text(text, encoding="utf-8")
    return read_question_file(file).questions


def test_a_json_line_has_what_is_known_and_may_leave_the_rest_out(tmp_path: Path) -> None:
    whole = {
        "id": "q1", "question": "How hot?", "answers": ["40 °C", 40], "documents": "a.pdf", "answerable": True,
        "groups": ["hr"], "language": "en", "other": [1],
    }  # fmt: skip
    first, second = read(tmp_path / "q.jsonl", f'﻿{json.dumps(whole)}\n\n{{"id": 2, "question": "Why?\u2028"}}\n')
    assert (first.answers, first.documents, first.groups) == (("40 °C", "40"), ("a.pdf",), ("hr",))
    assert (second.id, second.answers, second.can_be_answered) == ("2", (), None)


def test_what_is_known_says_whether_a_question_can_be_answered() -> None:
    question = {"id": "1", "question": "?"}
    assert GoldQuestion.model_validate(question).can_be_answered is None
    assert GoldQuestion.model_validate({**question, "documents": ["a"]}).can_be_answered is True
    assert GoldQuestion.model_validate({**question, "documents": ["a"], "answerable": False}).can_be_answered is False


def test_all_wrong_lines_are_named_at_once(tmp_path: Path) -> None:
    lines = [
        '{"id": "1", "question": "fine"}',
        "{broken",
        '{"id": "3"}',
        '{"id": "4", "question": "  "}',
        '{"id": "1", "question": "twice"}',
        '["no object"]',
        '{"id": "7", "question": "?", "answerable": "perhaps", "answers": {"a": 1}}',
        *(f'{{"id": "x{number}"}}' for number in range(30)),
    ]
    with pytest.raises(ConfigurationError, match="36 wrong lines") as caught:
        read(tmp_path / "q.jsonl", "\n".join(lines))
    message = caught.value.message
    assert [number for number in range(1, 38) if f"line {number}: " in message] == list(range(2, 38))
    assert "id '1' is also in line 1" in message
    assert "answerable" in message
    assert "answers" in message
    assert "\n" not in message


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\x00"])
def test_a_file_without_questions_or_in_another_encoding_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "q.jsonl").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"q\.jsonl"):
        read_question_file(tmp_path / "q.jsonl")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        read_question_file(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_has_the_same_columns_with_lists_by_bars_or_as_json(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ["ID", "question", "answers", "documents", "answerable", "groups"],
        ["q1", '"Öl, wie viel?\nUnd; wann?"', '"[""1,1 | Liter"", ""2""]"', "a.pdf | b c.docx", "ja", "hr|service"],
        ["q2", "Nothing?", "", "", "0", ""],
        ["", "", "", "", "", ""],
    ]
    first, second = read(tmp_path / "q.csv", "\r\n".join(delimiter.join(row) for row in rows))
    assert first.text == "Öl, wie viel?\nUnd; wann?"
    assert first.answers == ("1,1 | Liter", "2")
    assert first.documents == ("a.pdf", "b c.docx")
    assert (first.answerable, first.groups) == (True, ("hr", "service"))
    assert (second.answerable, second.answers) == (False, ())


def test_wrong_csv_lines_are_named_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="3 wrong lines") as caught:
        read(tmp_path / "q.csv", "id,question,answerable\nq1,,yes\nq2,What?,maybe\nq3,a,yes,too much\nq4,fine,no\n")
    assert all(f"line {number}: " in caught.value.message for number in (2, 3, 4))


def test_what_no_reader_of_json_can_hold_is_a_wrong_line_or_a_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"line 1: not JSON"):
        read(tmp_path / "q.jsonl", f'{{"id": {"7" * 5000}, "question": "x"}}\n')
    deep = "[" * 100_000
    (question,) = read(tmp_path / "q.csv", f"id,question,answers\nq1,What?,{deep}\n")
    assert question.answers == (deep,)


def test_squad_like_json_gives_titles_as_documents_and_no_gold_for_impossible_questions(tmp_path: Path) -> None:
    asked = [
        {"id": "a", "question": "Who?", "answers": [{"text": "Ada"}, {"text": "Ada"}]},
        {"id": "b", "question": "When?", "is_impossible": True, "answers": [{"text": "1815"}]},
    ]
    text = json.dumps({"data": [{"title": "Lovelace", "paragraphs": [{"context": "…", "qas": asked}]}]})
    first, second = read(tmp_path / "q.json", text)
    assert (first.answers, first.documents, first.answerable) == (("Ada",), ("Lovelace",), True)
    assert (second.answers, second.documents, second.answerable) == ((), (), False)


def test_a_json_list_is_a_list_of_questions(tmp_path: Path) -> None:
    assert [one.id for one in read(tmp_path / "q.json", '[{"id": "1", "question": "?"}]')] == ["1"]
    with pytest.raises(ConfigurationError, match="SQuAD-like"):
        read(tmp_path / "q.json", '{"questions": []}')
