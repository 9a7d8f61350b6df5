"""Candidates from chunks: questions with a place, answers that stand there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tasks.answer_models import Generation, Message
from tasks.curation.generate import Source, draft_by_generator, draft_by_templates
from tasks.models import Chunk

TABLE = "Model | Oil | Weight\nP7 | 2 litres | 14 kg\nP9 | 3 litres | 20 kg"
PROSE = "Seals\n\nThe seal of pump P7 is changed every 900 hours. Keep it dry!"


def source(text: str, *, language: str = "en", headings: tuple[str, ...] = ()) -> Source:
    kind = "table" if " | " in text else "text"
    chunk = Chunk(position=0, start=0, end=len(text), text=text, heading_path=headings, language=language, kind=kind)
    return Source("d", "Manual", chunk)


def test_a_tables_rows_are_asked_for_their_columns_in_turn() -> None:
    drafts = list(draft_by_templates([source(TABLE)]))
    assert [(one.question, one.answer) for one in drafts] == [
        ("What is the Oil of Model P7?", "2 litres"),
        ("What is the Weight of Model P9?", "20 kg"),
    ]
    assert [one.quoted[0].quote for one in drafts] == TABLE.splitlines()[1:]


@pytest.mark.parametrize(
    ("language", "heading", "question"),
    [
        ("en", "Seals", 'What does "Manual" say about Seals?'),
        ("de", "Dichtungen", "Was sagt „Manual“ zu Dichtungen?"),
        ("en", "When is the seal changed?", "When is the seal changed?"),
    ],
)
def test_a_heading_asks_for_its_first_sentence(language: str, heading: str, question: str) -> None:
    chunks = [source(PROSE, language=language, headings=(heading,))] * 2
    (draft,) = draft_by_templates(chunks)
    expected = "The seal of pump P7 is changed every 900 hours."
    if heading == "Dichtungen":
        assert draft.answer in (expected, "Keep it dry!")
    else:
        assert draft.answer == expected
    assert (draft.question, draft.language) == (question, language)
    assert draft.quoted[0].quote in PROSE


def test_text_without_headings_or_tables_gives_nothing() -> None:
    assert list(draft_by_templates([source(PROSE), source("A | B"), source("")])) == []


class Scripted:
    """Replies in turn."""

    identity = "scripted"
    context_tokens = 1000

    def __init__(self, *replies: str) -> None:
        self._replies = list(replies)
        self.prompts: list[Sequence[Message]] = []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def generate(
        self, prompts: Sequence[Sequence[Message]], *, max_tokens: int, within_seconds: Sequence[float | None] = ()
    ) -> list[Generation]:
        self.prompts += prompts
        return [Generation(text=self._replies.pop(0), prompt_tokens=1, completion_tokens=1) for _ in prompts]


def test_a_models_question_quotes_the_sentence_that_holds_its_answer() -> None:
    replies = ("Q: How often is the seal changed?\nA: Every 900 hours.", "I cannot do that.")
    generator = Scripted(*replies)
    (draft,) = draft_by_generator([source(PROSE), source(PROSE)], generator)
    assert draft.question == "How often is the seal changed?"
    assert draft.quoted[0].quote == "The seal of pump P7 is changed every 900 hours."
    assert PROSE in generator.prompts[0][1].content
