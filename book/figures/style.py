"""The look of the book's figures: one accent color and greys, one color per network, maps unsmoothed."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

ACCENT = "#c2410c"
INK = "#737b88"  # of words and frames: as far from a white page as from a dark one
GREY = "#6b7280"
LIGHT = "#d1d5db"

FAMILY_COLORS = {
    "resnet": "#6b7280",
    "drn_a": "#d97706",
    "drn_b": "#0f766e",
    "drn_c": "#1d4ed8",
    "drn_d": "#9333ea",
    # The ablations between A and C: A's and C's colors, lighter.
    "ladder_a": "#f0b35c",
    "ladder_front": "#93b4f5",
    "ladder_c": "#6d94ee",
}
"""The same color for a network family everywhere in the book (distinct for color-blind readers too)."""

_HUES = ("#c2410c", "#1d4ed8", "#0f766e", "#a16207")


def use_style() -> None:
    """Set matplotlib to the book's look; called once a chapter. Without a background, for light and dark pages."""
    plt.rc("figure", dpi=80, facecolor="none")
    plt.rc("figure.constrained_layout", use=True)
    plt.rc("savefig", dpi=80)
    plt.rc("axes", facecolor="none", edgecolor=GREY, labelcolor=INK, titlesize=11)
    plt.rc("axes.spines", top=False, right=False)
    plt.rc(("xtick", "ytick"), color=GREY)
    plt.rc("font", size=11)
    plt.rc("text", color=INK)
    plt.rc("lines", linewidth=2.0)
    plt.rc("image", interpolation="nearest")
    plt.rc("legend", frameon=False)


def network_color(name: str) -> str:
    """The color of a network by its name ("drn_c_26") or family ("drn_c")."""
    for family, color in FAMILY_COLORS.items():
        if name.startswith(family):
            return color
    raise ValueError(f"{name!r} belongs to no family of the book: {', '.join(FAMILY_COLORS)}")


def sublattice_colors(dilation: int) -> list[str]:
    """A color for each of the dilation ** 2 sub-lattices, row by row: a hue per row, a tint per column."""
    colors = []
    for row, column in np.ndindex(dilation, dilation):
        hue = np.array(to_rgb(_HUES[row % 4]))
        colors.append(to_hex(hue + (1 - hue) * 0.75 * column / max(1, dilation - 1)))
    return colors


def show_map(ax: Axes, values: np.ndarray, title: str = "", cmap: str = "gray", **limits) -> None:
    """Draw one map (H, W) or picture (H, W, 3) with its own pixels visible and no axes."""
    ax.imshow(np.asarray(values), cmap=cmap, interpolation="nearest", **limits)
    ax.set_title(title)
    ax.set_axis_off()


def show_row(maps: Sequence[np.ndarray], titles: Sequence[str], height: float = 2.3) -> Figure:
    """A row of maps or pictures with a title each; every map has its own range of greys."""
    figure, axes = plt.subplots(1, len(maps), figsize=(height * len(maps), height + 0.3), squeeze=False)
    for ax, values, title in zip(axes[0], maps, titles, strict=True):
        show_map(ax, values, title)
    return figure
