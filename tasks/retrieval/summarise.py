"""What a document, and each large section of it, is about: its few most central sentences, word for word.

docs/decisions/0025 has the reasons.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from tasks.models import Chunk, hash_text
from tasks.ports import StoredVersion
from tasks.retrieval.analysis import list_stems
from tasks.retrieval.centrality import SentenceGraph
from tasks.summary_ports import Summary

RULES = "lexrank-1"
"""Raise it when the same text would get other summaries: every text is then summarised again."""

DOCUMENT_CHUNKS = 4
"""A document of fewer is shown whole to whoever asks what it is about: three passages are."""

SECTION_CHUNKS = 8
"""A section of fewer has no summary of its own: at 200 tokens a chunk, about two pages."""

SENTENCES = 3
"""Of a summary, which is then shorter than a chunk."""

_LEAST_WORDS, _MOST_CHARACTERS = 5, 400
"""Headings and addresses say nothing of the rest; what is longer than a few lines is no sentence."""

_LETTERS_SHARE = 0.75
"""Of prose; rows of tables, headers of mails and lists of numbers have fewer."""

_CELL_BORDER = " | "
_ENDS = (".", "!", "?", "…", "。", "！", "？")
_CLOSERS = " \"'”’“»«)]"

_MOST_LEVELS = 3
"""Of headings: a section within a section within a section."""

Split = Callable[[str], Sequence[tuple[int, int]]]
"""The places of a text's sentences."""


class Sentence(NamedTuple):
    """One of a document's sentences."""

    start: int
    end: int
    text: str
    chunk: int
    """Number of the chunk that holds it."""


class Section(NamedTuple):
    """Neighbouring chunks under one heading; the whole document has none."""

    heading_path: tuple[str, ...]
    first: int
    end: int


class ExtractedSummaries:
    """The `SummaryMaker` port without a model: LexRank over the sentences of each section.

    Args:
        split_sentences: Finds them.
        embedded_text: What is embedded of a text under a title.
    """

    rules = RULES
    accepted = (RULES,)

    def __init__(self, *, split_sentences: Split, embedded_text: Callable[[str, Chunk], str]) -> None:
        self._split = split_sentences
        self._embedded_text = embedded_text

    def summarise(self, version: StoredVersion) -> list[Summary]:
        """Of the document and its large sections; none where it is short or has no sentences."""
        chunks = [indexed.chunk for indexed in version.chunks]
        sections = list_sections(chunks)
        if not sections:
            return []
        sentences = list_sentences(chunks, self._split)
        graph = SentenceGraph([list_stems(one.text, chunks[one.chunk].language) for one in sentences])
        holders = [one.chunk for one in sentences]
        found: list[Summary] = []
        for section in sections:
            members = range(bisect_left(holders, section.first), bisect_left(holders, section.end))
            title = " ".join([version.title, *section.heading_path])
            about = set(list_stems(title, chunks[section.first].language))
            chosen = [sentences[n] for n in graph.choose(members, about, SENTENCES)]
            if chosen:
                found.append(self._make(len(found), version.title, chunks, section, chosen))
        return found

    def _make(
        self, position: int, title: str, chunks: Sequence[Chunk], section: Section, chosen: Sequence[Sentence]
    ) -> Summary:
        """From sentences, the most central first."""
        told = sorted(chosen)
        languages = Counter(chunks[one.chunk].language for one in told)
        leads = dict.fromkeys([section.first, *(one.chunk for one in chosen)])
        summary = Summary(
            position=position,
            text=" ".join(" ".join(one.text.split()) for one in told),
            spans=tuple((one.start, one.end) for one in told),
            leads=tuple(chunks[number].position for number in leads),
            heading_path=section.heading_path,
            language=languages.most_common(1)[0][0],
            embedding_key="",
        )
        return summary._replace(embedding_key=hash_text(self._embedded_text(title, summary.as_chunk)))


def list_sections(chunks: Sequence[Chunk]) -> list[Section]:
    """The whole document and its large sections, outer ones before inner ones; none of a short document."""
    if len(chunks) < DOCUMENT_CHUNKS:
        return []
    sections = [Section((), 0, len(chunks))]
    spans = {(0, len(chunks))}
    for level in range(1, _MOST_LEVELS + 1):
        for path, members in groupby(enumerate(chunks), key=lambda one: one[1].heading_path[:level]):
            numbers = [number for number, _ in members]
            span = numbers[0], numbers[-1] + 1
            # One heading above everything, or above one other heading alone, is the same section again.
            if len(path) == level and len(numbers) >= SECTION_CHUNKS and span not in spans:
                sections.append(Section(path, *span))
                spans.add(span)
    return sections


def list_sentences(chunks: Sequence[Chunk], split: Split) -> list[Sentence]:
    """Whole sentences; of a document that has none, such as slides, what it has instead."""
    prose = list(_list_prose(chunks, split))
    return [one for one in prose if one.text.rstrip(_CLOSERS).endswith(_ENDS)] or prose


def _list_prose(chunks: Sequence[Chunk], split: Split) -> Iterator[Sentence]:
    """Each once: what stands on every page would be central to all of them."""
    seen: set[str] = set()
    for number, chunk in enumerate(chunks):
        for start, end in split(chunk.text) if chunk.kind == "text" else ():
            text = chunk.text[start:end]
            key = " ".join(text.split()).casefold()
            if key not in seen and _is_prose(key):
                seen.add(key)
                yield Sentence(chunk.start + start, chunk.start + end, text, number)


def _is_prose(text: str) -> bool:
    return (
        _CELL_BORDER not in text
        and len(text) <= _MOST_CHARACTERS
        and len(text.split()) >= _LEAST_WORDS
        and sum(map(str.isalpha, text)) >= _LETTERS_SHARE * len(text)
    )
