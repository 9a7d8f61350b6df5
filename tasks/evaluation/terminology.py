"""Whether a text speaks as the company does: its own terms, none of the words it avoids, its form of address.

Fine-tuning is for manner and terms, which token F1 hardly sees. The company writes a glossary (docs/gate.md has the
format); without one the long words that a reference itself uses stand for its terms, which measures vocabulary and
not correctness, and says nothing of forbidden words.
"""

from __future__ import annotations

import re

from tasks.evaluation_models import Share
from tasks.glossary import Glossary, GlossaryTerm

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LEAST_LETTERS = 9
"""Shorter words are mostly everyday ones, in English and in German."""
_ADDRESS = {
    "Sie": re.compile(r"\b(?:du|dir|dich|dein(?:e[mnrs]?)?|euch|eu(?:er|re[mnrs]?))\b", re.IGNORECASE),
    "du": re.compile(r"(?<=[^\s.!?:])\s(?:Sie|Ihnen|Ihr(?:e[mnrs]?)?)\b"),
}
"""What breaks a form of address. A "Sie" that opens a sentence may be any "she" or "they"."""


def score_terms(text: str, reference: str, language: str, glossary: Glossary) -> Share:
    """Terms of the reference that the text uses, less the avoided words it uses, over all that could go wrong.

    Each of the reference's terms is one chance to speak rightly; a word that the company avoids, and a wrong form of
    address, are each one chance taken wrongly. A reference without terms, answered without such words, is not judged.
    """
    terms = [one for one in glossary.terms if one.language == language]
    wanted = _list_wanted(reference, terms, has_glossary=bool(glossary.terms))
    avoided = sum(_says(text, word) and not _says(reference, word) for one in terms for word in one.instead_of)
    wrong = avoided + _addresses_wrongly(text, glossary.address.get(language))
    return Share(sum(_says(text, term) for term in wanted), len(wanted) + wrong)


def _list_wanted(reference: str, terms: list[GlossaryTerm], *, has_glossary: bool) -> list[str]:
    if has_glossary:
        return [one.term for one in terms if _says(reference, one.term)]
    words = {word.casefold() for word in _WORD.findall(reference)}
    return sorted(word for word in words if len(word) >= _LEAST_LETTERS)


def _says(text: str, term: str) -> bool:
    """Whether a word of the text begins with the term: endings and compounds are the term, too."""
    return re.search(rf"\b{re.escape(term.casefold())}", text.casefold()) is not None


def _addresses_wrongly(text: str, form: str | None) -> int:
    broken = _ADDRESS.get(form or "")
    return int(broken is not None and broken.search(text) is not None)
