"""From ranked chunks to the passages a person reads: the same text once, neighbours joined."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby, takewhile
from pathlib import PurePosixPath
from typing import Protocol
from urllib.parse import urlsplit

from tasks.models import Chunk, Hit, Passage, Section

_WORD = re.compile(r"[^\W_]+")
_LIST_NUMBER = re.compile(r"(?m)^\W*\d+\s*[.)]")
_SHINGLE_WORDS = 3

_MOST_COMPARED_CHARACTERS = 100_000
"""A longer document is compared by its found chunk alone: a search must not read whole books."""


class Ranked(Protocol):
    """A chunk and its scores."""

    @property
    def passage(self) -> Passage:
        """The chunk with its document."""

    @property
    def score(self) -> float:
        """0 to 1."""

    @property
    def dense_score(self) -> float | None:
        """Similarity to the question."""

    @property
    def keyword_score(self) -> float | None:
        """BM25."""


@dataclass
class _Group:
    """Chunks that are shown as one passage; the first one found gives rank, score and id."""

    best: Ranked
    chunks: list[Chunk]
    duplicates: list[str] = field(default_factory=list)


class Gathering:
    """Takes ranked chunks, best first, until `limit` passages are full.

    Args:
        limit: Most passages.
        merged_tokens: Longest merged passage; 0 merges nothing.
        count_tokens: Tokens of each text.
        read_text: A document's text, or None where the asker may not read it (any more).
    """

    def __init__(
        self,
        *,
        limit: int,
        merged_tokens: int,
        count_tokens: Callable[[Sequence[str]], list[int]],
        read_text: Callable[[str], str | None],
    ) -> None:
        self._limit = limit
        self._merged_tokens = merged_tokens
        self._count_tokens = count_tokens
        self._read_text = read_text
        self._groups: list[_Group] = []
        self._said: dict[str, frozenset[int]] = {}
        """What a shown document says, all of it: another format's chunks begin and end elsewhere."""
        self._texts: dict[str, str | None] = {}

    def add(self, ranked: Ranked) -> bool:
        """Take one more chunk; False when it would need a passage beyond the limit."""
        passage = ranked.passage
        twin = self._find_twin(passage)
        if twin is not None:
            if passage.document_id not in twin.duplicates:
                twin.duplicates.append(passage.document_id)
            return True
        if not self._join_neighbour(passage):
            if len(self._groups) == self._limit:
                return False
            self._groups.append(_Group(ranked, [passage.chunk]))
        return True

    def finish(self) -> list[Hit]:
        """The passages, best first."""
        return [
            Hit(
                rank=rank,
                score=min(1.0, max(0.0, group.best.score)),
                dense_score=group.best.dense_score,
                keyword_score=group.best.keyword_score,
                passage=self._merge(group),
                duplicates=tuple(group.duplicates),
            )
            for rank, group in enumerate(self._groups, start=1)
        ]

    def _find_twin(self, passage: Passage) -> _Group | None:
        """The best passage of another document of this name that says all of this somewhere, if there is one.

        One other number or word makes another text: of a price list and its older version both must be shown. And two
        documents that share a paragraph are two documents: someone may look for either.
        """
        shingles = read_shingles(passage.chunk.text)
        for group in self._groups:
            shown = group.best.passage
            if shown.document_id == passage.document_id or list_names(shown).isdisjoint(list_names(passage)):
                continue
            if shingles and shingles <= self._read_said(shown):
                return group
        return None

    def _read_said(self, shown: Passage) -> frozenset[int]:
        if shown.document_id not in self._said:
            self._said[shown.document_id] = read_document_shingles(self._text_to_compare(shown))
        return self._said[shown.document_id]

    def _join_neighbour(self, passage: Passage) -> bool:
        chunk = passage.chunk
        for group in self._groups:
            if group.best.passage.version_id != passage.version_id or not _continues(group.chunks, chunk):
                continue
            joined = sorted([*group.chunks, chunk], key=lambda chunk: chunk.position)
            text = self._read_span(passage.document_id, joined)
            if text is not None and self._count_tokens([text])[0] <= self._merged_tokens:
                group.chunks = joined
                return True
        return False

    def _read_span(self, document_id: str, joined: list[Chunk]) -> str | None:
        """The document's own text from the first chunk to the last, None when it is not what was chunked (any more)."""
        if self._merged_tokens == 0:
            return None
        text = self._read(document_id)
        if text is None or any(text[chunk.start : chunk.end] != chunk.text for chunk in joined):
            return None
        return text[joined[0].start : joined[-1].end]

    def _read(self, document_id: str) -> str | None:
        if document_id not in self._texts:
            self._texts[document_id] = self._read_text(document_id)
        return self._texts[document_id]

    def _text_to_compare(self, passage: Passage) -> str:
        text = self._read(passage.document_id)
        return text if text is not None and len(text) <= _MOST_COMPARED_CHARACTERS else passage.chunk.text

    def _merge(self, group: _Group) -> Passage:
        passage, joined = group.best.passage, group.chunks
        if len(joined) == 1:
            return passage
        text = self._read_span(passage.document_id, joined)
        assert text is not None, "checked when they were joined"
        merged = joined[0].model_copy(
            update={
                "end": joined[-1].end,
                "text": text,
                "position": passage.chunk.position,
                "heading_path": _shared_path(joined),
                "kind": "table" if all(chunk.kind == "table" for chunk in joined) else "text",
                "element_ids": tuple(dict.fromkeys(id_ for chunk in joined for id_ in chunk.element_ids)),
            }
        )
        return passage.model_copy(update={"chunk": merged, "sections": _list_sections(joined)})


