"""Whether a quoted span says what a claim says.

Two questions. What is the span about? Its words and those of its place are compared, fuzzily, since a claim says it in
its own words; only spans about as near as the nearest are looked at further, so that a wrong number finds no support in
another sentence that happens to have it. And does it say the same? There nothing is fuzzy: numbers, units, dates,
names, denials and modal words of the claim must be the span's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from tasks.answering.context import Quotable
from tasks.answering.modals import forces_agree
from tasks.answering.names import are_rivals
from tasks.answering.nearness import find_similar, measure_nearness
from tasks.answering.polarity import polarities_agree
from tasks.answering.quantities import Quantity, find_agreeing, quantities_agree
from tasks.answering.sentences import is_row
from tasks.answering.statements import Evidence, Segment, Shown, Statement, read_shown, read_statement
from tasks.answering.translated import find_languages, is_foreign, is_unmistakable, list_translated
from tasks.answering.words import Stems
from tasks.ports import Embedder, EntailmentJudge

_WIDEST_SPAN = 5
"""Sentences in a row that one claim may draw on."""
_LEAST_NEARNESS = 0.4
_LEAST_TO_JUDGE = 0.2
"""The same where a model reads both: a claim may share few words with what implies it."""
_MOST_JUDGED = 4
"""By their words, and as many translated ones."""
_ENTAILED = 0.5
_WIDEST_GAP = 0.1
"""A span that is less near than the nearest by more than this is about something else."""
_WIDEST_GAP_OF_TOPICS = 0.3
"""The same without numbers: a number alone makes no sentence near."""
_MARKED_BONUS = 0.05
_LEAST_INFLECTED = 4
"""Letters of the shortest name that may have an ending."""

_Item = str | Quantity


class Support(NamedTuple):
    """The sentences in a row that carry a claim, and how well (0 to 1)."""

    quotables: tuple[Quotable, ...]
    score: float


def read_evidence(quotables: Sequence[Quotable], stems: Stems) -> Shown:
    """The quotables, in order, ready to be compared with claims."""
    return read_shown(quotables, stems)


def find_support(
    claim: str,
    shown: Shown,
    stems: Stems,
    *,
    marked: frozenset[int] = frozenset(),
    judge: EntailmentJudge | None = None,
    embedder: Embedder | None = None,
) -> Support | None:
    """The span that carries a claim best, the shortest of equals; None when none does.

    Args:
        marked: Ranks of the passages that the generator named for this claim: a hint that settles near ties.
        judge: Has the last word on spans that speak of the claim's subject and differ in nothing that must not differ;
            None: among those the words decide.
        embedder: Tells what sentences in other languages speak of; None: those carry nothing.

    Raises:
        BackendUnavailable, RateLimited: The server of the embedder or the judge does not answer.
    """
    statement = read_statement(claim, stems, shown.names)
    if not statement.topics and not statement.quantities:
        return None
    languages = find_languages(claim, stems.language)
    nearest = _list_nearest(statement, shown, _LEAST_NEARNESS if judge is None else _LEAST_TO_JUDGE)
    scored = [
        (nearness + (_MARKED_BONUS if window[0].quotable.rank in marked else 0.0), window)
        for nearness, window in nearest
    ]
    carrying = (
        Support(tuple(one.quotable for one in window), score)
        for score, window in sorted(scored, key=lambda one: -one[0])
        if says_same(statement, window, language=stems.language)
        and (not is_foreign(window[0], languages) or is_unmistakable(claim, statement, window, stems))
    )
    translated = (
        Support((one.quotable,), score)
        for score, one in (list_translated(claim, languages, shown, embedder) if embedder else ())
        if _agrees(statement, [one], stems.language) and is_unmistakable(claim, statement, [one], stems)
    )
    if judge is None:
        return next(chain(carrying, translated), None)
    likely = [*islice(carrying, _MOST_JUDGED), *islice(translated, _MOST_JUDGED)]
    return _choose_entailed(claim, list({one.quotables: one for one in likely}.values()), judge)


def _choose_entailed(claim: str, likely: Sequence[Support], judge: EntailmentJudge) -> Support | None:
    """The span that implies the claim most surely, if any does."""
    if not likely:
        return None
    premises = ["\n".join([one.quotables[0].place, *(part.quote for part in one.quotables)]) for one in likely]
    sure = judge.measure_entailment([(premise, claim) for premise in premises])
    best = max(range(len(likely)), key=lambda place: sure[place])
    return likely[best]._replace(score=sure[best]) if sure[best] >= _ENTAILED else None


def says_same(claim: Statement, window: Sequence[Evidence], *, language: str) -> bool:
    """Whether nothing of the claim that must not differ differs from the span."""
    return (
        _agrees(claim, window, language)
        and polarities_agree(claim.clauses, [clause for one in window for clause in one.said.clauses])
        and not any(_is_exchanged(claim, one.segments) for one in window)
        and not _is_borrowed(claim, window)
        and not _is_of_other_row(claim, window)
    )


def _agrees(claim: Statement, window: Sequence[Evidence], language: str) -> bool:
    """Whether what needs no word's meaning agrees: quantities, names, how strongly something binds."""
    return (
        _same_quantities(claim, window)
        and _same_bounds(claim, window)
        and _same_rates(claim, window)
        and _same_names(claim, window, language)
        and forces_agree(claim.forces, frozenset().union(*(one.said.forces for one in window)))
    )


