"""Personal data in a text, by patterns that carry their own proof where there is one (check digits).

Which library, and why not another: docs/decisions/0013-curation.md.
"""

from __future__ import annotations

import re

_E_MAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}\b")
_PHONE = re.compile(
    r"(?<![\w.,/-])(?<!\d )(?:\+\d{1,3}[ /().-]{0,3}|\(?0\d{2,5}\)?(?: ?[/-] ?| ))\d(?:[ /().-]{0,2}\d){4,11}(?![\w])"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_CARD = re.compile(r"(?<![\w.,])(?<!\d )\d(?:[ -]?\d){12,18}(?![\w])")
_SOCIAL = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_BIRTH = re.compile(
    r"(?i:\b(?:born(?: on)?|date of birth|dob|geb\.|geboren(?: am)?|geburts(?:datum|tag)))[^\d\n]{0,12}\d{1,4}[.\-/ ]"
)
_SALUTATION = re.compile(r"\b(?:Herrn?|Frau|Mrs?\.?|Ms\.?)\s+(?:(?:Dr|Prof)\.\s*)*[A-ZÄÖÜ][\wäöüß-]+")
_COUNTRY_SHIFT = 55
"""ISO 13616: a letter counts as its place in the alphabet plus ten; ord("A") - 10."""


def find_personal_data(text: str) -> list[str]:
    """Kinds of personal data that the text seems to hold, each once, in a fixed order."""
    kinds = {
        "e-mail address": bool(_E_MAIL.search(text)),
        "phone number": any(not _SOCIAL.fullmatch(match.group()) for match in _PHONE.finditer(text)),
        "bank account": any(_is_iban(match.group()) for match in _IBAN.finditer(text)),
        "card number": any(_is_card(match.group()) for match in _CARD.finditer(text)),
        "social security number": bool(_SOCIAL.search(text)),
        "date of birth": bool(_BIRTH.search(text)),
        "person's name": bool(_SALUTATION.search(text)),
    }
    return [kind for kind, found in kinds.items() if found]


def _is_iban(text: str) -> bool:
    """ISO 13616: moved to the end, the first four characters make the whole 1 modulo 97."""
    plain = text.replace(" ", "")
    digits = "".join(c if c.isdigit() else str(ord(c) - _COUNTRY_SHIFT) for c in plain[4:] + plain[:4])
    return int(digits) % 97 == 1


def _is_card(text: str) -> bool:
    """ISO 7812: Luhn's check digit."""
    digits = [int(c) for c in text if c.isdigit()][::-1]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1
