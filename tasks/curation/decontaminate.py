"""Keeps what is examined out of what is learnt: near-duplicate questions, answers, passages, across languages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from pydantic import Field

from tasks.curation.checks import shorten
from tasks.curation.texts import (
    Shingles,
    cut_letters,
    cut_words,
    list_numbers,
    list_words,
    measure_containment,
    measure_resemblance,
    sign_bands,
)
from tasks.curation_models import Example, FrozenPassage, Removal, Split
from tasks.models import Noun
from tasks.ports import Embedder, Vectors

_BLOCK = 512
_HELD_OUT_OF = {Split.TRAIN: (Split.VALIDATION, Split.TEST), Split.VALIDATION: (Split.TEST,), Split.TEST: ()}
"""What examples of a split must not resemble."""


class LikenessOptions(Noun):
    """From where on two texts count as the same; docs/decisions/0013-curation.md has the figures."""

    letters: float = Field(default=0.7, gt=0, le=1, description="shared letter runs of questions or answers")
    words: float = Field(default=0.7, gt=0, le=1, description="share of a passage's word runs that another has")
    question_cosine: float = Field(default=0.8, gt=0, le=1)
    answer_cosine: float = Field(default=0.85, gt=0, le=1)
    passage_cosine: float = Field(default=0.75, gt=0, le=1)
    answer_words: int = Field(default=6, ge=1, description="shorter answers say nothing by themselves: yes, 2 litres")


class _Text(NamedTuple):
    """One text of an example, ready to be compared."""

    example: int
    text: str
    shingles: Shingles
    numbers: frozenset[str]


def find_contaminated(
    examples: Sequence[Example], embedder: Embedder, options: LikenessOptions
) -> dict[int, tuple[int, str]]:
    """Examples that must be left out: by index, the held-out example they resemble and by what."""
    found: dict[int, tuple[int, str]] = {}
    for what, texts, least, cosine in _list_kinds(examples, options):
        similar = measure_containment if what == "passage" else measure_resemblance
        for a, b in _find_alike(texts, embedder, cosine, least, similar):
            for learnt, held in ((texts[a].example, texts[b].example), (texts[b].example, texts[a].example)):
                if examples[held].split in _HELD_OUT_OF[examples[learnt].split]:
                    found.setdefault(learnt, (held, what))
    return found


def _list_kinds(
    examples: Sequence[Example], options: LikenessOptions
) -> Iterator[tuple[str, list[_Text], float, float]]:
    questions = [_read(index, one.question, letters=True) for index, one in enumerate(examples)]
    yield "question", questions, options.letters, options.question_cosine
    answers = [
        _read(index, one.answer, letters=True)
        for index, one in enumerate(examples)
        if one.answerable and len(list_words(one.answer)) >= options.answer_words
    ]
    yield "answer", answers, options.letters, options.answer_cosine
    passages = [
        _read(index, passage.text, letters=False)
        for index, one in enumerate(examples)
        for passage in one.passages
        if passage.gold
    ]
    yield "passage", passages, options.words, options.passage_cosine


def _read(index: int, text: str, *, letters: bool) -> _Text:
    # One other number makes another question, but no other passage, and languages write numbers differently.
    numbers = list_numbers(text) if letters else frozenset()
    return _Text(index, text, cut_letters(text) if letters else cut_words(text), numbers)


def _find_alike(
    texts: Sequence[_Text], embedder: Embedder, cosine: float, least: float, similar: object
) -> Iterator[tuple[int, int]]:
    """Pairs of texts that share runs, or mean the same with the same numbers."""
    assert callable(similar), "a measure of two sets of shingles"
    met: dict[int, list[int]] = {}
    for place, text in enumerate(texts):
        others = sorted({other for band in sign_bands(text.shingles) for other in met.setdefault(band, [])})
        for other in others:
            if text.example != texts[other].example and similar(text.shingles, texts[other].shingles) >= least:
                yield other, place
        for band in sign_bands(text.shingles):
            met[band].append(place)
    for a, b in _find_near(embed_all(embedder, [one.text for one in texts]), cosine):
        if texts[a].example != texts[b].example and texts[a].numbers == texts[b].numbers:
            yield a, b


def _find_near(vectors: Vectors, cosine: float) -> Iterator[tuple[int, int]]:
    """Every pair of rows at least so similar; in blocks, so that memory grows with the rows, not with their square."""
    for start in range(0, len(vectors), _BLOCK):
        similar = vectors[start : start + _BLOCK] @ vectors.T
        for row, other in zip(*np.nonzero(similar >= cosine), strict=True):
            if start + row < other:
                yield int(start + row), int(other)


def embed_all(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """[n x d], equal texts embedded once."""
    unique = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    if not unique:
        return np.zeros((0, embedder.identity.dimension), dtype=np.float32)
    blocks = [list(unique)[start : start + _BLOCK] for start in range(0, len(unique), _BLOCK)]
    vectors = np.concatenate([embedder.embed_documents(block) for block in blocks])
    return vectors[[unique[text] for text in texts]]


def drop_held_passages(
    examples: Sequence[Example], splits: dict[str, Split], embedder: Embedder, options: LikenessOptions
) -> tuple[list[Example], list[Removal]]:
    """Examples without passages of documents held out of their split, or that say the same as those examined."""
    held = _HeldPassages(examples, embedder, options)
    kept, removals = [], []
    for one in examples:
        forbidden = _HELD_OUT_OF[one.split]
        dropped = {
            place
            for place, passage in enumerate(one.passages)
            if splits.get(passage.document_id) in forbidden or (forbidden and held.has(passage.text, forbidden))
        }
        removals += [_describe_passage(one, one.passages[place], forbidden) for place in sorted(dropped)]
        left = tuple(passage for place, passage in enumerate(one.passages) if place not in dropped)
        kept.append(one.model_copy(update={"passages": left}))
    return kept, removals


class _HeldPassages:
    """The passages that examined pairs rest on."""

    def __init__(self, examples: Sequence[Example], embedder: Embedder, options: LikenessOptions) -> None:
        gold = [(one.split, passage.text) for one in examples for passage in one.passages if passage.gold]
        self._splits = [split for split, _ in gold]
        self._shingles = [cut_words(text) for _, text in gold]
        self._vectors = embed_all(embedder, [text for _, text in gold])
        self._by_band: dict[int, list[int]] = {}
        for place, shingles in enumerate(self._shingles):
            for band in sign_bands(shingles):
                self._by_band.setdefault(band, []).append(place)
        shown = dict.fromkeys(passage.text for one in examples for passage in one.passages if _HELD_OUT_OF[one.split])
        self._near = dict(zip(shown, embed_all(embedder, list(shown)), strict=True))
        self._options = options

    def has(self, text: str, splits: Sequence[Split]) -> bool:
        """Whether a passage of these splits says the same."""
        shingles = cut_words(text)
        alike = {place for band in sign_bands(shingles) for place in self._by_band.get(band, ())}
        alike = {one for one in alike if measure_containment(shingles, self._shingles[one]) >= self._options.words}
        alike |= set(np.flatnonzero(self._vectors @ self._near[text] >= self._options.passage_cosine).tolist())
        return any(self._splits[place] in splits for place in alike)


def _describe_passage(one: Example, passage: FrozenPassage, forbidden: Sequence[Split]) -> Removal:
    message = f"{passage.title} is held out for {' and '.join(forbidden)}, or says the same"
    return Removal(pair_id=one.pair_id, reason="held-out-passage", message=message, document_id=passage.document_id)


def describe_contamination(example: Example, other: Example, what: str) -> Removal:
    """Why an example was left out, in words."""
    message = f"its {what} is nearly that of a {other.split} pair: {shorten(other.question)}"
    return Removal(pair_id=example.pair_id, reason=f"near-{other.split}", message=message, other=other.pair_id)