def _list_nearest(claim: Statement, shown: Shown, least: float) -> list[tuple[float, Sequence[Evidence]]]:
    scored = [(measure_nearness(claim, window, shown.weights), window) for window in _list_windows(shown.evidence)]
    least = max(least, max((nearness.all for nearness, _ in scored), default=0.0) - _WIDEST_GAP)
    least_topics = max((nearness.topics for nearness, _ in scored), default=0.0) - _WIDEST_GAP_OF_TOPICS
    return [
        (nearness.all, window)
        for nearness, window in scored
        if nearness.all >= least and nearness.topics >= least_topics
    ]


def _list_windows(evidence: Sequence[Evidence]) -> Iterator[Sequence[Evidence]]:
    """Runs of one, then two and more sentences of one passage."""
    for width in range(1, _WIDEST_SPAN + 1):
        for start in range(len(evidence) - width + 1):
            window = evidence[start : start + width]
            if window[0].quotable.rank == window[-1].quotable.rank:
                yield window


# --- quantities ---------------------------------------------------------------------------------------------------


def _same_quantities(claim: Statement, window: Sequence[Evidence]) -> bool:
    """Whether the claim's quantities are in the span or its place; codes and dates may be said just before."""
    found = {quantity for one in window for quantity in one.said.quantities | one.place.quantities}
    found |= {one for part in window for one in part.context.quantities if one.unit in ("code", "date")}
    units = frozenset(unit for one in window for unit in one.said.units | one.place.units)
    in_table = any(is_row(one.quotable.quote) for one in window)
    return quantities_agree(claim.quantities, frozenset(found), units=None if in_table and not units else units)


def _is_borrowed(claim: Statement, window: Sequence[Evidence]) -> bool:
    """Whether the sentence of a wider span that is most like the claim has another number than its neighbour's."""
    nearest = max(window, key=lambda one: len(claim.topics & one.said.topics)).said.quantities
    borrowed = claim.quantities - find_agreeing(claim.quantities, nearest)
    other_units = {one.unit for one in nearest - claim.quantities}
    return len(window) > 1 and any(one.unit and one.unit in other_units for one in borrowed)


def _same_bounds(claim: Statement, window: Sequence[Evidence]) -> bool:
    """Whether what the claim calls the least is not the most in the span, or the other way round."""
    bounds = [one.said.bounds for one in window]
    return all(found.get(quantity, kind) == kind for found in bounds for quantity, kind in claim.bounds.items())


def _same_rates(claim: Statement, window: Sequence[Evidence]) -> bool:
    found = frozenset[Quantity]().union(*(one.said.rates | one.place.rates for one in window))
    return not found or claim.rates <= found


# --- names --------------------------------------------------------------------------------------------------------


def _same_names(claim: Statement, window: Sequence[Evidence], language: str) -> bool:
    """Whether the claim's names are there, and none of its words takes the place of a name that is."""
    words = frozenset[str]().union(*(one.said.words | one.place.words | one.context.words for one in window))
    if not all(_has_form(name, words) for name in claim.names):
        return False
    taken = [slot for one in window for slot in one.said.slots if slot.word not in claim.words]
    new = [slot for slot in claim.slots if not _has_form(slot.word, words)]
    return not any(are_rivals(slot, other, language=language) for slot in new for other in taken)


def _has_form(name: str, words: frozenset[str]) -> bool:
    """Whether the name is there, alone, in a genitive or at the start of a compound, or less a genitive's ending."""
    if name in words or len(name) < _LEAST_INFLECTED:
        return name in words
    return name[:-1] in words or any(word.startswith(name) for word in words)


def _is_of_other_row(claim: Statement, window: Sequence[Evidence]) -> bool:
    """Whether the claim speaks of another row of the table."""
    rivals = frozenset[str]().union(*(one.rivals for one in window)) & claim.topics
    own = frozenset[str]().union(*(one.said.topics | one.place.topics for one in window))
    return any(not find_similar(topic, own) for topic in rivals)


def _is_exchanged(claim: Statement, segments: Sequence[Segment]) -> bool:
    """Whether the claim gives one part of a sentence the number of another: of "A costs 5, B costs 6" A the 6."""
    numbers = frozenset(one for one in claim.quantities if one.unit not in ("code", "weekday"))
    used = [segment for segment in segments if find_agreeing(numbers, segment.quantities)]
    others = [segment for segment in segments if segment not in used]
    if not used or not others:
        return False
    wanted = _list_items(claim.items, claim.quantities)
    lent = (wanted & _join_words(others)) - _join_words(used)
    rivals = frozenset[_Item]().union(*(_list_items(one.items, one.quantities) for one in used)) - wanted
    return bool(lent) and any(isinstance(one, Quantity) or not _has_form(one, claim.words) for one in rivals)


def _list_items(words: frozenset[str], quantities: frozenset[Quantity]) -> frozenset[_Item]:
    return words | frozenset(one for one in quantities if one.unit in ("code", "weekday"))


def _join_words(segments: Sequence[Segment]) -> frozenset[_Item]:
    return frozenset[_Item]().union(*(_list_items(one.words, one.quantities) for one in segments))
