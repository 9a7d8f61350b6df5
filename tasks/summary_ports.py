"""Summaries: what a document, or a large section of one, is about in a few sentences, and what they need of the world.

A summary is indexed and searched, and leads to chunks; it is never shown, never put into a prompt and never cited.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from tasks.models import Chunk, Run, derive_id, hash_text
from tasks.ports import StoredVersion, VersionReader


class Summary(NamedTuple):
    """A few sentences, and the chunks that they stand for."""

    position: int
    """Counted from 0 within its version: the whole document first, then its sections in reading order."""
    text: str
    spans: tuple[tuple[int, int], ...]
    """Of its sentences in the document's text, in its order; none where a generator wrote it."""
    leads: tuple[int, ...]
    """Positions of chunks, at least one: the first of what is summarised, then those that hold its sentences."""
    heading_path: tuple[str, ...]
    """Of the section; empty for the whole document."""
    language: str
    embedding_key: str
    """sha256 of its embedded text."""

    @property
    def as_chunk(self) -> Chunk:
        """In the form that is embedded, indexed and ranked; its offsets say nothing."""
        return Chunk.model_construct(
            position=self.position,
            start=0,
            end=0,
            text=self.text,
            heading_path=self.heading_path,
            language=self.language,
        )


def derive_summary_id(version_id: str, position: int, text: str) -> str:
    """One per version, position and text: written anew by other rules it is another row."""
    return derive_id("summary", version_id, position, hash_text(text))


class FoundSummary(NamedTuple):
    """A summary that a search came upon; it counts only where the asker may read a chunk that it leads to."""

    chunk: Chunk
    """The summary in the form of a chunk: it is ranked, and then gives way to those it leads to."""
    chunk_ids: tuple[str, ...]
    """What it leads to, in the order of `Summary.leads`."""


class SummaryReader(Protocol):
    """What was summarised, and where it stands."""

    def read_summaries(self, summary_ids: Collection[str]) -> dict[str, FoundSummary]:
        """By summary_id, whoever may read them, of former versions too; unknown ids are left out."""


class SummaryStore(VersionReader, Protocol):
    """Summaries by version; `read_versions` gives versions with them in the place of chunks."""

    def find_unsummarised(self, run: Run, rules: Collection[str]) -> Iterator[list[str]]:
        """Pages of the source's version_ids that searches see, or will see, and that no such rules summarised."""

    def list_summary_ids(self, version_ids: Sequence[str]) -> list[str]:
        """Of the versions' summaries."""

    def write_summaries(self, run: Run, made: Mapping[str, Sequence[Summary]]) -> None:
        """Replace the summaries of each version_id."""

    def mark_summarised(self, run: Run, version_ids: Sequence[str], rules: str) -> None:
        """Their summaries are in the vector store."""


class SummaryMaker(Protocol):
    """Turns a version's chunks into summaries."""

    @property
    def rules(self) -> str:
        """Changes when the same text would get other summaries; at most 64 characters."""

    @property
    def accepted(self) -> tuple[str, ...]:
        """Rules whose summaries need not be made anew now."""

    def summarise(self, version: StoredVersion) -> list[Summary]:
        """Of the document and its large sections; none where it is short or has no sentences."""
