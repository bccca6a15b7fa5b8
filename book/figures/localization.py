"""The figures of chapter 06: pictures and maps with boxes, the two heads, ceilings, errors against the threshold.

Boxes are computed in `localization`, errors in `localization_runs`; here they are drawn, and the curves that a study
stored are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from book.figures.style import ACCENT, GREY, INK, LIGHT, network_color
from book.studies import files, results
from book.studies.localization import U
from drn_lib.names import display_name

GRIDS = {2: "#9ca3af", 7: "#4b5563", 8: "#f0b35c", 28: ACCENT}
"""Colors of the grids whose ceilings are drawn, by cells a side."""


@dataclass
class Panel:
    """A picture or a map with what was found in it.

    values  a picture uint8 (3, H, W) or (H, W, 3), or a map (h, w)
    size    (height, width) in pixels of the picture that a map belongs to, so that boxes lie right on it
    found   boxes (x0, y0, x1, y1) in pixel edges, drawn in `color`; one with NaN is left out
    true    boxes drawn as thin white lines
    point   (x, y) in pixels, drawn as a cross
    """

    values: Tensor | np.ndarray
    size: tuple[int, int] | None = None
    found: Sequence = ()
    true: Sequence = ()
    point: Sequence[float] | None = None
    color: str = ACCENT
    note: str = ""


def panels(
    rows: Sequence[Sequence[Panel | None]], columns: Sequence[str], labels: Sequence[str] = (), width: float = 9.0
) -> Figure:
    """A table of panels; None leaves a place empty. A panel's `note` stands below it.

    Args:
        rows: each as long as `columns`.
        columns: titles of the columns.
        labels: names of the rows, or none.
        width: of the figure in inches, 80 pixels each.
    """
    side = (width - (0.9 if labels else 0)) / len(columns)
    below = 0.22 if any(panel is not None and panel.note for row in rows for panel in row) else 0.0
    height = (side + below) * len(rows) + 0.35
    figure, axes = plt.subplots(len(rows), len(columns), figsize=(width, height), squeeze=False)
    for index, (line, row) in enumerate(zip(axes, rows, strict=True)):
        for ax, panel, title in zip(line, row, columns, strict=True):
            ax.axis("off")
            ax.set_title(title if index == 0 else "", fontsize=10)
            if panel is not None:
                _draw(ax, panel)
        if labels:
            line[0].text(-0.08, 0.5, labels[index], ha="right", va="center", transform=line[0].transAxes, fontsize=10)
    return figure


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
        shares = [(overlaps > level).double().mean().item() * 100 for level in levels]
        ax.plot(levels, shares, color=GRIDS.get(cells, INK), label=f"{cells} × {cells} cells")
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


def stored_curves(study: str, network: str, setting: str) -> np.ndarray | None:
    """The curves against the threshold that the runs of a network stored: (seeds, 41, 4).

    Args:
        study: a folder of `data/results`.
        network: a variant of the study.
        setting: the start of a name of `book.studies.localization.measure`, such as "localization.native" or "clutter".

    Returns:
        Along the last axis GT-known error at IoU 0.5 in percent and mean IoU on the tune part, then on the test part;
        None where no run stored any.
    """
    found = []
    for run in results.runs(study, network):
        path = files.results_dir() / study / f"{run.name}.npz"
        if path.is_file():
            with np.load(path) as stored:
                if f"{setting}.curve" in stored:
                    found.append(stored[f"{setting}.curve"])
    return np.stack(found) if found else None


def threshold_curves(study: str, networks: Sequence[str], settings: Mapping[str, str]) -> Figure:
    """GT-known error on the test part against the threshold, a panel for each setting, a thin line for each seed.

    A dot marks the threshold that the tune part chose. What was not measured yet is said.

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


def _draw(ax: Axes, panel: Panel) -> None:
    values = torch.as_tensor(panel.values)
    if values.ndim == 3 and values.shape[0] == 3 and values.shape[2] != 3:
        values = values.permute(1, 2, 0)  # (H, W, 3)
    height, width = panel.size or tuple(values.shape[:2])
    greys = {} if values.ndim == 3 else {"cmap": "gray"}
    ax.imshow(values.numpy(), extent=(0, width, height, 0), interpolation="nearest", **greys)
    # A white seam keeps a box visible on every ground.
    lines = ((panel.true, "white", 1.2), (panel.found, "white", 5.0), (panel.found, panel.color, 2.5))
    for boxes, color, line in lines:
        for box in boxes:
            x0, y0, x1, y1 = (float(edge) for edge in box)
            if x0 == x0:  # no box where there is NaN
                place = {"fill": False, "edgecolor": color, "linewidth": line, "clip_on": False}
                ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, **place))
    if panel.point is not None:
        ax.plot(*map(float, panel.point), "x", color=panel.color, markersize=9, markeredgewidth=2.5)
    if panel.note:
        ax.text(0.5, -0.03, panel.note, ha="center", va="top", fontsize=9, color=INK, transform=ax.transAxes)
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)


def _block(ax: Axes, x: float, y: float, width: float, height: float, text: str, face: str) -> None:
    ax.add_patch(Rectangle((x, y), width, height, facecolor=face, edgecolor=GREY, linewidth=1))
    color = "white" if face == ACCENT else INK
    ax.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=9.5, color=color)


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> FancyArrowPatch:
    return FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=GREY, shrinkA=2, shrinkB=2)
