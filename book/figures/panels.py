"""A table of pictures and maps side by side, with boxes, points and notes on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from book.figures.style import ACCENT, INK


@dataclass
class Panel:
    """A picture or a map with what belongs on it.

    values  a picture uint8 (3, H, W) or (H, W, 3), or a map (h, w), which is drawn in its own range of greys
    size    (height, width) in pixels of the picture that a map belongs to, so that boxes lie right on it
    pred    predicted boxes (x0, y0, x1, y1) in pixel edges, drawn in the accent color; one with NaN is left out
    gt      ground-truth boxes, drawn as thin white lines
    point   (x, y) in pixels, drawn as a cross
    note    stands below
    """

    values: Tensor | np.ndarray
    size: tuple[int, int] | None = None
    pred: Sequence = ()
    gt: Sequence = ()
    point: Sequence[float] | None = None
    note: str = ""

    def pixels(self) -> np.ndarray:
        """The values as matplotlib takes them: (H, W, 3) or (h, w)."""
        values = torch.as_tensor(self.values)
        if values.ndim == 3 and values.shape[0] == 3 and values.shape[2] != 3:
            values = values.permute(1, 2, 0)
        return values.numpy()


def panels(
    rows: Sequence[Sequence[Panel | Tensor | np.ndarray | None]],
    columns: Sequence[str],
    labels: Sequence[str] = (),
    *,
    width: float = 9.0,
    key: Mapping[str, Any] | None = None,
    note_height: float = 0.24,
    label_gap: float = 0.08,
    label_size: float = 10,
) -> Figure:
    """A table of panels, each as high for its width as the first.

    Args:
        rows: each as long as `columns`; values without a `Panel` have nothing on them, None leaves a place empty.
        columns: titles of the columns.
        labels: names of the rows, or none.
        width: of the figure in inches, 80 pixels each.
        key: {name: color} explained below the table.
        note_height: inches below each row where a panel has a note.
        label_gap: from a label to its row, as a fraction of a panel's width.
        label_size: points.

    Raises:
        ValueError: a row is not as long as `columns`.
    """
    table = [[Panel(item) if isinstance(item, (Tensor, np.ndarray)) else item for item in row] for row in rows]
    shown = [panel for row in table for panel in row if panel is not None]
    height, wide = shown[0].pixels().shape[:2]
    side = (width - (0.9 if labels else 0)) / len(columns) * height / wide
    below = note_height if any(panel.note for panel in shown) else 0.0
    size = (width, (side + below) * len(table) + 0.35 + 0.3 * -(-len(key or ()) // 6))
    figure, axes = plt.subplots(len(table), len(columns), figsize=size, squeeze=False)
    for index, (line, row) in enumerate(zip(axes, table, strict=True)):
        for ax, panel, title in zip(line, row, columns, strict=True):
            ax.axis("off")
            ax.set_title(title if index == 0 else "", fontsize=10)
            if panel is not None:
                _draw(ax, panel)
        if labels:
            style = {"ha": "right", "va": "center", "transform": line[0].transAxes, "fontsize": label_size}
            line[0].text(-label_gap, 0.5, labels[index], **style)
    if key:
        patches = [Patch(facecolor=color, label=name) for name, color in key.items()]
        figure.legend(handles=patches, loc="outside lower center", ncols=min(6, len(key)), fontsize=9, handlelength=1)
    return figure


def _draw(ax: Axes, panel: Panel) -> None:
    pixels = panel.pixels()
    height, width = panel.size or pixels.shape[:2]
    greys = {} if pixels.ndim == 3 else {"cmap": "gray"}
    ax.imshow(pixels, extent=(0, width, height, 0), interpolation="nearest", **greys)
    # A white seam keeps a box visible on every background.
    for boxes, color, line in ((panel.gt, "white", 1.2), (panel.pred, "white", 5.0), (panel.pred, ACCENT, 2.5)):
        for x0, y0, x1, y1 in (map(float, box) for box in boxes):
            if x0 == x0:  # no box where there is NaN
                style = {"fill": False, "edgecolor": color, "linewidth": line, "clip_on": False}
                ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, **style))
    if panel.point is not None:
        ax.plot(*map(float, panel.point), "x", color=ACCENT, markersize=9, markeredgewidth=2.5)
    if panel.note:
        ax.text(0.5, -0.03, panel.note, ha="center", va="top", fontsize=9, color=INK, transform=ax.transAxes)
    ax.set(xlim=(0, width), ylim=(height, 0))
