"""The figures of chapter 09: which cells a stack of layers reads, and what pooling makes of a step to the side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from book.figures.style import ACCENT, GREY, INK, LIGHT


def cells_read(rows: Mapping[str, Iterable[int]]) -> Figure:
    """Rows of cells, one for each stack of layers {label: offsets from the output cell}.

    A cell that the output reads is filled, one that its right neighbor reads has a bar below it; the output is ringed.
    """
    read = {label: set(offsets) for label, offsets in rows.items()}
    far = max(max(map(abs, cells)) for cells in read.values()) + 1
    figure, ax = plt.subplots(figsize=(9, 0.62 * len(read) + 0.3))
    for place, cells in enumerate(read.values()):
        for cell in range(-far, far + 1):
            face = ACCENT if cell in cells else "none"
            box = {"facecolor": face, "edgecolor": LIGHT, "linewidth": 0.8}
            ax.add_patch(Rectangle((cell - 0.44, place - 0.3), 0.88, 0.5, **box))
            if cell - 1 in cells:
                ax.plot([cell - 0.4, cell + 0.4], [place + 0.31] * 2, color=GREY, linewidth=3, solid_capstyle="butt")
        ax.plot(0, place - 0.05, "o", markersize=6, color="none", markeredgecolor=INK, markeredgewidth=1.5)
    ax.set(xlim=(-far - 0.6, far + 0.6), ylim=(len(read) - 0.4, -0.5), xticks=[])
    ax.set_yticks(range(len(read)), list(read), color=INK)
    ax.tick_params(axis="y", length=0)
    ax.spines[:].set_visible(False)
    return figure
