"""The figures of chapters 03, 04 and 09 that draw a toy: signals, cells, sub-lattices, what filters let through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from book.figures.style import ACCENT, GREY, INK, LIGHT, sublattice_colors

_SIDE = 0.86  # of the largest map; from one to the next it is 1


def combs(signals: Mapping[str, Sequence[float]]) -> Figure:
    """One-dimensional signals as stems, one under the other; what is not zero stands out."""
    figure, axes = plt.subplots(len(signals), 1, figsize=(7.2, 1.15 * len(signals)), sharex=True, squeeze=False)
    for ax, (title, values) in zip(axes[:, 0], signals.items(), strict=True):
        values = np.asarray(values, dtype=float)
        top = max(values.max(), 1.0)
        for place, value in enumerate(values):
            ax.plot([place, place], [0, value], color=ACCENT if value else LIGHT, linewidth=4, solid_capstyle="butt")
            if value:
                ax.text(place, value + 0.08 * top, f"{value:g}", ha="center", color=INK, fontsize=9)
        ax.axhline(0, color=LIGHT, linewidth=1, zorder=0)
        ax.set(ylim=(0, 1.35 * top), yticks=[], xticks=range(len(values)))
        ax.spines["left"].set_visible(False)
        ax.set_ylabel(title, rotation=0, ha="right", va="center")
    axes[-1, 0].set_xlabel("cell")
    return figure


def counts(maps: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Small maps with their numbers written into the cells, those that are not zero in the accent color.

    Source: Fig. 4 of the paper, with the cells' values.
    """
    figure, axes = plt.subplots(1, len(maps), figsize=(9, 9 / len(maps) + 0.3), squeeze=False)
    for ax, values, title in zip(axes[0], maps, titles, strict=True):
        values = np.asarray(values)
        for (row, column), value in np.ndenumerate(values):
            face = ACCENT if value else "none"
            ax.add_patch(Rectangle((column, row), 1, 1, facecolor=face, edgecolor=LIGHT, linewidth=1))
            if value:
                size = 9 if len(values) < 9 else 7.5
                ax.text(column + 0.5, row + 0.5, f"{value:g}", color="white", ha="center", va="center", fontsize=size)
        _square(ax, len(values), title)
    return figure


def sublattice_boards(dilations: Sequence[int]) -> Figure:
    """Maps of 12 x 12 cells colored by sub-lattice, one for each dilation, with the taps of a 3x3 kernel ringed."""
    cells, center = 12, 5
    figure, axes = plt.subplots(1, len(dilations), figsize=(9, 9 / len(dilations) + 0.3), squeeze=False)
    for ax, d in zip(axes[0], dilations, strict=True):
        colors = sublattice_colors(d)
        for row, column in np.ndindex(cells, cells):
            face = colors[row % d * d + column % d] if d > 1 else LIGHT
            ax.add_patch(Rectangle((column, row), 1, 1, facecolor=face, edgecolor="white", linewidth=1))
        for i, j in np.ndindex(3, 3):
            at = (center + (j - 1) * d + 0.5, center + (i - 1) * d + 0.5)
            ax.plot(*at, "o", markersize=8, color="white", markeredgecolor=INK, markeredgewidth=1.5)
        _square(ax, cells, f"d = {d}: {d * d} sub-lattice{'s' if d > 1 else ''}")
    return figure


def cells_read(rows: Mapping[str, Iterable[int]]) -> Figure:
    """Rows of cells, one for each stack of layers {label: offsets from the output cell}.

    A cell that the output reads is filled, one that its right neighbor reads has a bar below it; the output is ringed.
    Few cells make a narrow figure, so that they are about as large in each.
    """
    read = {label: set(offsets) for label, offsets in rows.items()}
    far = max(max(map(abs, cells)) for cells in read.values()) + 1
    labels = 0.3 + 0.09 * max(map(len, read))
    figure, ax = plt.subplots(figsize=(min(9, labels + 0.225 * (2 * far + 1.2)), 0.5 * len(read) + 0.2))
    for place, cells in enumerate(read.values()):
        for cell in range(-far, far + 1):
            face = ACCENT if cell in cells else "none"
            box = {"facecolor": face, "edgecolor": LIGHT, "linewidth": 0.8}
            ax.add_patch(Rectangle((cell - 0.44, place - 0.3), 0.88, 0.5, **box))
            if cell - 1 in cells:
                ax.plot([cell - 0.4, cell + 0.4], [place + 0.31] * 2, color=GREY, linewidth=3, solid_capstyle="butt")
        ring = {"color": "none", "markeredgecolor": "white" if 0 in cells else INK, "markeredgewidth": 2}
        ax.plot(0, place - 0.05, "o", markersize=7.5, **ring)
    ax.set(xlim=(-far - 0.6, far + 0.6), ylim=(len(read) - 0.4, -0.5), xticks=[])
    ax.set_yticks(range(len(read)), list(read), color=INK, fontsize=12)
    ax.tick_params(axis="y", length=0)
    ax.spines[:].set_visible(False)
    return figure


