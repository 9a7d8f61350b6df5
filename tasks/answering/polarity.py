"""What a text denies, clause by clause: a "not" speaks of its own clause, a "no" or "without" of the words after it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from tasks.answering.words import Negation, Stems, find_negations, is_stop_word

_BORDER = re.compile(r"[,;:–—()|!?]\s?|\.\s|\b(?:and|but|while|whereas|und|aber|sondern|während)\b")
_IDIOMS = re.compile(
    r"\b(?:(?:no|without(?: any)?) (?:extra |additional )?(?:cost|charge|fee)s?|not only"
    r"|(?:no|not) (?:more|longer|later|less|fewer) than|nicht (?:nur|(?:mehr|länger|später|weniger) als)"
    r"|ohne (?:aufpreis|kosten|zuschlag|weiteres))\b"
)
"""Denials in form alone."""
_ATTRIBUTE = re.compile(r"\b[Nn]icht ([^\W\d_]+e[mnrs]?) (?=[A-ZÄÖÜ])")
_LACKING = re.compile(r"\b(?:non|without|ohne)\b")
_SCOPE_STEMS = 2
_COVERED = 0.5


class Denial(Enum):
    """Whether a text denies."""

    NONE = "none"
    PLAIN = "plain"
    """It is one statement, which one word denies."""
    UNCLEAR = "unclear"
    """It has several statements or denials, or names what lacks something."""


class Clause(NamedTuple):
    """The stems that a part of a sentence speaks of, and whether it denies."""

    stems: frozenset[str]
    negated: bool


def split_clauses(text: str, stems: Stems) -> tuple[Clause, ...]:
    """The clauses of a text that hold content words; what a "no" denies is a clause of its own."""
    parts = _merge(_split(_drop_idioms(text)), stems)
    return tuple(clause for part in parts for clause in _read_clause(part, stems) if clause.stems)


def polarities_agree(claim: Sequence[Clause], evidence: Sequence[Clause]) -> bool:
    """Whether claim and evidence deny the same.

    What the claim denies must be denied by the clause of the evidence that is most like it; what the evidence denies of
    the claim's words must be denied in the claim.
    """
    denied = all(_is_denied(clause, evidence) for clause in claim if clause.negated)
    return denied and all(
        _is_denied(clause, claim) for clause in evidence if clause.negated and _is_spoken_of(clause, claim)
    )


def read_denial(text: str, stems: Stems) -> Denial:
    """How a text denies, as far as that can be told without comparing words."""
    folded = _drop_idioms(text)
    denying = find_negations(folded)
    if not denying:
        return Denial.NONE
    is_one = len(denying) == 1 and len([part for part in _merge(_split(folded), stems) if part.strip()]) == 1
    return Denial.PLAIN if is_one and not _LACKING.search(folded) else Denial.UNCLEAR


def _is_denied(clause: Clause, others: Sequence[Clause]) -> bool:
    """Whether the clauses most like it, or one of equals, are negated."""
    best = max((len(clause.stems & other.stems) for other in others), default=0)
    return any(other.negated and len(clause.stems & other.stems) == best for other in others)


def _is_spoken_of(clause: Clause, others: Sequence[Clause]) -> bool:
    spoken = frozenset[str]().union(*(other.stems for other in others))
    return len(clause.stems & spoken) > _COVERED * len(clause.stems)


def _merge(parts: Iterator[str], stems: Stems) -> list[str]:
    """The parts; a single word after an "and" belongs to what was said before ("not valid for gold and silver")."""
    merged: list[str] = []
    for part in parts:
        if merged and len(stems.find_topics(part)) == 1 and not find_negations(part):
            merged[-1] = f"{merged[-1]} {part}"
        else:
            merged.append(part)
    return merged


def _drop_idioms(text: str) -> str:
    """The folded text without them, nor the "nicht" of "nicht genommener Urlaub", which denies no statement."""
    attributes = _ATTRIBUTE.sub(lambda match: match.group() if is_stop_word(match[1]) else f"{match[1]} ", text)
    return _IDIOMS.sub(" ", attributes.casefold())


def _split(text: str) -> Iterator[str]:
    start = 0
    for border in _BORDER.finditer(text):
        yield text[start : border.start()]
        start = border.end()
    yield text[start:]


def _read_clause(text: str, stems: Stems) -> Iterator[Clause]:
    found = find_negations(text)
    if not found:
        yield Clause(frozenset(stems.find_topics(text)), negated=False)
    elif any(negation.is_whole for negation in found):
        yield Clause(frozenset(stems.find_topics(text)), negated=True)
    else:
        yield from _read_parts(text, found, stems)


def _read_parts(text: str, negations: Sequence[Negation], stems: Stems) -> Iterator[Clause]:
    """The clause without what is denied, and each denied part."""
    whole = frozenset(stems.find_topics(text))
    for negation in negations:
        following = text[negation.end :]
        scope = frozenset(stems.find_topics(following)[: 1 if following.startswith("-") else _SCOPE_STEMS])
        whole -= scope
        yield Clause(scope, negated=True)
    yield Clause(whole, negated=False)
