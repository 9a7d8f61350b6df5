"""Finds orders to a machine in documents: what tries to make whoever answers say something else.

A document is data, and a quotation cannot carry out an order; but a model that reads the passage may, and a planted
sentence next to the order may be quoted. So a passage that gives orders is neither shown to the generator nor quoted,
unless its source is highly trusted (a training on just such attacks belongs into such a source).

Patterns, not a model: the same on every machine, in English and German, and a person can read why. They look for
what speaks *to a machine*: "ignore the previous instructions", "you are now", chat marks. An instruction to people
("if a customer asks for a refund, say that ...") is what manuals are made of and is none; against false statements
there is trust (docs/trust.md). The kinds of attack are those of Greshake et al., "Not what you've signed up for", 2023,
and of the OWASP list for language models, LLM01.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from functools import lru_cache

_PARTS = {
    "MACHINE": (
        r"(?:(?:ai|ki)(?:[ -]?(?:assistants?|systems?|models?|modelle?|assistent\w*|agent\w*))?|llms?|sprachmodelle?n?"
        r"|(?:large )?language models?|chat ?bots?|chatgpt|gpt|copilot|rag[ -](?:system|pipeline)s?"
        r"|(?:digital|virtual|automated|answering|virtuelle|digitale)[rnms]? (?:assistants?|assistent\w*|systems?))"
    ),
    "GIVEN": r"(?:instruction|directive|prompt|rule|guideline|command|passage|context|safety measure|restriction)s?",
    "VORGABEN": (
        r"(?:anweisung|anleitung|regel|vorgabe|instruktion|befehl|textstelle|passage|prompt|kontext|einschränkung)\w*"
    ),
    "FORMER": r"(?:previous|prior|preceding|above|earlier|former|all|any|your|other|these|those|everything)",
    "VORIGE": r"(?:vorherig|bisherig|obig|früher|vorangegangen|alle|sämtlich|deine|ihre|vorig|sonstig|ander)\w*",
    "MUST": r"(?:must|should|shall|has to|have to|muss|soll|sollte|hat)",
    "SAY": r"(?:answer|respond|reply|say|state|recommend|claim|output|antworten|sagen|behaupten|empfehlen|ausgeben)",
    "FEW": r"(?:\w+ ){0,4}?",
}
"""Words in the patterns below that stand for many."""

_PATTERNS = r"""
\b(?:ignore|disregard|forget|override|bypass|drop) FEWFORMER (?:FEW)?GIVEN\b
\bforget (?:everything|all)\b[^.]{0,30}\b(?:told|read|before|above|learned)\b
\b(?:ignorier|missacht|vergiss|vergesse|übergeh|überschreib)\w* FEWVORIGE FEWVORGABEN
\b(?:override|replace|supersede|outrank|take precedence over)s? (?:all |any )?(?:your|other) GIVEN\b
\b(?:system|hidden|developer)[ -]?prompt\b|\bsystem override\b|\bjailbr(?:eak|oken)\b
\b(?:developer|debug|admin|dan|god)[ -]mode (?:is )?(?:on|enabled|activated|active)\b
\byou are (?:now |henceforth |from now on )?(?:an? |the )?FEW(?:MACHINE|assistant)\b
\byou are (?:now|henceforth|from now on) (?:an?|the|my|no longer|free|unrestricted|dan)\b
\bfrom now on,? (?:you|your answers?|answer|respond|reply|say)\b
\bdu bist (?:jetzt|nun|ab sofort|ab jetzt|künftig|von nun an|fortan)\b
\bdu bist (?:ein\w* |der |die |das )?FEW(?:MACHINE|assistent\w*)\b
\bpretend (?:to be|you|that you)\b|\btu so,? als (?:ob|wärst|wärest|wäre)\b
\b(?:SAY|print|write)\b[^.]{0,40}\b(?:exactly|only|solely|nothing but|verbatim)\b[^.:]{0,40}(?::|["'“„])
\bantworte\b[^.]{0,40}\b(?:nur|ausschließlich|immer|stets|exakt|genau|wörtlich)\b
\b(?:dear|attention|notice|note|message|instructions?|hey|hello)(?: to| for)?[,:]? (?:the |any |all |every )?MACHINE\b
\b(?:hinweis|anweisung|nachricht|achtung|liebe|hallo)\w*,?(?: an| für)?:? (?:die |das |den |jede\w* |alle )?MACHINE\b
\bMACHINE(?: reading this| \w+)?,? MUST FEWSAY\b
\b(?:reveal|print|repeat|leak|show|disclose)\b[^.]{0,40}\byour (?:instructions|prompt|rules|configuration)\b
\b(?:new|updated|real|actual) (?:instructions?|task|objective|goal)(?: for you)?:
\b(?:neue|eigentliche|wahre) (?:anweisung|aufgabe|anleitung)\w*:
\bend of (?:the )?(?:passages?|context|documents?|prompt)\b|\bende der (?:textstellen|passagen|dokumente)\b
<\|[\w ]{1,20}\|>|\[/?inst\]|<</?sys>>|</?(?:system|assistant|user|human)>|###\s?(?:instruction|system|assistant)
"""


def _compile() -> re.Pattern[str]:
    patterns = "|".join(_PATTERNS.strip().splitlines())
    for name, part in _PARTS.items():
        patterns = patterns.replace(name, part)
    return re.compile(patterns.replace("ß", "ss"))  # as in the folded text


_ORDERS = _compile()
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{24,}={0,2}(?![A-Za-z0-9+/=_-])")
_SPACED = re.compile(r"(?<!\w)(?:\w[ .*_-]){2,}\w(?!\w)")
_LEET = str.maketrans("013457@$!", "oieastasi")
_HOMOGLYPHS = str.maketrans("аеорсухіјѕԁһνο", "aeopcyxijsdhvo")  # Cyrillic and Greek letters that look Latin
_LEAST_DECODED = 12


@lru_cache(maxsize=8192)
def gives_orders(text: str) -> bool:
    """Whether a text gives orders to the machine that reads it, plainly, disguised or encoded."""
    plain = _fold(text)
    joined = _fold(_SPACED.sub(lambda match: re.sub(r"[ .*_-]", "", match[0]), text))
    # Of nearly every text two or three of them are the same.
    forms = dict.fromkeys((plain, joined, plain.translate(_LEET), *map(_fold, _decode(text))))
    return any(_ORDERS.search(form) for form in forms)


def _fold(text: str) -> str:
    """Lower case without what eyes do not see: forms of letters, invisible characters, kinds of space."""
    if not text.isascii():  # else there is nothing that eyes do not see
        text = "".join(one for one in unicodedata.normalize("NFKC", text) if unicodedata.category(one) != "Cf")
    return re.sub(r"[\s*_`]+", " ", text.casefold().translate(_HOMOGLYPHS))


def _decode(text: str) -> list[str]:
    """What Base64 in a text says, where it says something."""
    found = []
    for match in _BASE64.finditer(text):
        code = match[0].rstrip("=")
        try:
            decoded = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
        if len(decoded) >= _LEAST_DECODED:
            found.append(decoded)
    return found
