"""How likely an answer is right: signals of retrieval, wording and support, weighed by a calibration.

Logistic regression over the signals (Platt, "Probabilistic outputs for support vector machines", 1999). The weights
are fitted by `tasks/evaluation/calibrate.py`; those of `calibration.json` were fitted on several collections and serve
where nobody has fitted any.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tasks.answer_models import Calibration, Generation
from tasks.answering.asked import find_asked, hold_asked
from tasks.answering.extract import Ranked, choose_quotes
from tasks.answering.names import find_names
from tasks.answering.words import Stems
from tasks.models import Hit

_WORD = re.compile(r"[^\W_]+")
_SIDES = ("dense_score", "keyword_score")

_OPEN_SIGNALS = {"logprob": (-math.inf, 0.0), "supported_share": (0.0, 1.0)}
"""What is not known of a generated answer before it is written to its end, and what it can be."""

SHIPPED_FILE = Path(__file__).with_name("calibration.json")


def measure_signals(
    readings: Sequence[str],
    hits: Sequence[Hit],
    ranked: Sequence[Ranked],
    stems: Stems,
    *,
    generation: Generation | None = None,
    supported_share: float = 0.0,
) -> dict[str, float]:
    """What tells a right answer from a wrong one.

    Args:
        readings: Texts that ask the same.
        hits: What was found, best first; at least one.
        ranked: What can be quoted of them, the best first; at least one.
        generation: What the generator wrote, when that is the answer; None: the answer is quoted.
        supported_share: Share of its claims that a document carries.

    Returns:
        Each signal by name. Cosines, fused scores and shares are 0 to 1, log-probabilities at most 0, sentence scores
        those of `rank_quotables`. Keyword scores are not among them: BM25 grows with the collection.
    """
    best = ranked[0]
    hit = hits[best.quotable.rank]
    documents = [one.passage.document_id for one in hits]
    elsewhere = next((one.score for one in hits if one.passage.document_id != documents[0]), 0.0)
    # Sentence by sentence, as they were ranked: their stems are remembered, those of whole passages would be many more.
    quotable = [text for one in ranked for text in (one.quotable.quote, one.quotable.place)]
    dense, keyword = (_place_of_best([getattr(one, side) or 0.0 for one in hits]) for side in _SIDES)
    return {
        "dense": hit.dense_score or 0.0,
        "fused": hit.score,
        "fused_margin": hits[0].score - elsewhere,
        "sides_agree": float(documents[dense] == documents[keyword]),
        "passage_coverage": max(_cover_share(question, [_show(hit)], stems) for question in readings),
        "found_coverage": max(_cover_share(question, quotable, stems) for question in readings),
        "asked_held": max(_hold_asked(question, ranked) for question in readings),
        "names_held": max(_hold_share(question, hit, stems.language) for question in readings),
        "meaning": best.meaning,
        "meaning_gap": max(one.meaning for one in ranked) - best.meaning,
        "sentence_score": best.score,
        "generated": float(generation is not None),
        "logprob": (generation.mean_logprob or 0.0) if generation else 0.0,
        "supported_share": supported_share,
    }


def estimate_confidence(signals: Mapping[str, float], calibration: Calibration) -> float:
    """The probability, 0 to 1, that an answer with these signals is right."""
    total = calibration.bias + sum(weight * signals.get(name, 0.0) for name, weight in calibration.weights.items())
    # Beyond this the exponential overflows, and nobody is that sure.
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def bound_confidence(signals: Mapping[str, float], calibration: Calibration) -> tuple[float, float]:
    """The lowest confidence that a generated answer can end with, and the highest of any, whatever the model writes.

    Exact where the calibration does not weigh what is not known yet, as the shipped one; 0 and 1 where it weighs
    log-probabilities, which have no lower bound.

    Args:
        signals: Measured before anything is written, as those of a quoted answer.
    """

    def estimate(sign: int) -> float:
        chosen = {
            name: high if sign * calibration.weights.get(name, 0.0) >= 0 else low
            for name, (low, high) in _OPEN_SIGNALS.items()
        }
        return estimate_confidence({**signals, "generated": 1.0, **chosen}, calibration)

    return estimate(-1), max(estimate(1), estimate_confidence(signals, calibration))


def choose_threshold(calibration: Calibration, max_error: float) -> float:
    """The threshold that answers most questions with no more than the wished share of them wrong; 1 when none does.

    The curve was drawn on questions that the weights were not fitted on. Who wishes for 1 wants all answers.
    """
    if max_error >= 1:
        return 0.0
    return min((point.threshold for point in calibration.curve if point.error <= max_error), default=1.0)


def is_accepted(confidence: float, calibration: Calibration, max_error: float) -> bool:
    """Whether an answer is sure enough to be given."""
    return confidence >= choose_threshold(calibration, max_error)


@cache
def read_shipped() -> Calibration:
    """The calibration that comes with expertloop."""
    return Calibration.model_validate_json(SHIPPED_FILE.read_text(encoding="utf-8"))


def _place_of_best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=lambda place: (scores[place], -place))


def _cover_share(question: str, texts: Sequence[str], stems: Stems) -> float:
    """Share of the question's words that stand in one of the texts."""
    wanted = set(stems.find(question))
    held = {word for text in texts for word in stems.find(text)}
    return len(wanted & held) / max(1, len(wanted))


def _hold_share(question: str, hit: Hit, language: str) -> float:
    """Share of the names and numbers of a question that stand in a passage or its place; 1 where it has none.

    Another word may mean the same as one of the question's, another name never does.
    """
    codes = {word for word in _WORD.findall(question.casefold()) if any(map(str.isdigit, word))}
    wanted = find_names(question, language=language) | codes
    return len(wanted.intersection(_WORD.findall(_show(hit).casefold()))) / len(wanted) if wanted else 1.0


def _hold_asked(question: str, ranked: Sequence[Ranked]) -> float:
    """How surely what is quoted first holds a value of the kind that a question asks for; 1 where it asks for none."""
    asked = find_asked(question)
    quoted = choose_quotes(ranked)[0]
    return max(hold_asked(one.quote, one.place, asked) for one in quoted) if asked else 1.0


def _show(hit: Hit) -> str:
    """A passage under its place."""
    passage = hit.passage
    return " ".join((passage.title, *passage.chunk.heading_path, passage.chunk.shown_text))
