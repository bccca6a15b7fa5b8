"""The figures of chapter 06: the two heads, ceilings, overlap and errors against the threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from book.cells.localization import stored_curves
from book.figures.style import ACCENT, GREY, INK, LIGHT, network_color
from book.studies.localization import U
from drn_lib.names import display_name

GRIDS = {2: "#9ca3af", 7: "#4b5563", 8: "#f0b35c", 28: ACCENT}
"""Colors of the grids whose ceilings are drawn, by cells a side."""


def two_heads() -> Figure:
    """One trained network, two ways to its end: pooled and classified, or classified at every cell.

    Source: the paper's Fig. 2.
    """
    figure, ax = plt.subplots(figsize=(8.4, 3.0))
    _block(ax, 0.0, 1.0, 1.5, 1.5, "last map\n512 × 28 × 28", LIGHT)
    rows = (
        (1.95, ("mean", "512"), ("K", "classes"), "one answer"),
        (0.15, ("K", "classes × 28 × 28"), None, "one map per class"),
    )
    for y, first, second, answer in rows:
        ax.add_patch(_arrow((1.5, 1.75), (2.5, y + 0.7)))
        _block(ax, 2.5, y + 0.3, 0.8, 0.8, first[0], ACCENT if first[0] == "K" else "white")
        ax.add_patch(_arrow((3.3, y + 0.7), (4.0, y + 0.7)))
        if second is None:
            _block(ax, 4.0, y, 1.4, 1.4, first[1].replace(" × ", "\n× ", 1), LIGHT)
            ax.text(5.6, y + 0.7, answer, va="center", fontsize=10.5, color=INK)
            continue
        _block(ax, 4.0, y + 0.55, 0.6, 0.3, first[1], LIGHT)
        ax.add_patch(_arrow((4.6, y + 0.7), (5.1, y + 0.7)))
        _block(ax, 5.1, y + 0.3, 0.8, 0.8, second[0], ACCENT)
        ax.add_patch(_arrow((5.9, y + 0.7), (6.4, y + 0.7)))
        _block(ax, 6.4, y + 0.55, 0.95, 0.3, second[1], LIGHT)
        ax.text(7.5, y + 0.7, answer, va="center", fontsize=10.5, color=INK)
    ax.set_xlim(-0.1, 8.9)
    ax.set_ylim(0.0, 3.5)
    ax.set_aspect("equal")
    ax.axis("off")
    return figure


def ceilings(best: Mapping[int, Tensor]) -> Figure:
    """For how many objects some box on the grid overlaps by more than each level.

    Args:
        best: cells a side to the best overlap of every object (N,), of `localization_scores.ceiling`.
    """
    figure, ax = plt.subplots(figsize=(7.2, 3.0))
    levels = np.linspace(0, 1, 201)
    ax.axvline(0.5, color=LIGHT, linewidth=6, zorder=0)
    for cells, overlaps in best.items():
        objects = [(overlaps > level).double().mean().item() * 100 for level in levels]
        ax.plot(levels, objects, color=GRIDS.get(cells, INK), label=f"{cells} × {cells} cells")
    ax.set_xlabel("overlap with the true box (IoU)")
    ax.set_ylabel("objects, %")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 103)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def overlap_curves(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], label: str) -> Figure:
    """Overlap of one image's box against the threshold, a line for each network.

    Args:
        curves: {network: (thresholds, overlaps)}; a network's name gives color and label.
        label: of the horizontal axis.
    """
    figure, ax = plt.subplots(figsize=(7.2, 2.8))
    for name, (thresholds, overlaps) in curves.items():
        ax.step(thresholds, overlaps, where="mid", color=network_color(name), label=display_name(name))
    ax.axhline(0.5, color=LIGHT, linewidth=1, zorder=0)
    ax.set_xlabel(label)
    ax.set_ylabel("overlap with the true box")
    ax.set_ylim(0, 1)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def threshold_curves(study: str, networks: Sequence[str], settings: Mapping[str, str]) -> Figure:
    """GT-known error on the test split against the threshold, a panel for each setting, a thin line for each seed.

    A dot marks the threshold that the validation split chose. A panel without measurements says so.

    Args:
        study: a folder of `data/results`.
        networks: variants of the study.
        settings: {setting of `stored_curves`: title of its panel}.
    """
    figure, axes = plt.subplots(1, len(settings), figsize=(9, 3.3), sharey=True, squeeze=False)
    for ax, (setting, title) in zip(axes[0], settings.items(), strict=True):
        drawn = 0
        for network in networks:
            curves = stored_curves(study, network, setting)
            if curves is None:
                continue
            drawn += 1
            color = network_color(network)
            for seed, curve in enumerate(curves):
                label = display_name(network) if seed == 0 else None
                ax.plot(U.numpy(), curve[:, 2], color=color, linewidth=1.2, alpha=0.8, label=label)
                best = int(np.lexsort((-curve[:, 1], curve[:, 0]))[0])
                ax.plot(U[best].item(), curve[best, 2], "o", color=color, markersize=5)
        ax.set_title(title)
        ax.set_xlabel("threshold, deviations above the mean logit")
        ax.set_xlim(U[0].item(), U[-1].item())
        if not drawn:
            ax.text(0.5, 0.5, "not yet measured", color=GREY, ha="center", va="center", transform=ax.transAxes)
            ax.set_yticks([])
    axes[0, 0].set_ylabel("GT-known error at IoU 0.5, %")
    if axes[0, 0].get_legend_handles_labels()[0]:
        axes[0, 0].legend(fontsize=9)
    return figure


def _block(ax: Axes, x: float, y: float, width: float, height: float, text: str, face: str) -> None:
    ax.add_patch(Rectangle((x, y), width, height, facecolor=face, edgecolor=GREY, linewidth=1))
    color = "white" if face == ACCENT else INK
    ax.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=9.5, color=color)


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> FancyArrowPatch:
    return FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=GREY, shrinkA=2, shrinkB=2)
