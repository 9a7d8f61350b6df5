"""Pictures of a report by matplotlib, without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_SIZE_INCHES = (7.0, 2.8)
_DOTS_PER_INCH = 120
_COLOUR = "#2b6cb0"
_MOST_BINS = 30


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


def _open_figure() -> Figure:
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure) -> bytes:
    file = io.BytesIO()
    # Without the software's name the same results give the same bytes.
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
