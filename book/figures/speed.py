"""The figures of chapter 08: rates against the machine's, small matrices, tiles on sub-lattices, the bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from book.figures.style import ACCENT, GREY, INK, LIGHT, sublattice_colors
from book.studies.bench.stored import limit
from drn_lib.fast.matrices import Scheme
from drn_lib.names import display_name

MINE = ("kernel", "without_kernel")
"""Ways to compute that this chapter adds; all others are drawn in grey."""
MARKS = {
    "folded": "|",
    "compiled": "x",
    "onnxruntime": "^",
    "openvino": "s",
    "without_kernel": "o",
    "kernel": "o",
}
"""The ways of the bench that are drawn, in the order of the legend, and their marks."""


def rate_bars(rates: Mapping[str, float], mine: Sequence[str] = (), one: str = "", unit: str = "") -> Figure:
    """Bars {label: rate} from the top down; those of `mine` in the accent color, a line at one with its words."""
    figure, ax = plt.subplots(figsize=(7.2, 0.42 * len(rates) + 0.9))
    values = list(rates.values())
    colors = [ACCENT if label in mine else GREY for label in rates]
    ax.barh(range(len(rates)), values, color=colors, height=0.62)
    step = 0.015 * max(values)
    for place, value in enumerate(values):
        inside = value > 6 * step  # a short bar has its number behind it
        side = {"ha": "right", "color": "white"} if inside else {"ha": "left", "color": INK}
        ax.text(value + (-step if inside else step), place, f"{value:.1f}", va="center", fontsize=10, **side)
    ax.axvline(1, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), label=one)
    ax.text(1, -0.75, one, ha="center", va="bottom", fontsize=9)
    ax.set_yticks(range(len(rates)), list(rates))
    ax.set(xlabel=unit, xlim=(0, 1.05 * max(values)), ylim=(len(rates) - 0.4, -0.75))
    ax.tick_params(axis="y", length=0)
    return figure


def roofline(document: Mapping) -> Figure:
    """The levels of a network under the roof of a machine: multiply-adds a byte against the rate.

    Args:
        document: as `book.studies.bench.layers` measures it; rates are fractions of a matrix product's.
    """
    figure, ax = plt.subplots(figsize=(7.2, 3.9))
    levels = document["levels"]
    slope = document["memory_bytes"]  # bytes that move in the time of one multiply-add
    left, right = 0.5 / slope, 1.6 * max(level["intensity"] for level in levels)
    ax.plot([left, 1 / slope, right], [left * slope, 1, 1], color=INK, linewidth=1.6)
    ax.text(right, 0.94, "matrix product", ha="right", va="top", fontsize=9)
    for way, color, label in (("direct", GREY, "PyTorch, directly"), ("kernel", ACCENT, "the C++ kernel")):
        shown = [level for level in levels if way in level]
        at = [level["intensity"] for level in shown], [level[way] for level in shown]
        ax.plot(*at, "o", color=color, markersize=7, label=label)
    for number, levels_here in _by_intensity(levels).items():
        top = max(level.get("kernel", level["direct"]) for level in levels_here)
        place = {"xytext": (0, 8), "textcoords": "offset points", "ha": "center", "fontsize": 9}
        ax.annotate(number, (levels_here[0]["intensity"], top), **place)
    ax.set(xscale="log", xlim=(left, right), ylim=(0, 1.25 * max(ax.get_ylim()[1], 1.2)))
    ax.set(xlabel="multiply-adds for each byte that has to move", ylabel="rate, matrix product = 1")
    ax.legend(loc="upper left")
    return figure


def _by_intensity(levels: Sequence[Mapping]) -> dict[str, list[Mapping]]:
    """Levels that stand at one place of the axis, under their numbers: {"6, 7, 8": [...]}."""
    places: dict[float, list[Mapping]] = {}
    for level in levels:
        places.setdefault(level["intensity"], []).append(level)
    return {", ".join(str(level["level"]) for level in here): here for here in places.values()}


def matrices(scheme: Scheme) -> Figure:
    """The three small matrices of a scheme with their entries; those that are not zero stand out."""
    shown = {
        "$B^T$: cells to factors": scheme.BT,
        "$G$: taps to factors": scheme.G,
        "$A^T$: products to outputs": scheme.AT,
    }
    widths = [len(matrix[0]) for matrix in shown.values()]
    figure, axes = plt.subplots(1, 3, figsize=(7.6, 2.6), width_ratios=widths)
    for ax, (title, matrix) in zip(axes, shown.items(), strict=True):
        for (row, column), entry in np.ndenumerate(np.array(matrix, dtype=object)):
            face = "none" if entry == 0 else ACCENT
            ax.add_patch(Rectangle((column, row), 1, 1, facecolor=face, alpha=0.85, edgecolor=LIGHT, linewidth=1))
            if entry:
                ax.text(column + 0.5, row + 0.5, str(entry).replace("-", "−"), color="white", ha="center", va="center")
        ax.set(xlim=(-0.05, len(matrix[0]) + 0.05), ylim=(scheme.products + 0.05, -0.05), aspect="equal")
        ax.set_title(title, fontsize=10)
        ax.set_axis_off()
    return figure


def tile_board(dilation: int, scheme: Scheme, cells: int = 14) -> Figure:
    """A map colored by sub-lattice with one tile of one of them: the cells that it reads ringed, its outputs filled."""
    figure, ax = plt.subplots(figsize=(4.4, 4.4))
    colors, d = sublattice_colors(dilation), dilation
    for row, column in np.ndindex(cells, cells):
        face = colors[row % d * d + column % d]
        ax.add_patch(Rectangle((column, row), 1, 1, facecolor=face, edgecolor="white", linewidth=1))
    inside = range(scheme.before, scheme.before + scheme.outputs)
    for i, j in np.ndindex(scheme.inputs, scheme.inputs):
        face = "black" if i in inside and j in inside else "white"
        at = (j * d + 1.5, i * d + 1.5)
        ax.plot(*at, "o", markersize=8, color=face, markeredgecolor="black", markeredgewidth=1.5)
    ax.set(xlim=(-0.05, cells + 0.05), ylim=(cells + 0.05, -0.05), aspect="equal")
    ax.set_axis_off()
    return figure


def errors(found: Mapping[str, float], mine: Sequence[str] = ()) -> Figure:
    """Errors {label: relative error} as dots on a logarithmic axis."""
    figure, ax = plt.subplots(figsize=(7.2, 0.42 * len(found) + 0.9))
    for place, (label, error) in enumerate(found.items()):
        ax.plot(error, place, "o", color=ACCENT if label in mine else GREY, markersize=9)
    ax.set_yticks(range(len(found)), list(found))
    ax.set(xscale="log", xlim=(3e-8, 1e-1), ylim=(len(found) - 0.5, -0.5), xlabel="error, relative to the exact values")
    ax.grid(axis="x", color=LIGHT, linewidth=0.8)
    ax.set_axisbelow(True)
    return figure


def compared(names: Mapping[str, str], entries: Sequence[Mapping]) -> Figure:
    """Networks side by side: how many times as fast as the released code each way is, and what the products allow.

    Args:
        names: what each way is called.
        entries: comparisons of the bench, one for each row of the figure.
    """
    figure, ax = plt.subplots(figsize=(7.2, 0.55 * len(entries) + 1.7))
    for place, entry in enumerate(entries):
        at = limit(entry)
        ax.plot([at, at], [place - 0.3, place + 0.3], color=INK, linewidth=2.5, label=_once("limit", place))
        for way, mark in MARKS.items():
            row = entry["rows"].get(way, {})
            if "ratio" in row:
                label = _once(names[way], place)
                ax.plot(row["ratio"], place, mark, label=label, **_look(way))
    ax.axvline(1, color=LIGHT, linewidth=1.2, zorder=0)
    ax.set_yticks(range(len(entries)), [display_name(entry["network"]) for entry in entries])
    ax.set(xlim=(0, None), ylim=(len(entries) - 0.5, -0.5), xlabel="times as fast as the released code")
    ax.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _once(label: str, place: int) -> str:
    """A label for the legend, in the first row alone."""
    return label if place == 0 else "_"


def _look(way: str) -> dict:
    """Color and size of a way's mark: ours in the accent color, hollow without the kernel."""
    color = ACCENT if way in MINE else GREY
    return {
        "color": color,
        "markersize": 9,
        "markerfacecolor": "none" if way == "without_kernel" else color,
        "markeredgewidth": 1.8,
    }
