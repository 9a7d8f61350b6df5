"""Numbers as a spreadsheet shows them: what a number's format adds to it (ECMA-376, Part 1, 18.8.31)."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<plain>\[[<>=][^\]]*\]|\[h+\]|\[m+\]|\[s+\])     # a condition or a duration: the number stands as it is
    |"(?P<quoted>[^"]*)"|\\(?P<escaped>[^+])|\[\$(?P<currency>[^\]-]*)[^\]]*\]
    |\[[^\]]*\]|[_*].|\\?\+|@                           # colours, what only makes room, signs, the place of a text
    |(?P<digits>General|E[+-]|[0#?.,/])
    |(?P<literal>.)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_LITERALS = ("quoted", "escaped", "currency", "literal")


class _Format(NamedTuple):
    """What stands around a number, and the digits that it is filled up to with zeros."""

    prefix: str = ""
    suffix: str = ""
    is_percent: bool = False
    min_digits: int = 0


def show_number(value: float, number_format: str | None) -> str:
    """A number with its unit, its per cent sign or its leading zeros.

    The digits stay as they are stored ("1234.5 €", not "1.234,50 €"): whoever searches the number finds it.
    """
    form = _parse_format(number_format or "General")
    if form.is_percent:
        digits = f"{value * 100:.10g}"
    elif form.min_digits and value % 1 == 0:
        digits = f"{int(value):0{form.min_digits + (value < 0)}d}"
    else:
        digits = f"{value:.15g}" if isinstance(value, float) else str(value)
    return f"{form.prefix}{digits}{form.suffix}"


@functools.lru_cache(maxsize=1024)
def _parse_format(number_format: str) -> _Format:
    """The format of positive numbers, which is the first of up to four."""
    before, digits, after = "", "", ""
    is_percent = False
    for token in _TOKEN.finditer(_first_section(number_format)):
        if token["plain"]:
            return _Format()
        if token["digits"]:
            digits, after = digits + token["digits"], ""
        literal = next(filter(None, (token[name] for name in _LITERALS)), "")
        is_percent = is_percent or token["literal"] == "%"
        before, after = (before, after + literal) if digits else (before + literal, after)
    # Without digits it shows no number, and with a comma at its end a thousandth of it, to which the unit belongs.
    if not digits or digits.endswith(","):
        return _Format()
    is_mask = re.fullmatch("00+", digits) is not None
    return _Format(_set_off(before), f" {after.strip()}".rstrip(), is_percent, len(digits) if is_mask else 0)


def _first_section(number_format: str) -> str:
    section = re.match(r'(?:"[^"]*"|\\.|\[[^\]]*\]|[^;])*', number_format, re.DOTALL)
    return section[0] if section else ""


def _set_off(prefix: str) -> str:
    """A prefix as it stands before a number: a word of its own is none with it ("EUR 5"), a mark is ("$5")."""
    prefix = prefix.lstrip()
    return f"{prefix} " if prefix[-1:].isalnum() else prefix
