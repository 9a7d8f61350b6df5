"""All questions of a run in one object: every metric, by language, by document type, by kind of question."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np

from tasks.evaluation.bootstrap import RESAMPLES, SEED, Comparison, compare_shares
from tasks.evaluation.ranking import RANKING_METRICS
from tasks.evaluation_models import JudgedAnswer, Outcome, Share

ANSWER_METRICS = (
    *("em", "f1", "contains_gold", "text_contains_gold", "quotes_gold_sentence", "citation_precision"),
    *("citation_recall", "supported"),
    *("answered_share", "answered_of_answerable", "wrong_among_answered", "refusal_recall", "refusal_precision"),
    *("generated_share", "extractive_share", "none_share", "prompt_tokens", "completion_tokens"),
)
LOWER_IS_BETTER = frozenset({"wrong_among_answered"})
NEUTRAL = frozenset({
    *("answered_share", "generated_share", "extractive_share", "none_share", "prompt_tokens", "completion_tokens"),
})  # fmt: skip
"""How often and how it was answered is neither good nor bad: silence is right where no document answers."""

COMPARED = (*RANKING_METRICS, *ANSWER_METRICS)
"""All but seconds, which are no property of a question: those of one batch are one measurement, on a machine that had
other work in the other run."""

_DIGITS = 6


def summarise(results: Sequence[JudgedAnswer]) -> dict[str, Any]:
    """The metrics of all results and of each group; JSON, None where nothing could be judged."""
    groups: dict[str, Callable[[JudgedAnswer], str | None]] = {
        "by_language": lambda result: result.language,
        "by_document_type": lambda result: result.document_type,
        "by_kind": lambda result: result.question.kind,
    }
    return {
        "questions": len(results),
        **_measure(results),
        "latency": measure_latency(results),
        "outcomes": count_outcomes(results),
        **{name: _summarise_groups(results, key) for name, key in groups.items()},
    }


def measure_share(results: Sequence[JudgedAnswer], metric: str) -> float | None:
    """One metric over the results; None when it judges none of them."""
    shares = [result.scores[metric] for result in results if metric in result.scores]
    # fsum: the same figure whatever the order of the questions.
    whole = math.fsum(share.whole for share in shares)
    return round(math.fsum(share.part for share in shares) / whole, _DIGITS) if whole else None


def measure_latency(results: Sequence[JudgedAnswer]) -> dict[str, float | None]:
    """Percentiles of the seconds that the answers report, linear between neighbours."""
    seconds = [result.answer.timings.total_seconds for result in results]
    found = np.percentile(seconds, [50, 95]) if seconds else [None, None]
    names = ("p50_seconds", "p95_seconds")
    return {
        name: None if value is None else round(float(value), _DIGITS) for name, value in zip(names, found, strict=True)
    }


def count_outcomes(results: Sequence[JudgedAnswer]) -> dict[str, int]:
    """How many results each word names."""
    counts = Counter(result.outcome for result in results)
    return {outcome: counts[outcome] for outcome in get_args(Outcome)}


def compare_runs(
    before: Sequence[JudgedAnswer], after: Sequence[JudgedAnswer], *, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, Comparison]:
    """Every metric but seconds, over the questions with the same id and text in both runs.

    Args:
        before: The baseline's results.
        after: The other run's.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    pairs = pair_results(before, after)
    clusters = [second.cluster for _, second in pairs]
    return {
        metric: compare_shares(
            [first.scores.get(metric, Share(0, 0)) for first, _ in pairs],
            [second.scores.get(metric, Share(0, 0)) for _, second in pairs],
            clusters,
            higher_is_better=None if metric in NEUTRAL else metric not in LOWER_IS_BETTER,
            resamples=resamples,
            seed=seed,
        )
        for metric in COMPARED
    }


def pair_results(
    before: Sequence[JudgedAnswer], after: Sequence[JudgedAnswer]
) -> list[tuple[JudgedAnswer, JudgedAnswer]]:
    """Results of the same question, in the order of the second run."""
    known = {(one.question.id, one.question.text): one for one in before}
    keys = [(one.question.id, one.question.text) for one in after]
    return [(known[key], one) for key, one in zip(keys, after, strict=True) if key in known]


def _measure(results: Sequence[JudgedAnswer]) -> dict[str, Any]:
    return {
        "retrieval": {name: measure_share(results, name) for name in RANKING_METRICS},
        "answers": {name: measure_share(results, name) for name in ANSWER_METRICS},
    }


def _summarise_groups(
    results: Sequence[JudgedAnswer], key: Callable[[JudgedAnswer], str | None]
) -> dict[str, dict[str, Any]]:
    names = sorted({name for result in results if (name := key(result)) is not None})
    members = {name: [result for result in results if key(result) == name] for name in names}
    return {name: {"questions": len(found), **_measure(found)} for name, found in members.items()}
