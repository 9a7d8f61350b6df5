"""Scores what was said in an arm: words, citations, silence, claims, terms, effort.

The raw text less its citation marks is scored, before any abstention: what is measured is the model, not the guards
around it. Every metric is a share (`tasks/evaluation_models.py`); docs/gate.md has the same definitions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import urlparse

from tasks.arm_models import ArmAnswer, ArmResult
from tasks.curation_models import Example, FrozenPassage
from tasks.evaluation.terminology import score_terms
from tasks.evaluation.texts import contains_answer, is_exact, measure_f1
from tasks.evaluation_models import Share
from tasks.evaluation_ports import ClaimChecker
from tasks.glossary import Glossary
from tasks.prompting import REFUSAL

_MARK = re.compile(r"\[(\d{1,4})\]")
_RIGHT_F1 = 0.5
"""An answer in other words counts as right when it shares so much with the reference: for the cost of one alone."""


def score_arm(
    example: Example, said: ArmAnswer, shown: Sequence[FrozenPassage], *, claims: ClaimChecker, glossary: Glossary
) -> ArmResult:
    """One answer of one arm, scored.

    Args:
        example: What was asked, and what is right.
        said: The answer.
        shown: The passages in the prompt, the n-th cited as [n]; none in an arm without retrieval.
        claims: Tells whether what was said stands in the passages.
        glossary: The company's words.
    """
    refused = refuses(said.text)
    scores = {
        **_score_answer(example, said.text, refused=refused),
        **(_score_citations(said.text, shown) if example.answerable else {}),
        "seconds": Share(said.seconds, 1),
        "prompt_tokens": Share(said.prompt_tokens, 1),
        "completion_tokens": Share(said.completion_tokens, 1),
    }
    if shown and not refused:
        scores["supported"] = claims.count_supported(said.text, shown, language=example.language)
    if example.answerable:
        scores["terminology"] = score_terms(said.text, example.answer, example.language, glossary)
    judged = {name: share for name, share in scores.items() if share.whole}
    return ArmResult(example.pair_id, judged, find_cluster(example), list_slices(example))


def refuses(text: str) -> bool:
    """Whether a text says one of the sentences a model refuses with, whatever else it says."""
    return contains_answer([text], REFUSAL.values())


def find_cluster(example: Example) -> str:
    """The document a question is about; of an unanswerable one, itself."""
    return example.evidence[0].document_id if example.evidence else f"pair {example.pair_id}"


def list_slices(example: Example) -> tuple[str, ...]:
    """The parts of the questions it belongs to: language, type of the quoted document, origin of the pair."""
    types = {_read_type(one.uri) for one in example.evidence}
    return (
        f"language={example.language}",
        f"origin={example.origin.value}",
        *(f"document_type={one}" for one in sorted(types)),
    )


def _score_answer(example: Example, text: str, *, refused: bool) -> dict[str, Share]:
    silence = {"refusal_precision": Share(float(refused and not example.answerable), float(refused))}
    if not example.answerable:
        return silence | {
            "refusal_recall": Share(float(refused), 1),
            "wrong_on_unanswerable": Share(float(not refused), 1),
            "right": Share(float(refused), 1),
        }
    answers = [example.answer]
    f1, contained = measure_f1(text, answers), contains_answer([text], answers)
    return silence | {
        "f1": Share(f1, 1),
        "em": Share(float(is_exact(text, answers)), 1),
        "contains_gold": Share(float(contained), 1),
        "right": Share(float(contained or f1 >= _RIGHT_F1), 1),
    }


def _score_citations(text: str, shown: Sequence[FrozenPassage]) -> dict[str, Share]:
    """Marks that point to a passage with a quoted span, over all marks; answers that have such a mark.

    Where no such passage was found nothing can be cited rightly, and nothing is judged.
    """
    gold = {number for number, one in enumerate(shown, start=1) if one.gold}
    if not gold:
        return {}
    marks = [int(number) for number in _MARK.findall(text)]
    rightly = sum(mark in gold for mark in marks)
    return {"citation_precision": Share(rightly, len(marks)), "citation_recall": Share(float(rightly > 0), 1)}


def _read_type(uri: str) -> str:
    """The extension of a file, the scheme of anything else."""
    parts = urlparse(uri)
    return PurePosixPath(parts.path).suffix[1:].lower() or parts.scheme or "unknown"
