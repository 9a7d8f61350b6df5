"""What may be wrong with a pair: each finding says what was seen and what a person can do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import Field

from tasks.curation.injection import find_injection
from tasks.curation.personal import find_personal_data
from tasks.curation.texts import cut_letters, list_numbers, list_words, measure_resemblance
from tasks.curation_models import Evidence, Finding, Pair, fold, is_refusal
from tasks.curation_ports import NameFinder, Rival, SupportChecker
from tasks.language import UNDETERMINED, detect_language
from tasks.models import Noun, Passage

_WORDS_THAT_TELL = 5
"""Shorter texts are too often names and codes for their language to be told."""
_SHOWN = 120
_TWO_CAPITALS = re.compile(r"\b[^\W\d_a-z][\w.'-]*\s+[^\W\d_a-z]")
"""A first and a last name are two capitalised words; without such a pair the model of names need not be asked."""
_YES_OR_NO = frozenset({"yes", "no", "ja", "nein"})


class CheckOptions(Noun):
    """Limits of the checks."""

    question_characters: int = Field(default=1_000, ge=1, description="longest question")
    answer_characters: int = Field(
        default=4_000, ge=1, description="longest answer: more fits no small model's context"
    )
    least_question_characters: int = Field(default=8, ge=1)
    near_share: float = Field(default=0.75, gt=0, le=1, description="shared letter runs that make questions alike")
    near_cosine: float = Field(default=0.9, gt=0, le=1, description="similarity of meaning that makes questions alike")
    same_answer: float = Field(default=0.6, gt=0, le=1, description="shared letter runs that make answers the same")


class Alike(NamedTuple):
    """Another pair whose question may be the same one."""

    pair: Rival
    cosine: float | None = None


class Checker:
    """Runs every check over one pair.

    Args:
        support: Judges whether the quoted spans say what the answer says.
        names: Finds people's names in English text.
        options: Limits.
    """

    def __init__(self, support: SupportChecker, names: NameFinder, options: CheckOptions) -> None:
        self._support = support
        self._names = names
        self._options = options

    def find_named(self, pairs: Sequence[Pair]) -> list[bool]:
        """Whether each names a person, as far as a model can tell; for all at once, since a model reads many sooner."""
        texts = {
            number: text
            for number, pair in enumerate(pairs)
            if pair.language == "en" and _TWO_CAPITALS.search(text := _join(pair))
        }
        found = dict(zip(texts, self._names.find_names(list(texts.values())), strict=True)) if texts else {}
        return [bool(found.get(number)) for number in range(len(pairs))]

    def check_pair(
        self, pair: Pair, places: Sequence[Passage], alike: Sequence[Alike], *, named: bool
    ) -> tuple[Finding, ...]:
        """Every finding, worst first.

        Args:
            places: One a located span, its chunk's text being the span.
            alike: Other pairs to compare with.
            named: Whether it names a person, see `find_named`.
        """
        findings = [
            *_check_length(pair, self._options),
            *_check_evidence(pair),
            *(self._check_support(pair, places) if places and pair.answerable else ()),
            *_check_language(pair),
            *_compare(pair, alike, self._options),
            *_check_persons(pair, named=named),
            *_check_injection(pair),
        ]
        return tuple(sorted(findings, key=lambda finding: not finding.final))

    def _check_support(self, pair: Pair, places: Sequence[Passage]) -> list[Finding]:
        unsupported = self._support.find_unsupported(pair, places)
        if not unsupported:
            return []
        quoted = detect_language(" ".join(place.chunk.text for place in places))
        claim = shorten("; ".join(unsupported))
        if set(list_words(pair.answer)) <= _YES_OR_NO or (
            quoted != UNDETERMINED and quoted != detect_language(f"{pair.question} {pair.answer}")
        ):
            return [
                Finding(
                    code="support-unclear",
                    message=f"no program can tell whether the quotes say {claim!r} (yes or no, or another language)",
                    advice="compare them yourself, then approve it with --accept support-unclear",
                )
            ]
        return [
            Finding(
                code="not-supported",
                message=f"the quoted spans do not say: {claim}",
                advice="quote the sentence that says it, correct the answer, or approve it with --accept not-supported",
            )
        ]


def _join(pair: Pair) -> str:
    return f"{pair.question}\n{pair.answer}"


def _check_persons(pair: Pair, *, named: bool) -> list[Finding]:
    kinds = find_personal_data(_join(pair))
    kinds += ["person's name"] if named and "person's name" not in kinds else []
    if not kinds:
        return []
    return [
        Finding(
            code="personal-data",
            message=f"it seems to hold personal data: {', '.join(kinds)}",
            advice="name the role instead of the person, or approve it with --accept personal-data",
        )
    ]


def _check_length(pair: Pair, options: CheckOptions) -> list[Finding]:
    found = []
    for what, text, most in (
        ("question", pair.question, options.question_characters),
        ("answer", pair.answer, options.answer_characters),
    ):
        if len(text) > most:
            advice = f"shorten it to {most} characters, or make several pairs of it"
            message = f"the {what} has {len(text)} characters"
            found.append(Finding(code=f"{what}-too-long", message=message, advice=advice, final=True))
    if len(pair.question.strip()) < options.least_question_characters:
        advice = "write the question as a person would ask it"
        message = f"the question has {len(pair.question.strip())} characters"
        found.append(Finding(code="question-too-short", message=message, advice=advice))
    return found


def _check_evidence(pair: Pair) -> list[Finding]:
    if not pair.answerable:
        return []
    if not pair.evidence:
        return [
            Finding(
                code="no-evidence",
                message="it quotes no document, and none was found that says this",
                advice="name the document and the sentence: expertloop curate edit ID --document … --quote …",
                final=True,
            )
        ]
    found = [_describe_missing(one) for one in pair.evidence if not one.located]
    if any(one.proposed for one in pair.evidence):
        found.append(
            Finding(
                code="proposed-evidence",
                message="the quoted span was proposed by search, not named by the author",
                advice="read it, then approve the pair with --accept proposed-evidence, or quote another span",
            )
        )
    return found


def _describe_missing(evidence: Evidence) -> Finding:
    name = evidence.title or evidence.uri or evidence.document_id
    if not evidence.uri:
        message, advice = "a document it quotes is gone", "quote another document, or reject the pair"
    else:
        message = f"{name} does not say any more: {shorten(evidence.quote)}"
        advice = "see what it says now with: expertloop curate show ID; then edit or reject the pair"
    return Finding(code="quote-missing", message=message, advice=advice, final=True)


def _check_language(pair: Pair) -> list[Finding]:
    question, answer = _tell(pair.question), _tell(pair.answer)
    if question not in {UNDETERMINED, pair.language}:
        message = f"the question is said to be in {pair.language!r} but looks like {question!r}"
        return [Finding(code="language", message=message, advice="correct the language: curate edit ID --language")]
    if UNDETERMINED not in {question, answer} and question != answer:
        message = f"the question looks like {question!r}, the answer like {answer!r}"
        return [Finding(code="language", message=message, advice="answer in the language of the question")]
    return []


def _tell(text: str) -> str:
    return detect_language(text) if len(list_words(text)) >= _WORDS_THAT_TELL else UNDETERMINED


def _compare(pair: Pair, alike: Sequence[Alike], options: CheckOptions) -> list[Finding]:
    """At most one duplicate and one conflict: the first names where to begin."""
    duplicate: Finding | None = None
    conflict: Finding | None = None
    for other in alike:
        if other.pair.pair_id == pair.pair_id or not is_same_question(pair, other, options):
            continue
        where = f"{shorten(other.pair.question)} → {shorten(other.pair.answer)} ({other.pair.pair_id[:8]})"
        if is_same_answer(pair, other.pair, options):
            duplicate = duplicate or Finding(
                code="near-duplicate",
                message=f"nearly the same pair is there: {where}",
                advice="reject the worse one, or approve this one with --accept near-duplicate",
            )
        else:
            conflict = conflict or Finding(
                code="conflict",
                message=f"the same question has another answer: {where}",
                advice="reject the wrong one, or make the questions say what distinguishes them",
            )
    return [one for one in (conflict, duplicate) if one]


def is_same_question(pair: Pair, other: Alike, options: CheckOptions) -> bool:
    """Whether two questions ask the same: equal, or alike by letters or meaning with the same numbers."""
    if fold(pair.question) == fold(other.pair.question):
        return True
    if list_numbers(pair.question) != list_numbers(other.pair.question):
        return False
    if other.cosine is not None and other.cosine >= options.near_cosine:
        return True
    return measure_resemblance(cut_letters(pair.question), cut_letters(other.pair.question)) >= options.near_share


def is_same_answer(pair: Pair, other: Rival, options: CheckOptions) -> bool:
    """Whether two answers say the same: alike by letters, or one within the other, with the same numbers.

    Of answers in two languages only the numbers can be compared here.
    """
    if list_numbers(pair.answer) != list_numbers(other.answer):
        return False
    if pair.language != other.language and pair.answerable != is_refusal(other.answer):
        return True
    a, b = fold(pair.answer), fold(other.answer)
    return a in b or b in a or measure_resemblance(cut_letters(a), cut_letters(b)) >= options.same_answer


def _check_injection(pair: Pair) -> list[Finding]:
    texts = [pair.question, pair.answer, *(one.quote for one in pair.evidence)]
    found = find_injection("\n".join(texts))
    if not found:
        return []
    return [
        Finding(
            code="injection",
            message=f"it holds {', '.join(found)}",
            advice="take it out; where the document itself is about such texts, approve it with --accept injection",
        )
    ]


def shorten(text: str) -> str:
    """One line of at most 120 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
