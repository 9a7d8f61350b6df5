"""What a mail asks: a mail is no question, but questions and requests stand in it.

Rules in English and German. Greeting and signature are left out; a question that names no product gets the sentence
before it and the subject along, as a reader would keep them in mind.
"""

from __future__ import annotations

import re

from tasks.case_models import Case

MOST_QUESTIONS = 4
_LONGEST = 700
_GREETING = re.compile(
    r"^(?:dear|hello|hi|hey|good (?:morning|afternoon|evening|day)|to whom|sehr geehrte|guten (?:tag|morgen|abend)"
    r"|hallo|liebe[rs]?|moin|servus|grüezi)\b[^.?!]{0,60}[,!.:]?$",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"^(?:(?:kind|best|warm|with)? ?regards|thanks|thank you|many thanks|sincerely|cheers|best|yours|mahalo|-- ?$"
    r"|mit (?:freundliche|beste|vorzüglich)|(?:freundliche|viele|beste|liebe) grüße|vielen dank|danke|gruß|grüße)"
    r"\b.{0,60}$",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"\b(?:(?:please|kindly) (?:tell|send|confirm|let|explain|advise|say|also)|(?:i|we) (?:need|would like|want) to"
    r" know|(?:i|we) need (?:the|a|an|to know)|please(?=\.?$)|could you|can you|bitte (?:teilen|sagen|schicken|senden"
    r"|nennen|tauschen|bestätigen)|(?:brauche|benötige)n? (?:ich|wir)|(?:ich|wir) (?:brauche|benötige)n?"
    r"|ich (?:möchte|würde gern) wissen)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(?:[A-Z]{2,}|\w*\d\w*|(?<!^)(?<![.?!] )[A-ZÄÖÜ]\w{3,})\b")
_MACHINE = r"[A-ZÄÖÜ]\w+[ -](?:[A-Z]{1,3}-?)?\d\w*|[A-ZÄÖÜ]\w{2,} [A-Z]\d*\b"
_CODE = r"[A-Z]{1,3}-?\d+\w*"
_NAMED_IN_FULL = re.compile(rf"\b(?:{_MACHINE})")
_PRODUCT = re.compile(rf"\b(?:{_MACHINE}|{_CODE})")
_JOINT = re.compile(
    r",?\s+(?:und|and)\s+(?=(?:(?:in|an|auf|bis|um|mit|für|zu|to|up|for|by|within|at|on|until|from|of)\s+){1,2}"
    r"(?:welch\w*|wann|wie|was|what|which|how|when|whom)\b)",
    re.IGNORECASE,
)
"""Joins questions whose second begins with a preposition ("and within how many days"); answering splits the others."""
_CONJUNCTION = re.compile(r"^(?:and|und|also|or|oder)\s+", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-ZÄÖÜ\"„(0-9])")


def find_questions(case: Case) -> list[str]:
    """What the case asks, each understandable alone, at most four.

    Returns:
        Questions with what they need of the sentences before; the subject alone where the body asks nothing but the
        subject does; nothing where neither asks.
    """
    sentences = _read_sentences(case.body)
    found: list[str] = []
    for place, sentence in enumerate(sentences):
        if not _asks(sentence):
            continue
        context = sentences[:place]
        for part in _JOINT.split(sentence):
            found.append(_add_context(part if part.endswith(("?", ".")) else f"{part}?", context, case.subject))
            context = [*sentences[:place], f"{part}?"] if _PRODUCT.search(part) else context
    if not found and case.subject.endswith("?"):
        found = [case.subject]
    return [one[-_LONGEST:] for one in found[:MOST_QUESTIONS]]


def _asks(sentence: str) -> bool:
    return sentence.endswith("?") or bool(_REQUEST.search(sentence))


def _read_sentences(body: str) -> list[str]:
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", body):
        lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
        kept = []
        for line in lines:
            if _CLOSING.match(line):
                break
            if not _GREETING.match(line):
                kept.append(line)
        paragraphs.append(" ".join(kept))
        if lines and _CLOSING.match(lines[0]):
            break
    return [one.strip() for text in paragraphs for one in _SENTENCE.split(text) if one.strip()]


def _add_context(sentence: str, before: list[str], subject: str) -> str:
    """With the nearest sentence that names what the question is about, else with the subject.

    Of a sentence that asks something itself only its names are taken: else its answer would be given twice. A mere
    code ("What does A07 mean?") is a name, but of something that the sentence before may name in full.
    """
    sentence = _CONJUNCTION.sub("", sentence)
    if _NAMED_IN_FULL.search(sentence):
        return sentence
    for earlier in reversed(before[-3:]):
        named = _PRODUCT.findall(earlier)
        if _asks(earlier):
            if named:
                return f"{', '.join(dict.fromkeys(named))}: {sentence}"
        elif named or (earlier is before[-1] and _NAMED.search(earlier)):
            return f"{earlier} {sentence}"
    return f"{subject.rstrip('.?! ')}: {sentence}" if subject and not _PRODUCT.search(sentence) else sentence
