"""The desk: everything a pair is looked at with, and the one way from a pair to what is stored of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tasks.curation.checks import Alike, Checker, CheckOptions
from tasks.curation.library import Library
from tasks.curation.meanings import Meanings
from tasks.curation.texts import cut_letters, sign_bands
from tasks.curation_models import CitedDocument, Evidence, Pair
from tasks.curation_ports import (
    Asked,
    CitedDocuments,
    IndexedPair,
    NameFinder,
    PairStore,
    Place,
    Rival,
    SupportChecker,
)
from tasks.models import Chunk, Passage, derive_id
from tasks.ports import Embedder, Searcher, Vectors

_MOST_COMPARED = 200_000
"""Pairs whose vectors are held: 200 MB. Beyond it letters alone find near duplicates."""


class CurationPorts(NamedTuple):
    """What curation needs of the outside."""

    pairs: PairStore
    cited: CitedDocuments
    searcher: Searcher
    support: SupportChecker
    names: NameFinder
    embedder: Embedder


class Look(NamedTuple):
    """A pair and what was looked up to check it."""

    pair: Pair
    bands: tuple[int, ...]
    vector: Vectors | None
    stored: dict[str, Alike]
    """Stored pairs that may ask the same, by pair_id."""
    places: list[Passage]
    named: bool


class Desk:
    """Looks at pairs of one tenant."""

    def __init__(self, tenant: str, ports: CurationPorts, options: CheckOptions) -> None:
        self.tenant = tenant
        self.ports = ports
        self._checker = Checker(ports.support, ports.names, options)
        self._options = options
        self._embedder = derive_id("embedder", ports.embedder.identity.model_dump_json())
        self._meanings: Meanings | None = None
        self.library = Library(tenant, ports.cited)
        self.read_document = self.library.read
        self.find_documents = self.library.find

    def embed(self, questions: Sequence[str]) -> Vectors:
        """[n x d] vectors of questions, comparable with each other."""
        return self.ports.embedder.embed_documents(questions)

    def index(self, pair: Pair, vector: Vectors | None = None) -> IndexedPair:
        """The pair with what alike ones are found by."""
        return self._index(pair, sign_bands(cut_letters(pair.question)), vector)

    def _index(self, pair: Pair, bands: tuple[int, ...], vector: Vectors | None) -> IndexedPair:
        return IndexedPair(pair, bands, vector, None if vector is None else self._embedder)

    def check(self, pair: Pair, *, vector: Vectors | None = None) -> Pair:
        """The pair with its findings of now.

        Args:
            vector: Of the question; None: pairs are compared by letters alone.
        """
        (look,) = self.look_up([pair], [vector])
        return self.judge(look).pair

    def look_up(self, pairs: Sequence[Pair], vectors: Sequence[Vectors | None]) -> list[Look]:
        """What the checks of these pairs need to know: one look into the database for all of them, not one each.

        Args:
            vectors: Of the questions; None: this pair is compared by letters alone.
        """
        bands = [sign_bands(cut_letters(pair.question)) for pair in pairs]
        asked = [Asked(pair.question, one) for pair, one in zip(pairs, bands, strict=True)]
        alike = self.ports.pairs.find_alike(self.tenant, asked)
        near = self._find_near(vectors)
        places = self._place_all([pair.evidence for pair in pairs])
        named = self._checker.find_named(pairs)
        return [
            Look(pair, one, vector, {rival.pair_id: Alike(rival) for rival in rivals} | close, where, name)
            for pair, one, vector, rivals, close, where, name in zip(
                pairs, bands, vectors, alike, near, places, named, strict=True
            )
        ]

    def judge(
        self, look: Look, *, others: Sequence[IndexedPair] = (), compare: Callable[[str], bool] = lambda _: True
    ) -> IndexedPair:
        """The pair with its findings of now, as it is stored.

        Args:
            others: Pairs to compare with that are not stored yet.
            compare: Tells by its pair_id whether a stored pair counts.
        """
        among = {one.pair.pair_id: one for one in self._find_among(others, frozenset(look.bands), look.vector)}
        # One that is stored, too, may have been found by its letters alone: what is known of its meaning counts.
        alike = among | look.stored | among
        rivals = [one for one in alike.values() if compare(one.pair.pair_id)]
        findings = self._checker.check_pair(look.pair, look.places, rivals, named=look.named)
        return self._index(look.pair.model_copy(update={"findings": findings}), look.bands, look.vector)

    def _find_among(
        self, others: Sequence[IndexedPair], bands: frozenset[int], vector: Vectors | None
    ) -> Iterator[Alike]:
        """Of pairs that are not stored yet those that share a band or a meaning, as the store finds them later."""
        for one in others:
            cosine = None if vector is None or one.vector is None else float(one.vector @ vector)
            if not bands.isdisjoint(one.bands) or (cosine or 0.0) >= self._options.near_cosine:
                other = one.pair
                yield Alike(Rival(other.pair_id, other.question, other.answer, other.language), cosine)

    def _find_near(self, vectors: Sequence[Vectors | None]) -> list[dict[str, Alike]]:
        """For each vector the stored pairs that mean nearly the same, by pair_id."""
        cosines = self._measure_nearness(vectors)
        rivals = self.ports.pairs.read_rivals(self.tenant, {pair_id for near in cosines for pair_id in near})
        return [
            {pair_id: Alike(rivals[pair_id], near[pair_id]) for pair_id in sorted(near) if pair_id in rivals}
            for near in cosines
        ]

    def _measure_nearness(self, vectors: Sequence[Vectors | None]) -> list[dict[str, float]]:
        """For each vector the cosines of the nearest stored pairs, by pair_id."""
        given = [vector for vector in vectors if vector is not None]
        if given and self._meanings is None:
            self._meanings = Meanings()
            for page in self.ports.pairs.read_vectors(self.tenant, self._embedder):
                self._meanings.add(*page)
        if not given or not self._meanings or len(self._meanings) > _MOST_COMPARED:
            return [{} for _ in vectors]
        near = iter(self._meanings.find_near(np.stack(given), least=self._options.near_cosine, most=_MOST_NEAR))
        return [{} if vector is None else next(near) for vector in vectors]

    def compare_from_here(self) -> None:
        """By meaning, pairs are compared with those that are remembered after this, not with all that are stored."""
        self._meanings = Meanings()

    def remember(self, indexed: Sequence[IndexedPair]) -> None:
        """Later pairs are compared with these, too."""
        new = [(one.pair.pair_id, one.vector) for one in indexed if one.vector is not None]
        if new and self._meanings is not None and len(self._meanings) <= _MOST_COMPARED:
            self._meanings.add([pair_id for pair_id, _ in new], np.stack([vector for _, vector in new]))

    def list_places(self, evidence: Sequence[Evidence]) -> list[Passage]:
        """One passage a located span: its text is the span, its headings are those it stands under."""
        (places,) = self._place_all([evidence])
        return places

    def _place_all(self, spans: Sequence[Sequence[Evidence]]) -> list[list[Passage]]:
        self.library.fetch(one.document_id for evidence in spans for one in evidence if one.located)
        located = [
            [(one, found) for one in evidence if one.located and (found := self.read_document(one.document_id))]
            for evidence in spans
        ]
        wanted = {_place_of(one, found) for pairs in located for one, found in pairs}
        around = self.ports.cited.find_places(wanted)
        return [
            [_make_place(one, found, around.get(_place_of(one, found))) for one, found in pairs] for pairs in located
        ]


_MOST_NEAR = 8


def _place_of(evidence: Evidence, document: CitedDocument) -> Place:
    assert evidence.start is not None, "only located spans are placed"
    return Place(document.version_id, evidence.start)


def _make_place(evidence: Evidence, document: CitedDocument, around: Chunk | None) -> Passage:
    assert evidence.start is not None, "only located spans are placed"
    assert evidence.end is not None, "a located span has an end"
    chunk = Chunk(
        position=0,
        start=evidence.start,
        end=evidence.end,
        text=document.text[evidence.start : evidence.end],
        repeated_header=_find_header(around, evidence.start) if around else "",
        heading_path=around.heading_path if around else (),
        language=document.language,
    )
    return Passage(
        chunk_id="",
        document_id=document.document_id,
        version_id=document.version_id,
        content_hash="",
        uri=document.uri,
        title=document.title,
        source="",
        document_type="",
        modified=None,
        outdated=False,
        chunk=chunk,
    )


def _find_header(chunk: Chunk, start: int) -> str:
    """The header of the table that a quoted row stands in: a row alone does not say what its cells are."""
    if chunk.repeated_header or " | " not in chunk.text:
        return chunk.repeated_header
    before = chunk.text[: max(0, start - chunk.start)].split("\n\n")[-1]
    first = before.split("\n", 1)[0]
    return first if " | " in first else ""
