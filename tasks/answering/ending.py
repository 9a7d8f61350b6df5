"""Where an answer is over although its model goes on: small models turn in circles, or write the prompt anew.

Of 37 texts about the sample company the packaged model ended 9 by itself; in 20 of the others it said the same again,
or wrote passages that do not exist, until it had used up the longest answer (docs/decisions/0023).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tasks.answering.citations import Claim

_LONGEST_CIRCLE = 3
"""Sentences; a longer circle hardly closes within an answer."""
_NUMBERED = re.compile(r"^\(?\d{1,2}[.)]\s+")


class Said(NamedTuple):
    """What a text says."""

    claims: list[Claim]
    """Each once, where it is said first."""
    in_circles: bool
    """Whether it has said its last sentences just before in the same order; what follows is not among the claims."""


def read_said(claims: Sequence[Claim]) -> Said:
    """The claims up to where the text turns in circles.

    Of a text's first claims it makes the beginning of what it makes of all of them.
    """
    words = [_NUMBERED.sub("", claim.text).casefold() for claim in claims]
    for end in range(1, len(words) + 1):
        if any(_closes_circle(words[:end], length) for length in range(1, _LONGEST_CIRCLE + 1)):
            return Said(_drop_repeated(claims[:end], words), in_circles=True)
    return Said(_drop_repeated(claims, words), in_circles=False)


def _closes_circle(words: Sequence[str], length: int) -> bool:
    return len(words) >= 2 * length and words[-length:] == words[-2 * length : -length]


def _drop_repeated(claims: Sequence[Claim], words: Sequence[str]) -> list[Claim]:
    first = {said: place for place, said in reversed(list(enumerate(words[: len(claims)])))}
    return [claim for place, claim in enumerate(claims) if first[words[place]] == place]
