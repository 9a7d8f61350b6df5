"""Approved pairs become examples: checked again, split by document, with the passages that serving would show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from tasks.answer_models import Question
from tasks.curation.desk import Desk, Look
from tasks.curation.split import SplitShares, derive_split
from tasks.curation_models import Example, FrozenPassage, Pair, PairState, Removal, Split
from tasks.curation_ports import IndexedPair, Place
from tasks.models import EVERYONE, Hit, Passage, hash_text

_BATCH = 32
_COMPARED_AT_ONCE = 256


class Taken(NamedTuple):
    """Pairs that may enter, in order, and why others may not."""

    pairs: list[Pair]
    removals: list[Removal]


def take_pairs(desk: Desk, scope: str) -> Taken:
    """Approved pairs that pass every check of now and that everyone in the scope may read.

    A pair is compared with those before it: of two that are alike the older stays.
    """
    taken: dict[str, Pair] = {}
    removals = []
    approved = desk.ports.pairs.list_pairs(desk.tenant, [PairState.APPROVED])
    desk.compare_from_here()
    while batch := list(islice(approved, _COMPARED_AT_ONCE)):
        vectors = desk.embed([pair.question for pair in batch])
        before: list[IndexedPair] = []
        for look in desk.look_up(batch, list(vectors)):
            pair = look.pair
            removal = _refuse_readers(pair, scope) or _refuse_findings(desk, look, taken, before)
            if removal:
                removals.append(removal)
            else:
                taken[pair.pair_id] = pair
                before.append(desk.index(pair, look.vector))
        desk.remember(before)
    return Taken(list(taken.values()), removals)


def _refuse_readers(pair: Pair, scope: str) -> Removal | None:
    if EVERYONE in pair.readers or scope in pair.readers:
        return None
    who = " ".join(pair.readers) or "nobody"
    return Removal(pair_id=pair.pair_id, reason="readers", message=f"only {who} may read all of it, not all of {scope}")


def _refuse_findings(
    desk: Desk, look: Look, taken: Mapping[str, Pair], before: Sequence[IndexedPair]
) -> Removal | None:
    checked = desk.judge(look, others=before, compare=taken.__contains__).pair
    if not checked.open_findings:
        return None
    first = checked.open_findings[0]
    return Removal(pair_id=checked.pair_id, reason=first.code, message=f"{first.message}; {first.advice}")


def split_pairs(
    pairs: Sequence[Pair], splits: Mapping[str, Split], shares: SplitShares
) -> tuple[list[tuple[Pair, Split]], list[Removal]]:
    """Each pair with the split of its documents; one that quotes documents of two splits stays out."""
    kept, removals = [], []
    for pair in pairs:
        mine = {splits[one.document_id] for one in pair.evidence if one.document_id in splits}
        if len(mine) > 1:
            message = f"it quotes documents of {' and '.join(sorted(mine))}"
            removals.append(Removal(pair_id=pair.pair_id, reason="crosses-splits", message=message))
        else:
            # A question that nothing answers belongs to no document: its own words decide.
            kept.append((pair, mine.pop() if mine else derive_split(pair.pair_id, shares)))
    return kept, removals


def freeze_passages(desk: Desk, pairs: Iterable[tuple[Pair, Split]], *, scope: str, passages: int) -> Iterator[Example]:
    """Examples with the passages found for each question, as an asker of the scope finds them.

    Args:
        passages: As many as serving shows, and the distractors behind them.
    """
    iterator = iter(pairs)
    while batch := list(islice(iterator, _BATCH)):
        questions = [
            Question(text=pair.question, principals=frozenset({EVERYONE, scope}), tenant=pair.tenant)
            for pair, _ in batch
        ]
        found = desk.ports.searcher.search(questions, limit=passages)
        for (pair, split), hits in zip(batch, found, strict=True):
            yield _make_example(desk, pair, split, hits)


def _make_example(desk: Desk, pair: Pair, split: Split, hits: Sequence[Hit]) -> Example:
    frozen = [_freeze(hit.passage, pair, rank=hit.rank, score=hit.score) for hit in hits]
    missing = [
        one
        for one in pair.evidence
        if one.located and not any(passage.gold and passage.document_id == one.document_id for passage in frozen)
    ]
    for passage in desk.list_places(missing):
        place = Place(passage.version_id, passage.chunk.start)
        around = desk.ports.cited.find_places([place]).get(place)
        frozen.append(
            _freeze(passage.model_copy(update={"chunk": around or passage.chunk}), pair, rank=None, score=0.0)
        )
    return Example(
        pair_id=pair.pair_id,
        split=split,
        question=pair.question,
        answer=pair.answer,
        language=pair.language,
        origin=pair.origin,
        answerable=pair.answerable,
        readers=pair.readers,
        evidence=tuple(one.model_copy(update={"version_id": None, "groups": ()}) for one in pair.evidence),
        passages=tuple(frozen),
    )


def _freeze(passage: Passage, pair: Pair, *, rank: int | None, score: float) -> FrozenPassage:
    chunk = passage.chunk
    gold = any(
        one.document_id == passage.document_id
        and one.start is not None
        and one.end is not None
        and one.start < chunk.end
        and chunk.start < one.end
        for one in pair.evidence
    )
    return FrozenPassage(
        document_id=passage.document_id,
        title=passage.title,
        heading_path=chunk.heading_path,
        modified=passage.modified.date().isoformat() if passage.modified else None,
        text=chunk.shown_text,
        text_sha256=hash_text(chunk.shown_text),
        start=chunk.start,
        end=chunk.end,
        rank=rank,
        score=round(score, 4),
        gold=gold,
    )
