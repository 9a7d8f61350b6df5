"""The `SupportChecker` port: the support check of answers, for pairs that people wrote.

Experts write short: "18 months", "no, only while it runs". What stands in the quote word for word needs no further
check; a short answer must have its words and numbers there; a sentence must pass `find_support`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.answering.citations import split_claims
from tasks.answering.context import Quotable, list_quotables
from tasks.answering.nearness import find_similar
from tasks.answering.quantities import find_quantities, quantities_agree
from tasks.answering.support import find_support, read_evidence
from tasks.answering.words import Stems
from tasks.curation_models import Evidence, Pair
from tasks.models import Hit, Passage

_SHORT_WORDS = 7
_LEADS = ("yes", "no", "ja", "nein")
_LEAST_OVERLAP = 0.3
_WORD = re.compile(r"\w+(?:[.,]\d+)*")


class PairSupport:
    """Reads pairs as claims."""

    def find_unsupported(self, pair: Pair, places: Sequence[Passage]) -> list[str]:
        """The answer's claims that none of the quoted spans carries.

        Args:
            places: One a located span, its chunk's text being the span.
        """
        stems = Stems(pair.language)
        quotables = list_quotables([Hit(rank=rank, score=1, passage=one) for rank, one in enumerate(places, start=1)])
        said = [one.chunk.text for one in places]
        around = [" ".join((one.title, *one.chunk.heading_path, one.chunk.repeated_header)) for one in places]
        if _stands_in(pair.answer, said):
            return []
        shown = read_evidence(quotables, stems)
        return [
            claim
            for claim in _list_claims(pair.answer)
            if not _stands_in(claim, said)
            and not _has_all_words(claim, [*said, *around, pair.question], said, stems)
            and not (find_support(claim, shown, stems) and _is_on_topic(claim, [*said, *around, pair.question], stems))
        ]

    def propose_evidence(self, pair: Pair, hits: Sequence[Hit]) -> list[Evidence]:
        """The span of the found passages that carries the answer best; none where nothing does."""
        stems = Stems(pair.language)
        quotables = list_quotables(hits)
        best = _find_short(pair, quotables, stems)
        if best is None:
            support = find_support(pair.answer, read_evidence(quotables, stems), stems)
            best = support.quotables if support else None
        return [_propose(best)] if best else []


def _list_claims(answer: str) -> list[str]:
    """Sentences; a leading yes or no is the answer to the question, what follows it is the claim."""
    claims = [claim.text for claim in split_claims(answer)] or [answer]
    stripped = []
    for claim in claims:
        head, comma, rest = claim.partition(",")
        stripped.append(rest.strip() if comma and rest.strip() and head.strip().casefold() in _LEADS else claim)
    return stripped


def _stands_in(claim: str, texts: Sequence[str]) -> bool:
    plain = _join_words(claim)
    return bool(plain) and any(f" {plain} " in f" {_join_words(text)} " for text in texts)


def _join_words(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def _is_on_topic(claim: str, texts: Sequence[str], stems: Stems) -> bool:
    """Whether more than half of the claim's words are known: one quote alone has no nearer rival to lose against."""
    topics = frozenset(stems.find_topics(claim))
    known = frozenset(word for text in texts for word in stems.find_topics(text))
    return not topics or sum(bool(find_similar(topic, known)) for topic in topics) > len(topics) / 2


def _has_all_words(claim: str, texts: Sequence[str], said: Sequence[str], stems: Stems) -> bool:
    """Whether a short claim takes all its words from quote, place and question, and its numbers from the quote."""
    if len(claim.split()) > _SHORT_WORDS:
        return False
    words = frozenset(stems.find_topics(claim))
    known = frozenset(word for text in texts for word in stems.find_topics(text))
    numbers = find_quantities(claim)
    found = frozenset(one for text in said for one in find_quantities(text))
    return bool(words or numbers) and words <= known and quantities_agree(numbers, found)


def _find_short(pair: Pair, quotables: Sequence[Quotable], stems: Stems) -> tuple[Quotable, ...] | None:
    """The sentence that holds a short answer and shares most with the question."""
    if len(pair.answer.split()) > _SHORT_WORDS:
        return None
    asked = frozenset(stems.find(pair.question))
    scored = [
        (len(asked & frozenset(stems.find(f"{one.place} {one.quote}"))) / max(1, len(asked)) + one.score / 10, one)
        for one in quotables
        if _stands_in(pair.answer, [one.quote])
    ]
    score, best = max(scored, key=lambda pair_: pair_[0], default=(0.0, None))
    return (best,) if best is not None and score >= _LEAST_OVERLAP else None


def _propose(quotables: Sequence[Quotable]) -> Evidence:
    first, last = quotables[0], quotables[-1]
    offset = first.passage.chunk.start
    return Evidence(
        document_id=first.passage.document_id,
        quote=first.passage.chunk.text[first.start - offset : last.end - offset],
        start=first.start,
        end=last.end,
        version_id=first.passage.version_id,
        proposed=True,
    )
