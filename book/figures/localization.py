"""The figures of chapter 06: the two heads, ceilings, overlap against the threshold, and who points better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from book.figures.style import ACCENT, GREY, INK, LIGHT, network_color
from drn_lib.names import display_name

GRIDS = {2: "#9ca3af", 7: "#4b5563", 8: "#f0b35c", 28: ACCENT}
"""Colors of the grids whose ceilings are drawn, by cells a side."""


def two_heads() -> Figure:
    """One trained network, two ways to its end: pooled and classified, or classified at every cell.

    Source: the paper's Fig. 2.
    """
    figure, ax = plt.subplots(figsize=(8.4, 3.0))
    _block(ax, 0.0, 1.75, (1.5, 1.5), "last map\n512 × 28 × 28", LIGHT)
    step = (0.8, 0.8)
    blocks = {  # by the height of their row's middle: left edge, size, text and color of each
        2.65: [
            (2.5, step, "mean", "white"),
            (4.0, (0.6, 0.3), "512", LIGHT),
            (5.1, step, "K", ACCENT),
            (6.4, (0.95, 0.3), "classes", LIGHT),
        ],
        0.85: [(2.5, step, "K", ACCENT), (4.0, (1.4, 1.4), "classes\n× 28 × 28", LIGHT)],
    }
    for y, row in blocks.items():
        start = (1.5, 1.75)
        for x, size, text, face in row:
            arrow = {"arrowstyle": "-|>", "mutation_scale": 11, "color": GREY, "shrinkA": 2, "shrinkB": 2}
            ax.add_patch(FancyArrowPatch(start, (x, y), **arrow))
            _block(ax, x, y, size, text, face)
            start = (x + size[0], y)
    ax.text(7.5, 2.65, "one answer", va="center", fontsize=10.5, color=INK)
    ax.text(5.6, 0.85, "one map per class", va="center", fontsize=10.5, color=INK)
    ax.set(xlim=(-0.1, 8.9), ylim=(0.0, 3.5), aspect="equal")
    ax.axis("off")
    return figure


def ceilings(best: Mapping[int, Tensor]) -> Figure:
    """For how many objects some box on the grid overlaps by more than each level.

    Args:
        best: {cells a side: best overlap of every object (N,), of `drn_lib.localization.scores.ceiling`}.
    """
    figure, ax = plt.subplots(figsize=(7.2, 3.0))
    levels = np.linspace(0, 1, 201)
    ax.axvline(0.5, color=LIGHT, linewidth=6, zorder=0)
    for cells, overlaps in best.items():
        objects = [(overlaps > level).double().mean().item() * 100 for level in levels]
        ax.plot(levels, objects, color=GRIDS.get(cells, INK), label=f"{cells} × {cells} cells")
    ax.set(xlabel="overlap with the true box (IoU)", ylabel="objects, %", xlim=(0, 1), ylim=(0, 103))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def overlap_curves(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], label: str) -> Figure:
    """Overlap of one image's box against the threshold, a line for each network: {name: (thresholds, overlaps)}."""
    figure, ax = plt.subplots(figsize=(7.2, 2.8))
    for name, (thresholds, overlaps) in curves.items():
        ax.step(thresholds, overlaps, where="mid", color=network_color(name), label=display_name(name))
    ax.axhline(0.5, color=LIGHT, linewidth=1, zorder=0)
    ax.set(xlabel=label, ylabel="overlap with the true box", ylim=(0, 1))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def pointing_waterfall(steps: Sequence[tuple[str, float]], beside: Sequence[tuple[str, float]]) -> Figure:
    """Pointing error from the first of `steps` to the last, what each of them takes away, and others beside them.

    Args:
        steps: (name, error in percent), falling. The first and the last are networks and stand as bars; between them
            hangs what each step takes away.
        beside: (name, error in percent) of what is not on the way.
    """
    figure, ax = plt.subplots(figsize=(6.6, 3.6))
    names, errors = zip(*steps, strict=True)
    bars = [(names[0], 0.0, errors[0], GREY)]
    bars += [(name, low, high, "#0f766e") for name, low, high in zip(names[1:-1], errors[1:], errors)]
    bars.append((names[-1], 0.0, errors[-1], network_color("drn_a")))
    bars += [(name, 0.0, error, LIGHT) for name, error in beside]
    for x, (_, low, high, color) in enumerate(bars):
        ax.bar(x, high - low, 0.72, low, color=color)
        text = f"{high:.0f}" if low == 0 else f"−{high - low:.1f}"
        ax.text(x, high + 1, text, ha="center", fontsize=10.5)
    for x, error in enumerate(errors[:-1]):
        ax.plot([x + 0.36, x + 0.64], [error] * 2, color=GREY, linewidth=0.8)
    ax.axvline(len(steps) - 0.5, color=LIGHT, linewidth=1)
    ax.set_xticks(range(len(bars)), [bar[0] for bar in bars], fontsize=8.5)
    ax.set(ylabel="objects missed, of 100", ylim=(0, 90))
    ax.tick_params(axis="x", length=0, labelcolor=INK)
    return figure


def _block(ax: Axes, left: float, middle: float, size: tuple[float, float], text: str, face: str) -> None:
    ax.add_patch(Rectangle((left, middle - size[1] / 2), *size, facecolor=face, edgecolor=GREY, linewidth=1))
    color = "white" if face == ACCENT else INK
    ax.text(left + size[0] / 2, middle, text, ha="center", va="center", fontsize=9.5, color=color)
