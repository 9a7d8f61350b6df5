"""A calibration as a picture: is the confidence true, and what does each coverage cost?"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np

from tasks.evaluation.calibrate import BINS, Fit


def draw_calibration(fit: Fit, *, max_error: float) -> bytes:
    """Reliability diagram and coverage/error curve side by side, as PNG.

    Args:
        max_error: The wished share of wrong answers, drawn as a line.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    reliability, coverage = figure.subplots(1, 2)
    _draw_reliability(reliability, fit)
    _draw_coverage(coverage, fit, max_error)
    FigureCanvasAgg(figure)
    target = BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()


def _draw_reliability(axes: Any, fit: Fit) -> None:
    bins = np.minimum((fit.confidences * BINS).astype(int), BINS - 1)
    filled = [number for number in range(BINS) if (bins == number).any()]
    shares = [fit.right[bins == number].mean() for number in filled]
    counts = [int((bins == number).sum()) for number in filled]
    axes.bar([(number + 0.5) / BINS for number in filled], shares, width=0.9 / BINS, color="#4c78a8")
    for number, share, count in zip(filled, shares, counts, strict=True):
        axes.annotate(str(count), ((number + 0.5) / BINS, share), ha="center", va="bottom", fontsize=8)
    axes.plot([0, 1], [0, 1], color="#888888", linestyle="--", linewidth=1)
    error = fit.calibration.expected_error
    axes.set(xlim=(0, 1), ylim=(0, 1.05), xlabel="confidence", ylabel="share of right answers")
    axes.set_title(f"Reliability: expected calibration error {error:.3f}\n(numbers: answers in the bin)", fontsize=10)


def _draw_coverage(axes: Any, fit: Fit, max_error: float) -> None:
    points = sorted(fit.calibration.curve, key=lambda point: point.coverage)
    axes.step([p.coverage for p in points], [p.error for p in points], where="post", color="#e45756")
    axes.axhline(max_error, color="#888888", linestyle="--", linewidth=1)
    reached = max((p.coverage for p in points if p.error <= max_error), default=0.0)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="coverage (share answered)", ylabel="share of wrong answers")
    axes.set_title(f"Errors among answers given: at most {max_error:.0%} up to coverage {reached:.2f}", fontsize=10)