def responses(curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """How much of each frequency filters let through: {label: (frequencies in cycles per cell, gain)}.

    The last is drawn in the accent color. The frequencies of a lattice of period 4 are marked.
    """
    figure, ax = _over_frequency(2.9, "share let through", 4)
    for (label, (frequency, gain)), color in zip(curves.items(), _shades(0.45, len(curves)), strict=True):
        thick = 3 if color is ACCENT else 2
        ax.plot(np.asarray(frequency), np.abs(np.asarray(gain)), color=color, label=label, linewidth=thick)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _over_frequency(height: float, quantity: str, period: int | None) -> tuple[Figure, Axes]:
    """An empty plot against frequency, with those of a lattice of `period` marked."""
    figure, ax = plt.subplots(figsize=(7.2, height))
    for harmonic in range(1, (period or 0) // 2 + 1):
        ax.axvline(harmonic / period, color=LIGHT, linewidth=6, zorder=0)
    ax.set(xlabel="frequency, cycles per cell", ylabel=quantity, xlim=(0, 0.5))
    return figure, ax


def _shades(lightest: float, count: int) -> list:
    """Greys that darken, and the accent color last."""
    return [*plt.get_cmap("Greys")(np.linspace(lightest, 0.8, max(1, count - 1))), ACCENT][-count:]


def _square(ax: Axes, cells: int, title: str) -> None:
    ax.set(xlim=(-0.05, cells + 0.05), ylim=(cells + 0.05, -0.05), aspect="equal", title=title)
    ax.set_axis_off()


def pooled(signals: Any, results: Mapping[str, Any]) -> Figure:
    """Signals with one bright cell as bars, a column each, and below them what poolings make of them.

    Args:
        signals: (N, 1, cells).
        results: {name of a pooling: (N, 1, cells / stride)}; its kernel is odd and padded, so that output j is in the
            middle of what it reads over cell j * stride. Their sums stand at the right.
    """
    rows = {"one bright cell": np.asarray(signals), **{name: np.asarray(values) for name, values in results.items()}}
    count, _, cells = np.shape(signals)
    shape = {"sharex": True, "sharey": True, "squeeze": False}
    figure, axes = plt.subplots(len(rows), count, figsize=(1.3 + 2.35 * count, 0.75 * len(rows)), **shape)
    for row, (name, values) in enumerate(rows.items()):
        for ax, signal in zip(axes[row], values[:, 0], strict=True):
            _bars(ax, signal, cells // len(signal), ACCENT if row else GREY)
            ax.text(cells, 0, f"sum {signal.sum():g}" if row else "", va="bottom", color=INK)
            ax.set(xlim=(-1.1, cells + 2.4), ylim=(-0.1, 1.45), xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        axes[row, 0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


def _bars(ax: Axes, signal: np.ndarray, stride: int, color: str) -> None:
    """A bar for each cell that is not zero, with its value, and a short line for each cell."""
    for place, value in enumerate(signal):
        left, width = stride * (place - 0.4), 0.8 * stride
        ax.plot([left, left + width], [0, 0], color=GREY if value else LIGHT, linewidth=2, solid_capstyle="butt")
        if value:
            ax.add_patch(Rectangle((left, 0), width, value, facecolor=color))
            ax.text(left + width / 2, value + 0.06, f"{value:g}", ha="center", va="bottom", fontsize=9.5)


def joint_upsampling(
    levels: Sequence[int], strided: Sequence[Any], enlarged: Sequence[Any], dilated: Sequence[Any]
) -> Figure:
    """Maps (..., side, side), one a level, as squares in proportion to their cells.

    A row each: what a strided network computes, the same brought to one size, in the accent color and with arrows
    between, and what a dilated network computes.
    """
    largest = np.shape(enlarged[0])[-1]
    rows = {"strided network": strided, f"brought to {largest}": enlarged, "dilated network": dilated}
    left, right, bottom, top = -1.95, len(levels) - 0.5, -2.93, 0.72
    figure, ax = plt.subplots(figsize=(1.08 * (right - left), 1.08 * (top - bottom)))
    for row, (label, maps) in enumerate(rows.items()):
        middle = -1.22 * row
        ax.text(-0.62, middle, label, ha="right", va="center", fontsize=11)
        for column, values in enumerate(maps):
            cells = np.shape(values)[-1]
            side, color = _SIDE * cells / largest, ACCENT if maps is enlarged else GREY
            ax.add_patch(Rectangle((column - side / 2, middle - side / 2), side, side, facecolor=color))
            ax.text(column, middle, f"{cells}", color="white", ha="center", va="center_baseline", fontsize=11)
            if maps is strided:
                below = {"xy": (column, middle - 1.22 + _SIDE / 2 + 0.02), "xytext": (column, middle - side / 2 - 0.02)}
                ax.annotate("", **below, arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 1.4})
    for column, level in enumerate(levels):
        ax.text(column, 0.6, f"level {level}", ha="center", va="center", fontsize=11)
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    ax.set_axis_off()
    return figure
