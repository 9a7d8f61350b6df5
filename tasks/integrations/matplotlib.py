"""Pictures of a report by matplotlib, without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tasks.answer_models import Calibration

_SIZE_INCHES = (7.0, 2.8)
_DOTS_PER_INCH = 120
_COLOUR = "#2b6cb0"
_MOST_BINS = 30
_ERROR_COLOUR = "#c53030"
_GUIDE_COLOUR = "#888888"
_CONFIDENCE_BINS = 10


class MatplotlibPlotter:
    """The `Plotter` port; each figure has a canvas of its own, so no global state is touched."""

    def draw_bars(self, title: str, counts: Mapping[str, int]) -> bytes:
        """A PNG with one labelled bar a count, the first on top."""
        figure = _open_figure()
        axes = figure.add_subplot(title=title, xlabel="questions")
        bars = axes.barh(list(counts), list(counts.values()), color=_COLOUR)
        axes.bar_label(bars, padding=3)
        axes.set_xlim(0, max([1, *counts.values()]) * 1.1)
        axes.invert_yaxis()
        return _save(figure)

    def draw_histogram(self, title: str, label: str, values: Sequence[float]) -> bytes:
        """A PNG of how often values occur; `label` names their unit."""
        figure = _open_figure()
        axes = figure.add_subplot(title=title, xlabel=label, ylabel="questions")
        axes.hist(values, bins=min(_MOST_BINS, max(1, len(values))), color=_COLOUR)
        axes.set_xlim(left=0)
        return _save(figure)

    def draw_calibration(
        self,
        calibration: Calibration,
        confidences: NDArray[np.float64],
        right: NDArray[np.bool_],
        *,
        max_error: float,
    ) -> bytes:
        """A PNG: is the confidence true, and what does each coverage cost?"""
        figure = _open_figure(height_inches=3.6)
        reliability, coverage = figure.subplots(1, 2)
        _draw_reliability(reliability, calibration, confidences, right)
        _draw_coverage(coverage, calibration, max_error)
        return _save(figure)

    def draw_coverage(self, calibration: Calibration, *, max_error: float) -> bytes:
        """A PNG: what does each coverage cost?"""
        figure = _open_figure(height_inches=3.6)
        _draw_coverage(figure.add_subplot(), calibration, max_error)
        return _save(figure)

    def draw_losses(
        self, title: str, losses: Sequence[tuple[int, float]], validation: Sequence[tuple[int, float]]
    ) -> bytes:
        """A PNG of losses by step; the validation loss has a point at each evaluation."""
        figure = _open_figure()
        axes = figure.add_subplot(title=title, xlabel="step", ylabel="loss on answers")
        axes.plot(*_split(losses), color=_COLOUR, linewidth=1, label="training")
        if validation:
            axes.plot(*_split(validation), color=_ERROR_COLOUR, marker="o", markersize=3, label="validation")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        return _save(figure)

    def draw_intervals(self, title: str, label: str, values: Mapping[str, tuple[float, float, float]]) -> bytes:
        """A PNG with a bar and its interval a name, the first on top; each is (value, low, high), 0 to 1."""
        figure = _open_figure()
        axes = figure.add_subplot(title=title, xlabel=label)
        shares = [value for value, _, _ in values.values()]
        below = [max(0.0, value - low) for value, low, _ in values.values()]
        above = [max(0.0, high - value) for value, _, high in values.values()]
        axes.barh(list(values), shares, color=_COLOUR, xerr=[below, above], ecolor=_ERROR_COLOUR, capsize=4)
        for place, (value, _, high) in enumerate(values.values()):
            axes.text(max(value, high) + 0.015, place, f"{value:.3f}", va="center", fontsize=8)
        axes.set_xlim(0, 1.1)
        axes.invert_yaxis()
        return _save(figure)


def _split(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [loss for _, loss in points]


def _draw_reliability(
    axes: Axes, calibration: Calibration, confidences: NDArray[np.float64], right: NDArray[np.bool_]
) -> None:
    bins = np.minimum((confidences * _CONFIDENCE_BINS).astype(int), _CONFIDENCE_BINS - 1)
    filled = [number for number in range(_CONFIDENCE_BINS) if (bins == number).any()]
    shares = [float(right[bins == number].mean()) for number in filled]
    places = [(number + 0.5) / _CONFIDENCE_BINS for number in filled]
    bars = axes.bar(places, shares, width=0.9 / _CONFIDENCE_BINS, color=_COLOUR)
    axes.bar_label(bars, labels=[str(int((bins == number).sum())) for number in filled], fontsize=7)
    axes.plot([0, 1], [0, 1], color=_GUIDE_COLOUR, linestyle="--", linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1.08), xlabel="confidence", ylabel="share of right answers")
    axes.set_title(f"calibration error {calibration.expected_error:.3f} (numbers: answers)", fontsize=9)


def _draw_coverage(axes: Axes, calibration: Calibration, max_error: float) -> None:
    points = sorted(calibration.curve, key=lambda point: point.coverage)
    axes.step([p.coverage for p in points], [p.error for p in points], where="post", color=_ERROR_COLOUR)
    axes.axhline(max_error, color=_GUIDE_COLOUR, linestyle="--", linewidth=1)
    reached = calibration.coverage_at(max_error)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="share answered", ylabel="share of wrong answers")
    axes.set_title(f"at most {max_error:.0%} wrong: {reached:.0%} answered", fontsize=9)


def _open_figure(height_inches: float = _SIZE_INCHES[1]) -> Figure:
    figure = Figure(figsize=(_SIZE_INCHES[0], height_inches), dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure) -> bytes:
    file = io.BytesIO()
    # Without the software's name the same results give the same bytes.
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
