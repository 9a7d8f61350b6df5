"""The desk: everything a pair is looked at with, and the one way from a pair to what is stored of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tasks.curation.checks import Alike, Checker, CheckOptions
from tasks.curation.texts import cut_letters, sign_bands
from tasks.curation_models import CitedDocument, Evidence, Pair
from tasks.curation_ports import CitedDocuments, IndexedPair, NameFinder, PairStore, SupportChecker
from tasks.models import Chunk, Passage, derive_id
from tasks.ports import Embedder, Searcher, Vectors

_CACHED_DOCUMENTS = 64
_CACHED_NAMES = 4096
_MOST_COMPARED = 20_000
"""Pairs whose vectors are held: 40 MB. Beyond it letters alone find near duplicates until the snapshot."""


class CurationPorts(NamedTuple):
    """What curation needs of the outside."""

    pairs: PairStore
    cited: CitedDocuments
    searcher: Searcher
    support: SupportChecker
    names: NameFinder
    embedder: Embedder


class Desk:
    """Looks at pairs of one tenant."""

    def __init__(self, tenant: str, ports: CurationPorts, options: CheckOptions) -> None:
        self.tenant = tenant
        self.ports = ports
        self._checker = Checker(ports.support, ports.names, options)
        self._options = options
        self._embedder = derive_id("embedder", ports.embedder.identity.model_dump_json())
        self._ids: list[str] | None = None
        self._vectors: Vectors = np.zeros((0, 0), dtype=np.float32)
        self.read_document = lru_cache(_CACHED_DOCUMENTS)(self._read_document)
        self.find_documents = lru_cache(_CACHED_NAMES)(self._find_documents)

    def _read_document(self, document_id: str) -> CitedDocument | None:
        return self.ports.cited.read_documents(self.tenant, [document_id]).get(document_id)

    def _find_documents(self, name: str) -> list[str]:
        return self.ports.cited.find_documents(self.tenant, name)

    def embed(self, questions: Sequence[str]) -> Vectors:
        """[n x d] vectors of questions, comparable with each other."""
        return self.ports.embedder.embed_documents(questions)

    def index(self, pair: Pair, vector: Vectors | None = None) -> IndexedPair:
        """The pair with what alike ones are found by."""
        bands = sign_bands(cut_letters(pair.question))
        return IndexedPair(pair, bands, vector, None if vector is None else self._embedder)

    def check(
        self,
        pair: Pair,
        *,
        others: Sequence[IndexedPair] = (),
        vector: Vectors | None = None,
        compare: Callable[[str], bool] = lambda _: True,
    ) -> Pair:
        """The pair with its findings of now.

        Args:
            others: Pairs to compare with that are not stored yet.
            vector: Of the question; None: pairs are compared by letters alone.
            compare: Tells by its pair_id whether a stored pair counts.
        """
        bands = sign_bands(cut_letters(pair.question))
        alike = {one.pair.pair_id: one for one in self._find_among(others, frozenset(bands), vector)}
        alike |= {one.pair_id: Alike(one) for one in self.ports.pairs.find_alike(self.tenant, bands, pair.question)}
        if vector is not None:
            alike |= {one.pair.pair_id: one for one in self._find_near(vector)}
        rivals = [one for one in alike.values() if compare(one.pair.pair_id)]
        findings = self._checker.check_pair(pair, self.list_places(pair.evidence), rivals)
        return pair.model_copy(update={"findings": findings})

    def _find_among(
        self, others: Sequence[IndexedPair], bands: frozenset[int], vector: Vectors | None
    ) -> Iterator[Alike]:
        """Of pairs that are not stored yet those that share a band or a meaning, as the store finds them later."""
        for one in others:
            cosine = None if vector is None or one.vector is None else float(one.vector @ vector)
            if not bands.isdisjoint(one.bands) or (cosine or 0.0) >= self._options.near_cosine:
                yield Alike(one.pair, cosine)

    def _find_near(self, vector: Vectors) -> list[Alike]:
        if self._ids is None:
            self._ids, self._vectors = self.ports.pairs.read_vectors(self.tenant, self._embedder)
        if not self._ids or len(self._ids) > _MOST_COMPARED:
            return []
        cosines = self._vectors @ vector
        near = {
            self._ids[place]: float(cosines[place]) for place in np.flatnonzero(cosines >= self._options.near_cosine)
        }
        found = self.ports.pairs.read_pairs(self.tenant, sorted(near, key=lambda key: -near[key])[:_MOST_NEAR])
        return [Alike(pair, near[pair.pair_id]) for pair in found if pair.state != "rejected"]

    def remember(self, indexed: Sequence[IndexedPair]) -> None:
        """Later pairs are compared with these, too."""
        new = [one for one in indexed if one.vector is not None]
        if self._ids is None or not new or len(self._ids) > _MOST_COMPARED:
            return
        self._ids = [*self._ids, *(one.pair.pair_id for one in new)]
        rows = np.stack([one.vector for one in new if one.vector is not None])
        self._vectors = np.concatenate([self._vectors, rows]) if self._vectors.size else rows

    def list_places(self, evidence: Sequence[Evidence]) -> list[Passage]:
        """One passage a located span: its text is the span, its headings are those it stands under."""
        places = []
        for one in evidence:
            document = self.read_document(one.document_id) if one.located else None
            if document is not None:
                places.append(self._make_place(one, document))
        return places

    def _make_place(self, evidence: Evidence, document: CitedDocument) -> Passage:
        assert evidence.start is not None, "only located spans are placed"
        assert evidence.end is not None, "a located span has an end"
        around = self.ports.cited.find_place(document.version_id, evidence.start)
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


_MOST_NEAR = 8


def _find_header(chunk: Chunk, start: int) -> str:
    """The header of the table that a quoted row stands in: a row alone does not say what its cells are."""
    if chunk.repeated_header or " | " not in chunk.text:
        return chunk.repeated_header
    before = chunk.text[: max(0, start - chunk.start)].split("\n\n")[-1]
    first = before.split("\n", 1)[0]
    return first if " | " in first else ""
