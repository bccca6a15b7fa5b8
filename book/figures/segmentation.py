"""The figures of chapter 07: streets and their masks in Cityscapes' colors, ceilings, Table 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from book.figures.style import ACCENT, GREY, INK, LIGHT, network_color
from book.studies import paper, results
from drn_lib.datasets.contract import IGNORE
from drn_lib.datasets.street_scenes import CLASS_COLORS
from drn_lib.datasets.synthetic.world import CLASSES
from drn_lib.names import display_name
from drn_lib.segmentation.metrics import grid_ceiling

CELL_COLORS = {32: "#9ca3af", 16: "#6b7280", 8: ACCENT, 4: "#f0b35c"}
"""Colors of grids by pixels a cell."""


def painted(labels: Tensor) -> np.ndarray:
    """A mask (H, W) in the classes' colors, uint8 (H, W, 3); ignored pixels are white."""
    palette = np.full((IGNORE + 1, 3), 255, dtype=np.uint8)
    palette[: len(CLASS_COLORS)] = CLASS_COLORS
    return palette[labels.long().numpy()]


def class_colors(names: Sequence[str]) -> dict[str, np.ndarray]:
    """The color in which each of these classes is painted, as the key of a table of `panels`; (3,) in 0..1."""
    return {name: CLASS_COLORS[CLASSES.index(name)] / 255 for name in names}


def pole_on_cells(picture: Tensor, truth: Tensor, cells: Sequence[int], window: tuple[int, int, int, int]) -> Figure:
    """A piece of a street, its poles, and for each size of cells in pixels the best mask of whole cells.

    The picture is uint8 (3, H, W), the poles bool (H, W); the left and upper edge of the window (x0, y0, x1, y1) lie
    on the coarsest grid.
    """
    x0, y0, x1, y1 = window
    piece = truth[y0:y1, x0:x1].numpy()
    figure, axes = plt.subplots(1, len(cells) + 2, figsize=(9, 2.9))
    _show(axes[0], picture[:, y0:y1, x0:x1].permute(1, 2, 0).numpy(), "a piece of a street")
    _show(axes[1], _two_colors(piece, np.zeros_like(piece)), "its poles and wires")
    for ax, cell in zip(axes[2:], cells, strict=True):
        iou, mask = grid_ceiling(piece[None], cell)
        _show(ax, _two_colors(piece, mask[0]), f"cells of {cell} px: IoU {iou:.0f} %")
        for edge in range(0, max(piece.shape) + 1, cell):
            ax.axhline(edge - 0.5, color=LIGHT, linewidth=0.6)
            ax.axvline(edge - 0.5, color=LIGHT, linewidth=0.6)
        ax.set(xlim=(-0.5, piece.shape[1] - 0.5), ylim=(piece.shape[0] - 0.5, -0.5))
    return figure


def ceilings(best: Mapping[str, Mapping[int, float]]) -> Figure:
    """For each class the best IoU of whole cells, a bar for each size of cells: {class: {pixels a cell: percent}}."""
    figure, ax = plt.subplots(figsize=(7.6, 3.2))
    sizes = list(next(iter(best.values())))
    wide = 0.8 / len(sizes)
    for place, cell in enumerate(sizes):
        at = np.arange(len(best)) + (place - (len(sizes) - 1) / 2) * wide
        ax.bar(at, [ious[cell] for ious in best.values()], wide, color=CELL_COLORS[cell], label=f"cells of {cell} px")
    ax.set_xticks(range(len(best)), best, fontsize=9.5)
    ax.set(ylabel="best IoU of whole cells, %", ylim=(0, 100))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def band(picture: Tensor, truth: Tensor, near: Tensor, wrong: Tensor) -> Figure:
    """A street, the band around its boundaries, and the wrong pixels, dark inside the band and accented outside.

    The picture is uint8 (3, H, W), the truth (H, W); `near`, the band, and `wrong` are bool (H, W).
    """
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.3))
    _show(axes[0], picture.permute(1, 2, 0).numpy(), "street")
    _show(axes[1], painted(torch.where(near, truth, IGNORE)), "truth near boundaries")
    _show(axes[2], _two_colors((wrong & near).numpy(), (wrong & ~near).numpy()), "wrong: near, and elsewhere")
    return figure


def table3_by_class() -> Figure:
    """The paper's Table 3, class by class: DRN-C-26 minus DRN-A-50, sorted; where DRN-C-26 loses, in accent."""
    rows = paper.paper_table("table3_cityscapes")
    left, right = (
        np.array([float(rows[name][key.replace(" ", "_")]) for key in CLASSES]) for name in ("DRN-C-26", "DRN-A-50")
    )
    order = np.argsort(left - right, kind="stable")
    figure, ax = plt.subplots(figsize=(7.2, 4.2))
    colors = [ACCENT if value < 0 else GREY for value in (left - right)[order]]
    ax.barh([CLASSES[index] for index in order], (left - right)[order], color=colors, height=0.7)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_xlabel("IoU of DRN-C-26 minus that of DRN-A-50, points")
    ax.tick_params(axis="y", labelsize=9.5)
    return figure


def curves(study: str, names: Sequence[str]) -> Figure:
    """Training loss of each network of a study, and its mean IoU on the watched scenes; seed 0."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.9))
    for name in names:
        for run in results.runs(study, name)[:1]:
            style = {"color": network_color(name), "label": display_name(name)}
            style["linestyle"] = "--" if name.endswith("_dilated") else "-"
            for ax, key, marker in ((left, "train_loss", None), (right, "val_miou_present", "o")):
                seen = [row for row in run.curve if key in row]
                ax.plot([row["epoch"] for row in seen], [row[key] for row in seen], marker=marker, **style)
    for ax, title in ((left, "training loss"), (right, "mean IoU on tune scenes, %")):
        ax.set(xlabel="epoch", ylabel=title, ylim=(0, None))
    if right.get_legend_handles_labels()[0]:
        right.legend(fontsize=9)
    return figure


def _show(ax: Axes, pixels: np.ndarray, title: str) -> None:
    ax.imshow(pixels, interpolation="nearest")
    ax.set_title(title, fontsize=10)
    ax.axis("off")


def _two_colors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`first` dark, else `second` in a light accent color, on white; (H, W, 3) in 0..1."""
    picture = np.ones((*first.shape, 3))
    picture[second] = 0.45 * np.array(to_rgb(ACCENT)) + 0.55
    picture[first] = to_rgb(INK)
    return picture