def _continues(chunks: list[Chunk], chunk: Chunk) -> bool:
    """Whether it lies directly before or after them, on the same page of the same part: a citation has one page."""
    first, last = chunks[0], chunks[-1]
    is_next = chunk.position == last.position + 1 or chunk.position == first.position - 1
    return is_next and (chunk.page, chunk.part) == (first.page, first.part)


def _shared_path(chunks: list[Chunk]) -> tuple[str, ...]:
    levels = zip(*(chunk.heading_path for chunk in chunks), strict=False)
    return tuple(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _list_sections(chunks: list[Chunk]) -> tuple[Section, ...]:
    runs = groupby(chunks, key=lambda chunk: chunk.heading_path)
    return tuple(Section(next(run).start, path) for path, run in runs)


# --- the same text -------------------------------------------------------------------------------------------------


def list_names(passage: Passage) -> frozenset[str]:
    """By what its document may be recognised in another format or place: its file name, its bytes.

    Not its title: two documents that somebody keeps under two names are two, and one of them may be asked for.
    """
    return frozenset([_read_stem(passage.uri), passage.content_hash])


@lru_cache(maxsize=8192)
def _read_stem(uri: str) -> str:
    return PurePosixPath(urlsplit(uri).path).stem.casefold()


def list_words(text: str) -> list[str]:
    """Words in lower case without what formats differ in: punctuation, line breaks, numbers of list items."""
    plain = unicodedata.normalize("NFKC", _LIST_NUMBER.sub(" ", text)).casefold()
    return _WORD.findall(plain)


def hash_shingles(text: str) -> frozenset[int]:
    """Sequences of three words (Broder, "On the resemblance and containment of documents", 1997), hashed.

    The hashes compare within one process only.
    """
    words = list_words(text)
    width = min(_SHINGLE_WORDS, len(words))
    return frozenset(hash(tuple(words[i : i + width])) for i in range(len(words) - width + 1)) if words else frozenset()


@lru_cache(maxsize=8192)
def read_shingles(text: str) -> frozenset[int]:
    """The same of a chunk, remembered: one search looks at hundreds of them, the next at many of them again."""
    return hash_shingles(text)


@lru_cache(maxsize=64)
def read_document_shingles(text: str) -> frozenset[int]:
    """The same of whole documents, of which fewer are remembered: the longest compared one takes about 2 MB."""
    return hash_shingles(text)
