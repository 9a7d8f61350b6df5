"""Text that speaks to the model instead of the reader. What is learnt cannot be taken back, so it is flagged before."""

from __future__ import annotations

import re
import unicodedata

_ORDERS = (
    (
        r"\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|all|your)\b[^.\n]{0,30}"
        r"\b(?:instructions?|prompts?|rules|directions|guidelines)"
    ),
    (
        r"\b(?:ignorier\w*|vergiss|vergesst|missachte\w*|übergeh\w*)\b[^.\n]{0,40}"
        r"\b(?:anweisung\w*|vorgaben|regeln|instruktion\w*|prompts?)"
    ),
    r"\byou are (?:now|no longer)\b|\bdu bist (?:jetzt|ab sofort|nun)\b|\bfrom now on,? you\b",
    r"\b(?:reveal|print|repeat|show|nenne|zeige|verrate)\b[^.\n]{0,30}\b(?:system ?prompt|systemprompt)",
    r"\b(?:act|behave|respond) as (?:if you|an? (?:unrestricted|jailbroken))|\bdeveloper mode\b|\bjailbreak\w*",
)
_MARKS = (
    r"<\|[a-z_]{2,30}\|>|\[/?INST\]|<<SYS>>|</?s>|<(?:start|end)_of_turn>",
    r"^\s*#{0,4}\s*(?:system|assistant)\s*:",
)
_IMAGE = r"!\[[^\]]{0,200}\]\(\s*https?://"
_KINDS = (
    ("an order to a language model", re.compile("|".join(_ORDERS), re.IGNORECASE)),
    ("marks of a chat template", re.compile("|".join(_MARKS), re.IGNORECASE | re.MULTILINE)),
    ("an image that is loaded from elsewhere", re.compile(_IMAGE, re.IGNORECASE)),
)
_JOINERS = "\u200c\u200d\u00ad"
"""Written languages and hyphenation need them."""


def find_injection(text: str) -> list[str]:
    """What in the text looks made for a model's eyes; empty for nearly all texts."""
    plain = unicodedata.normalize("NFKC", "".join(c for c in text if unicodedata.category(c) != "Cf"))
    found = [what for what, pattern in _KINDS if pattern.search(plain)]
    if any(unicodedata.category(c) == "Cf" and c not in _JOINERS and c != "\ufeff" for c in text):
        found.append("invisible characters")
    return found
