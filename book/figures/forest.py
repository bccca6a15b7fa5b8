"""Differences as a picture: a dot, its interval over seeds and images, its interval over seeds, and a line at zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from book.figures.style import ACCENT, GREY, INK, LIGHT
from book.studies import metrics
from book.studies.evidence.families import Comparison
from book.studies.metrics import interval_text, signed

COLORS = {"supported": "#0f766e", "contradicted": ACCENT, "not resolved": GREY}
"""By the verdict on "left is better than right" (`metrics.better`). The dot of a provisional verdict is hollow."""
WORDS = ("left is better", "left is worse", "we cannot tell")


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
        words: what the legend says of better, of worse and of neither.
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
                _draw(ax, place, row, key, len(columns) == 1)
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


def _draw(ax: Axes, place: int, row: Comparison, key: str, with_numbers: bool) -> None:
    said, _, doubt = row.judged(metrics.better(key)).partition(" (")
    color, both = COLORS[said], row.difference
    ax.plot([row.over_seeds.low, row.over_seeds.high], [place] * 2, color=color, linewidth=1)
    ax.plot([both.low, both.high], [place] * 2, color=color, linewidth=3.5, solid_capstyle="butt")
    face = "white" if doubt else color
    ax.plot(both.estimate, place, "o", color=color, markersize=7, markerfacecolor=face, markeredgewidth=1.5)
    if with_numbers:
        style = metrics.style(key)
        text = f"{signed(both.estimate, '+' + style)}  {interval_text(both, style)}"
        ax.text(1.03, place, text, transform=ax.get_yaxis_transform(), fontsize=10, va="center", color=INK)


def sign_matrix(
    columns: Mapping[str, Sequence[Comparison | None]], labels: Sequence[str], width: float = 6.2
) -> Figure:
    """Who has less of what: a row for each difference, a column for each outcome.

    Args:
        columns: by a column's title, its comparisons, row by row; None where nothing was measured.
        labels: names of the rows, "left − right".
        width: of the figure in inches.

    A cell of a provisional verdict is outlined and not filled.
    """
    figure, ax = plt.subplots(figsize=(width, 0.42 * len(labels) + 1.0))
    marks = {"supported": "less", "contradicted": "more", "not resolved": "?"}
    for x, rows in enumerate(columns.values()):
        for y, row in enumerate(rows):
            verdict, _, doubt = ("not resolved" if row is None else row.judged("less")).partition(" (")
            strong = verdict != "not resolved" and not doubt
            face, edge = (COLORS[verdict], GREY) if strong else ("none", COLORS[verdict] if doubt else GREY)
            line = 2 if doubt else 0.6
            ax.add_patch(Rectangle((x - 0.45, y - 0.41), 0.90, 0.82, facecolor=face, edgecolor=edge, linewidth=line))
            text = "–" if row is None else marks[verdict]
            ax.text(x, y, text, ha="center", va="center", fontsize=10, color="white" if strong else INK)
    ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(labels) - 0.5, -0.5))
    ax.set_xticks(range(len(columns)), list(columns), fontsize=9.5)
    ax.set_yticks(range(len(labels)), labels, fontsize=10.5)
    ax.xaxis.tick_top()
    ax.tick_params(length=0, labelcolor=INK)
    ax.spines[:].set_visible(False)
    return figure
