"""Differences as a picture: a dot, its interval over seeds and images, its interval over seeds, and a line at zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from book.figures.style import ACCENT, GREY, INK, LIGHT
from book.studies import metrics
from book.studies.metrics import interval_text, signed
from book.studies.summaries import Comparison

COLORS = {"supported": "#0f766e", "contradicted": ACCENT, "not resolved": GREY}
"""By the verdict on "left has less of it than right"."""
WORDS = ("left has less", "left has more", "we cannot tell")


def forest(
    columns: Mapping[str, tuple[str, Sequence[Comparison | None]]],
    labels: Sequence[str],
    width: float = 6.2,
    words: Sequence[str] = WORDS,
) -> Figure:
    """One panel for each outcome, one row for each difference.

    Args:
        columns: by a panel's title, the metric and its comparisons, row by row; None where nothing was measured.
        labels: names of the rows.
        width: of the figure in inches. Panels stand two in a row; of a single one the numbers stand beside the dots.
        words: what the legend says of less, of more and of neither.
    """
    wide = min(2, len(columns))
    high = -(-len(columns) // wide)
    size = (width, high * (0.34 * len(labels) + 0.75) + 0.4)
    figure, axes = plt.subplots(high, wide, figsize=size, sharey=True, squeeze=False)
    for ax, (title, (key, rows)) in zip(axes.flat, columns.items(), strict=False):
        for place, row in enumerate(rows):
            if row is None:
                ax.text(0, place, "not yet measured", color=GREY, fontsize=9.5, va="center")
            else:
                _draw(ax, place, row, metrics.style(key) if len(columns) == 1 else None)
        ax.axvline(0, color=LIGHT, linewidth=1, zorder=0)
        ax.set_title(title, loc="left", fontsize=10.5)
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0, labelsize=10.5, labelcolor=INK)
    axes[0, 0].set_yticks(range(len(labels)), labels)
    axes[0, 0].set_ylim(len(labels) - 0.4, -0.6)
    for ax in axes.flat[len(columns) :]:
        ax.set_visible(False)
    marks = [
        Line2D([], [], marker="o", linewidth=3, color=color, label=word)
        for color, word in zip(COLORS.values(), words, strict=True)
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=3, fontsize=9.5, handlelength=1.4, columnspacing=1.4)
    return figure


def _draw(ax: Axes, place: int, row: Comparison, style: str | None) -> None:
    color, both = COLORS[row.verdict("less")], row.difference
    ax.plot([row.over_seeds.low, row.over_seeds.high], [place] * 2, color=color, linewidth=1)
    ax.plot([both.low, both.high], [place] * 2, color=color, linewidth=3.5, solid_capstyle="butt")
    ax.plot(both.estimate, place, "o", color=color, markersize=7)
    if style:
        text = f"{signed(both.estimate, '+' + style)}  {interval_text(both, style)}"
        ax.text(1.03, place, text, transform=ax.get_yaxis_transform(), fontsize=10, va="center", color=INK)
