"""The last look before a dataset is written: it shares no code path with what removes leaks, only the measures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tasks.curation.texts import Shingles, cut_letters, cut_words, list_numbers
from tasks.curation_models import Example, Split

_CERTAIN = 0.95
"""Share of the longer text's runs: what removes leaks begins far below, so that one found here is a fault."""


def find_leaks(examples: Sequence[Example], splits: Mapping[str, Split]) -> list[str]:
    """Every way in which something examined reaches what is learnt; empty when nothing does.

    Args:
        splits: By document_id.
    """
    learnt = [one for one in examples if one.split is Split.TRAIN]
    held = [one for one in examples if one.split is not Split.TRAIN]
    return [*_find_documents(learnt, splits), *_find_texts(learnt, held)]


def _find_documents(learnt: Sequence[Example], splits: Mapping[str, Split]) -> list[str]:
    used = {(one.pair_id, evidence.document_id) for one in learnt for evidence in one.evidence}
    used |= {(one.pair_id, passage.document_id) for one in learnt for passage in one.passages}
    wrong = sorted((pair, document) for pair, document in used if splits.get(document, Split.TRAIN) is not Split.TRAIN)
    return [f"pair {pair} is trained on document {document}, which is {splits[document]}" for pair, document in wrong]


def _find_texts(learnt: Sequence[Example], held: Sequence[Example]) -> list[str]:
    questions = _Index((cut_letters(one.question), place) for place, one in enumerate(held))
    gold = [
        (cut_words(passage.text), place) for place, one in enumerate(held) for passage in one.passages if passage.gold
    ]
    passages = _Index(gold)
    found = []
    for one in learnt:
        same = sorted(questions.find(cut_letters(one.question)))
        same = [place for place in same if list_numbers(one.question) == list_numbers(held[place].question)]
        found += [_describe(one, "asks what", held[place]) for place in same]
        shown = {place for passage in one.passages for place in passages.find(cut_words(passage.text))}
        found += [_describe(one, "is shown what is quoted by", held[place]) for place in sorted(shown)]
    return found


def _describe(one: Example, how: str, other: Example) -> str:
    return f"pair {one.pair_id} {how} {other.split} pair {other.pair_id}"


class _Index:
    """Texts by every one of their runs: nothing is left to chance, as it is with MinHash."""

    def __init__(self, texts: Iterable[tuple[Shingles, int]]) -> None:
        self._texts = list(texts)
        self._by_run: dict[int, list[int]] = {}
        for number, (shingles, _) in enumerate(self._texts):
            for shingle in shingles:
                self._by_run.setdefault(shingle, []).append(number)

    def find(self, shingles: Shingles) -> set[int]:
        """Places of the texts that are this one."""
        counts = Counter(number for shingle in shingles for number in self._by_run.get(shingle, ()))
        return {
            self._texts[number][1]
            for number, shared in counts.items()
            if shared >= _CERTAIN * max(len(shingles), len(self._texts[number][0]))
        }
