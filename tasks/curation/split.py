"""Which documents are learnt from and which are examined: assigned once a document, by what it says.

Documents that say nearly the same, or that one pair quotes together, go together: a test document in another format
would teach the answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import Field

from tasks.curation.texts import cut_words, list_words, measure_containment, sign_bands
from tasks.curation_models import Split
from tasks.curation_ports import CitedDocuments, SplitStore
from tasks.models import Noun, hash_text

_SAME_DOCUMENT = 0.7
_HELD_FIRST = (Split.TEST, Split.VALIDATION, Split.TRAIN)
_HASHES = 16**12


class SplitShares(Noun):
    """Expected shares of the documents; what is left is trained on."""

    validation: float = Field(default=0.1, ge=0, lt=1)
    test: float = Field(default=0.25, ge=0, lt=1)


def derive_split(key: str, shares: SplitShares) -> Split:
    """The split of a key: the same key always has the same."""
    place = int(hash_text(f"split {key}")[:12], 16) / _HASHES
    if place < shares.test:
        return Split.TEST
    return Split.VALIDATION if place < shares.test + shares.validation else Split.TRAIN


def assign_splits(
    tenant: str,
    cited: CitedDocuments,
    store: SplitStore,
    *,
    together: Iterable[Sequence[str]],
    shares: SplitShares,
) -> dict[str, Split]:
    """The split of every live document; those that have none get one, for ever.

    Args:
        together: document_ids that one pair quotes.
    """
    known = store.read_splits(tenant)
    live = cited.list_live(tenant)
    new = [id_ for id_ in live if id_ not in known]
    if new:
        hashes = dict(_read_texts(tenant, cited, live))
        groups = _Groups([*live, *known])
        for alike in [*_find_alike(tenant, cited, live), *together]:
            groups.join(alike)
        store.assign(tenant, dict(_choose(tenant, new, hashes, groups, known, store, shares)))
    return store.read_splits(tenant)


class _Groups:
    """Sets that grow together (union by the smallest name)."""

    def __init__(self, names: Iterable[str]) -> None:
        self._parents = {name: name for name in names}

    def find(self, name: str) -> str:
        """The smallest name of the set."""
        while self._parents.setdefault(name, name) != name:
            self._parents[name] = self._parents[self._parents[name]]
            name = self._parents[name]
        return name

    def join(self, names: Sequence[str]) -> None:
        """Make one set of the sets of these names."""
        roots = sorted({self.find(name) for name in names})
        for root in roots[1:]:
            self._parents[root] = roots[0]

    def list_members(self) -> dict[str, list[str]]:
        """Every set by its smallest name."""
        members: dict[str, list[str]] = {}
        for name in self._parents:
            members.setdefault(self.find(name), []).append(name)
        return members


def _read_texts(tenant: str, cited: CitedDocuments, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The hash of what each document says; one text at a time is held."""
    for id_ in ids:
        document = cited.read_documents(tenant, [id_]).get(id_)
        if document is not None:
            yield id_, hash_text(" ".join(list_words(document.text)))


def _find_alike(tenant: str, cited: CitedDocuments, ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Pairs of documents of which one says most of what the other says."""
    met: dict[int, str] = {}
    for id_ in ids:
        document = cited.read_documents(tenant, [id_]).get(id_)
        shingles = cut_words(document.text) if document else frozenset()
        for other in sorted({met.setdefault(band, id_) for band in sign_bands(shingles)} - {id_}):
            rival = cited.read_documents(tenant, [other])[other]
            if measure_containment(shingles, cut_words(rival.text)) >= _SAME_DOCUMENT:
                yield id_, other


def _choose(
    tenant: str,
    new: Sequence[str],
    hashes: Mapping[str, str],
    groups: _Groups,
    known: Mapping[str, Split],
    store: SplitStore,
    shares: SplitShares,
) -> Iterator[tuple[str, tuple[Split, str]]]:
    wanted = set(new)
    for members in groups.list_members().values():
        mine = sorted(wanted.intersection(members).intersection(hashes))
        if not mine:
            continue
        taken = {known[id_] for id_ in members if id_ in known}
        taken |= {split for id_ in mine if (split := store.find_by_text(tenant, hashes[id_]))}
        derived = derive_split(min(hashes[id_] for id_ in mine), shares)
        # Beside a test document everything is test: held out once is held out for ever.
        split = next((one for one in _HELD_FIRST if one in taken), derived)
        yield from ((id_, (split, hashes[id_])) for id_ in mine)
