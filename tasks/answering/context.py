"""What of the found passages can be quoted, and what of them the generator is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tasks.answering.sentences import is_row, split_sentences
from tasks.models import Hit, Passage
from tasks.ports import Generator
from tasks.prompting import ContextPassage, render_messages

_TEMPLATE_TOKENS = 64
"""More than any chat template we know adds around two messages."""


class Quotable(NamedTuple):
    """A sentence, list item or table row of a found passage: the unit of quoting."""

    passage: Passage
    rank: int
    """Index of the passage among those found, counted from 0."""
    score: float
    """The passage's score in the search, 0 to 1."""
    start: int
    end: int
    """Characters of the document's text, end exclusive."""
    heading_path: tuple[str, ...]
    """Of its section: a passage may reach over several."""
    header: str
    """The header line of a table's row, else empty."""

    @property
    def quote(self) -> str:
        """The text itself, exactly as the document has it."""
        offset = self.passage.chunk.start
        return self.passage.chunk.text[self.start - offset : self.end - offset]

    @property
    def place(self) -> str:
        """Title, headings and table header: what a person reads before the sentence."""
        return " > ".join(filter(None, (self.passage.title, *self.heading_path, self.header)))


def list_quotables(hits: Sequence[Hit]) -> list[Quotable]:
    """Everything that can be quoted from the hits, best passage first, in reading order within it, each span once."""
    found: dict[tuple[str, int, int], Quotable] = {}
    for rank, hit in enumerate(hits):
        for quotable in _list_of_passage(hit, rank):
            found.setdefault((quotable.passage.document_id, quotable.start, quotable.end), quotable)
    return list(found.values())


def _list_of_passage(hit: Hit, rank: int) -> Iterator[Quotable]:
    """Sentences and rows; a heading and a table's header say where, not what."""
    passage, chunk = hit.passage, hit.passage.chunk
    sections = passage.list_sections()
    headings = {passage.title, *(heading for section in sections for heading in section.heading_path)}
    header, in_table = chunk.repeated_header, bool(chunk.repeated_header)
    for span in split_sentences(chunk.text):
        sentence = chunk.text[span.start : span.end]
        start, end = chunk.start + span.start, chunk.start + span.end
        row = is_row(sentence)
        if row and not in_table:
            header = sentence
        elif sentence not in headings:
            path = max((one for one in sections if one.start <= start), key=lambda one: one.start).heading_path
            yield Quotable(passage, rank, hit.score, start, end, path, header if row else "")
        in_table = row


def fit_context(
    question: str,
    passages: Sequence[Passage],
    generator: Generator,
    *,
    language: str,
    budget: int,
    room: int,
) -> list[tuple[int, ContextPassage]]:
    """The passages that fit the budget, and the room beside question and chat template; at worst none.

    A first passage that is too long by itself is cut at the end of a sentence.

    Args:
        passages: Best first.
        budget: Most tokens of passages: on a processor the time of an answer is the time of reading them.
        room: Most tokens of the whole prompt: what is left of the generator's context, or of the asker's budget, beside
            the answer.

    Returns:
        Each with its place among `passages`, counted from 0.
    """
    shown = [ContextPassage.from_passage(passage) for passage in passages]
    empty = "\n".join(message.content for message in render_messages(question, [], language=language))
    overhead, *sizes = generator.count_tokens([empty, *(_measured(passage) for passage in shown)])
    budget = min(budget, room - overhead - _TEMPLATE_TOKENS)
    fitting: list[tuple[int, ContextPassage]] = []
    for place, (passage, size) in enumerate(zip(shown, sizes, strict=True)):
        if size > budget and not fitting:
            return [(place, cut) for cut in _cut_passage(passage, budget, generator)]
        if size <= budget:
            fitting.append((place, passage))
            budget -= size
    return fitting


def _measured(passage: ContextPassage) -> str:
    """The passage with room for its mark, its date and its place."""
    return "\n".join(["00000000 [00] (0000-00-00)", passage.title, *passage.heading_path, passage.text])


def _cut_passage(passage: ContextPassage, budget: int, generator: Generator) -> list[ContextPassage]:
    """The longest beginning that fits, in sentences, found by halving."""
    ends = [end for _, end in split_sentences(passage.text)]
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high + 1) // 2
        cut = passage.model_copy(update={"text": passage.text[: ends[middle - 1]]})
        fits = generator.count_tokens([_measured(cut)])[0] <= budget
        low, high = (middle, high) if fits else (low, middle - 1)
    return [passage.model_copy(update={"text": passage.text[: ends[low - 1]]})] if low else []
