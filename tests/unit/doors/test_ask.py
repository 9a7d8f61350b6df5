"""What `ask` puts on a terminal while an answer is written, and into a file."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from expertloop.ask import AnswerPrinter, read_questions
from tasks.answer_models import Answer, Silence

FIRST, WHOLE = "It is so. [1]", "It is so. [1]\nIt stays so. [2]"
ANSWER = Answer(question="?", text=WHOLE, mode="generated")


class Screen:
    """A terminal, or a file."""

    def __init__(self, *, terminal: bool) -> None:
        self._file = io.StringIO()
        self.console = Console(file=self._file, force_terminal=terminal, color_system=None, soft_wrap=True)

    @property
    def text(self) -> str:
        return self._file.getvalue()


def test_a_question_file_has_a_line_a_question_whatever_its_texts_hold(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    text = "How long is\u2028the notice\x85period?"
    lines = [{"id": 1, "question": text, "groups": "hr"}, {"id": 2, "question": "x", "groups": None}]
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\r\n" for line in lines), encoding="utf-8")
    first, second = read_questions(file)
    assert (first.question, first.groups, second.groups) == (text, ("hr",), ())


def test_a_terminal_shows_sentences_as_they_come_and_each_once() -> None:
    screen = Screen(terminal=True)
    printer = AnswerPrinter(screen.console)
    printer.hear(FIRST, ())
    assert screen.text == FIRST
    printer.finish(ANSWER)
    assert screen.text == f"{WHOLE}\n"


def test_a_file_gets_the_whole_alone() -> None:
    screen = Screen(terminal=False)
    printer = AnswerPrinter(screen.console)
    printer.hear("It was otherwise. [1]", ())
    assert screen.text == ""
    printer.finish(ANSWER)
    assert screen.text == f"{WHOLE}\n"


def test_what_does_not_hold_any_more_is_taken_back_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(terminal=True)
    printer = AnswerPrinter(screen.console)
    printer.hear(FIRST, ())
    printer.finish(ANSWER.model_copy(update={"abstained": True, "reason": Silence.NOT_READABLE}))
    assert screen.text == f"{FIRST}\nI don't know: nothing readable\n"
    assert "taken back" in capsys.readouterr().err
