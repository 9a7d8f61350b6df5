"""Text that speaks to the model instead of the reader. What is learnt cannot be taken back, so it is flagged before."""

from __future__ import annotations

import re
import unicodedata

from tasks.instructions import gives_orders

_IMAGE = re.compile(r"!\[[^\]]{0,200}\]\(\s*https?://", re.IGNORECASE)
_ROLE = re.compile(r"^\s*#{0,4}\s*(?:system|assistant)\s*:", re.IGNORECASE | re.MULTILINE)
"""A form may say "System: Windows" and be quoted; in a pair, which a person looks at anyway, it is worth a look."""
_JOINERS = "\u200c\u200d\u00ad"
"""Written languages and hyphenation need them."""


def find_injection(text: str) -> list[str]:
    """What in the text looks made for a model's eyes; empty for nearly all texts."""
    found = []
    if gives_orders(text):
        found.append("an order to a language model")
    if _ROLE.search(text):
        found.append("a role as in a chat")
    if _IMAGE.search(text):
        found.append("an image that is loaded from elsewhere")
    if any(unicodedata.category(c) == "Cf" and c not in _JOINERS and c != "\ufeff" for c in text):
        found.append("invisible characters")
    return found
