"""How strongly a text binds: must, should and may are three things, in English and German.

"Must not" forbids what "may" allows, while German "muss nicht" leaves free; so an English "must not" is read as a "may"
that is denied. "May" and "can" are one: documents use both for what is allowed and what is possible.
"""

from __future__ import annotations

import re
from enum import Enum


class Force(Enum):
    """What a modal word says of an action."""

    MUST = "must"
    SHOULD = "should"
    MAY = "may"
    PERHAPS = "perhaps"
    """Not the action is allowed but its happening left open ("fees may apply"); such a word is a MAY as well."""


_FORBIDDEN = re.compile(r"\b(?:must|shall)(?:\s+(?:not|never)\b|n['’]t\b)")
_TO_DO = r"(?:ist|sind|seien)\b[^,;.!?]{0,80}?\s(?:zu\s[^\W\d_]+en|[^\W\d_]{2,8}zu[^\W\d_]{3,}en)"
_WORDS = {
    Force.MUST: re.compile(
        r"\b(?:must|shall|(?:has|have|had|needs?) to|required?|mandatory|obligatory|compulsory|obliged"
        r"|muss|müssen|musst|müsste|verpflichtet|verpflichtend|pflicht|zwingend|vorgeschrieben)\b|\b" + _TO_DO + r"\b"
    ),
    Force.SHOULD: re.compile(
        r"\b(?:should|ought to|recommend(?:ed|s)?|advised|advisable"
        r"|soll|sollen|sollten?|empfohlen|empfehlen|empfiehlt|ratsam)\b"
    ),
    Force.MAY: re.compile(
        r"\b(?:may(?!\s+\d)|might|can(?:not|['’]t)?|could|able|allow(?:s|ed)?|permit(?:s|ted)?|possible|optional"
        r"|darf|dürfen|dürfte|kann|können|könnten?|möglich|erlaubt|zulässig|gestattet|berechtigt)\b"
    ),
    Force.PERHAPS: re.compile(r"\b(?:may(?!\s+\d)|might|könnten?|dürfte)\b"),
}


def find_forces(text: str) -> frozenset[Force]:
    """The forces of all modal words in a text."""
    folded = _FORBIDDEN.sub("may not", text.casefold())
    return frozenset(force for force, words in _WORDS.items() if words.search(folded))


def forces_agree(claim: frozenset[Force], evidence: frozenset[Force]) -> bool:
    """Whether the claim binds as the evidence does.

    A plain sentence ("claims are paid within ten days", "arrive early") carries any force, and a claim may leave out
    that something must or should be; that something may happen does not say that it does.
    """
    if not claim:
        return evidence != {Force.MAY, Force.PERHAPS}
    return not evidence or bool(claim & evidence - {Force.PERHAPS})
