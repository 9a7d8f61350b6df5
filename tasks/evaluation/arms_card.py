"""The arms for people: rows of a table, a Markdown fragment for the model card, values for the picture."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.training_models import ArmScore, ArmsReport, GateDecision

COLUMNS = (
    *("arm", "F1", "95 %", "exact", "contains", "cites rightly", "refuses rightly", "wrong on unanswerable"),
    *("supported", "terms", "s/answer", "s/right"),
)

SHORT_COLUMNS = ("arm", "F1", "95 %", "exact", "cites rightly", "refuses rightly", "supported", "s/right")


def list_rows(report: ArmsReport) -> list[tuple[str, ...]]:
    """One row an arm, in the columns of `COLUMNS`."""
    return [(arm, *_show_score(score)) for arm, score in report.arms.items()]


def list_intervals(report: ArmsReport) -> Mapping[str, tuple[float, float, float]]:
    """Token F1 with its interval by arm, of arms where it is known."""
    return {
        arm: (score.f1, score.f1_low, score.f1_high)
        for arm, score in report.arms.items()
        if score.f1 is not None and score.f1_low is not None and score.f1_high is not None
    }


def list_short_rows(report: ArmsReport) -> list[tuple[str, ...]]:
    """The same in the columns of `SHORT_COLUMNS`: as much as a terminal is wide."""
    places = [COLUMNS.index(name) for name in SHORT_COLUMNS]
    return [tuple(row[place] for place in places) for row in list_rows(report)]


def write_arms_card(report: ArmsReport, decision: GateDecision | None) -> str:
    """The arms, both probes and the decision, as Markdown; without an adapter there is nothing to decide."""
    lines = [
        f"## Arms: {report.questions} held-out questions of dataset {report.dataset_id}",
        "",
        _row(COLUMNS),
        _row(["---", *["---:"] * (len(COLUMNS) - 1)]),
        *map(_row, list_rows(report)),
        "",
        *_describe_forgetting(report),
        *_describe_reading(report),
    ]
    if decision:
        lines += [f"## Gate: {decision.decision}", "", *(f"* {reason}" for reason in decision.reasons), ""]
    return "\n".join(lines)


def _describe_forgetting(report: ArmsReport) -> list[str]:
    found = report.forgetting
    if found is None:
        return []
    said = (
        f"General questions ({found.questions}): {found.base:.3f} by the base model, {found.tuned:.3f} with the "
        f"adapter, drop {found.drop:+.3f} [{found.low:+.3f}, {found.high:+.3f}]; perplexity of general text "
        f"{found.base_perplexity:.1f} and {found.tuned_perplexity:.1f}."
    )
    return [said, ""]


def _describe_reading(report: ArmsReport) -> list[str]:
    found = report.reading
    if found is None:
        return []
    said = (
        f"A question's own answer against another question's ({found.questions}): {found.base:.1f} nats likelier by "
        f"the base model, {found.tuned:.1f} with the adapter, {found.difference:+.1f} [{found.low:+.1f}, "
        f"{found.high:+.1f}]."
    )
    return [said, ""]


def _show_score(score: ArmScore) -> tuple[str, ...]:
    interval = f"{score.f1_low:.3f}–{score.f1_high:.3f}" if score.f1_low is not None else "–"
    figures = (score.em, score.contains_gold, score.citation_precision, score.refusal_recall)
    rest = (score.wrong_on_unanswerable, score.supported, score.terminology)
    effort = (score.seconds_per_answer, score.seconds_per_correct)
    return (_show(score.f1), interval, *map(_show, (*figures, *rest, *effort)))


def _show(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"
