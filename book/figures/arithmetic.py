"""The figures of chapters 01 and 02 that are no diagrams of whole networks; all numbers come from `geometry`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, product
from operator import mul

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from book.figures.style import ACCENT, GREY, INK, network_color, show_map
from drn_lib import geometry
from drn_lib.geometry import Place
from drn_lib.geometry.axis import Layer
from drn_lib.names import display_name


def same_view(image: np.ndarray, places: Mapping[str, Place], pixel: int) -> Figure:
    """An image (H, H, 3) under the cells of networks, with the receptive field of the cell that is centred on `pixel`.

    `places` are the networks' last maps, as `geometry.table(name, H).levels[6]`, by name; every jump divides H and
    `pixel`, which is a row and a column.
    """
    side = image.shape[0]
    figure, axes = plt.subplots(1, len(places), figsize=(4.4 * len(places), 4.6), squeeze=False)
    for ax, (name, place) in zip(axes[0], places.items()):
        jump, cell = place.jump, pixel // place.jump
        ax.imshow(image, extent=(0, side, side, 0))
        for edge in range(jump, side, jump):
            low, _ = geometry.cell_edges(edge // jump, jump, side)
            ax.plot([low, low], [0, side], color="white", linewidth=0.3 + jump / 60)
            ax.plot([0, side], [low, low], color="white", linewidth=0.3 + jump / 60)
        low, high = geometry.cell_edges(cell, jump, side)
        ax.add_patch(Rectangle((low, low), high - low, high - low, facecolor=ACCENT, edgecolor="white"))
        left, top, right, bottom = place.field_box(cell, cell)
        ax.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=ACCENT, linewidth=2))
        cells = f"{place.size[0]}×{place.size[1]} cells"
        ax.set(xlim=(left - 12, right + 12), ylim=(bottom + 12, top - 12))
        ax.set_title(f"{display_name(name)}: {cells}, each sees {right - left} px")
        ax.set_axis_off()
    return figure


def kernel_taps(dilations: Sequence[int]) -> Figure:
    """The taps of a 3x3 kernel at several dilations, on the cells that it spans."""
    widest = geometry.dilated_extent(3, max(dilations))
    figure, axes = plt.subplots(1, len(dilations), figsize=(2.9 * len(dilations), 3.1), squeeze=False)
    for ax, dilation in zip(axes[0], dilations):
        extent = geometry.dilated_extent(3, dilation)
        first = (widest - extent) // 2
        taps = range(first, first + extent, dilation)
        for row, column in np.ndindex(widest, widest):
            color = ACCENT if row in taps and column in taps else (GREY, 0.15)
            ax.add_patch(Rectangle((column, row), 0.9, 0.9, facecolor=color))
        ax.add_patch(Rectangle((first - 0.1, first - 0.1), extent + 0.1, extent + 0.1, fill=False, edgecolor=INK))
        ax.set(xlim=(-0.2, widest + 0.1), ylim=(widest + 0.1, -0.2), aspect="equal")
        ax.set_title(f"d = {dilation}: extent {extent}")
        ax.set_axis_off()
    return figure


def chains(columns: Mapping[str, Sequence[Layer]], size: int, pixel: int) -> Figure:
    """Chains of 1-D layers side by side, and every tap by which input cells reach the cell above `pixel`.

    Cells that all chains compute are filled; those that only a denser chain has are open. `columns` are the layers of
    each chain by its title, `size` counts the input cells, every chain's jump divides `pixel`.
    """
    coarsest = [max(row) for row in zip(*(_jumps(layers) for layers in columns.values()))]
    figure, axes = plt.subplots(1, len(columns), figsize=(4.5 * len(columns), 3.2), squeeze=False)
    for ax, (title, layers) in zip(axes[0], columns.items()):
        _draw_chain(ax, layers, size, pixel, coarsest)
        ax.set(title=title, xlim=(-0.8, size - 0.2), ylim=(-0.5, len(layers) + 0.5))
        ax.set_axis_off()
    return figure


def stride_steps(columns: Mapping[str, Sequence[Layer]], size: int, pixel: int) -> Figure:
    """Versions of one chain of 1-D layers, two a row, as in `chains`: the first is the one whose cells are filled.

    `columns` are the layers of each version by its title; a layer's name is written beside its row.
    """
    coarsest = _jumps(next(iter(columns.values())))
    figure, axes = plt.subplots(-(-len(columns) // 2), 2, figsize=(9, 2.6 * -(-len(columns) // 2)))
    for index, (ax, (title, layers)) in enumerate(zip(axes.flat, columns.items(), strict=True)):
        _draw_chain(ax, layers, size, pixel, coarsest, dot=4.5)
        for depth, name in enumerate(["input", *(layer.name for layer in layers)] if index % 2 == 0 else []):
            ax.text(-1.5, depth, name, ha="right", va="center", fontsize=9)
        ax.set(title=title, xlim=(-1, size), ylim=(-0.4, len(layers) + 0.4))
        ax.set_axis_off()
    return figure


def _jumps(layers: Sequence[Layer]) -> list[int]:
    return list(accumulate((layer.stride for layer in layers), mul, initial=1))


def _draw_chain(ax: Axes, layers: Sequence[Layer], size: int, pixel: int, coarsest: Sequence[int], dot=9.0) -> None:
    jumps, sizes = _jumps(layers), [size]
    for layer in layers:
        sizes.append(geometry.output_size(sizes[-1], layer.kernel, layer.stride, layer.padding, layer.dilation))
    on_path = [*(set() for _ in layers), {pixel // jumps[-1]}]  # the cells on a path, by depth
    for depth, layer in reversed(list(enumerate(layers))):
        for cell, tap in product(on_path[depth + 1], range(layer.kernel)):
            source = cell * layer.stride - layer.padding + layer.dilation * tap
            if 0 <= source < sizes[depth]:
                on_path[depth].add(source)
                ends = [cell * jumps[depth + 1], source * jumps[depth]]
                ax.plot(ends, [depth + 0.87, depth + 0.13], color=ACCENT, linewidth=dot / 7.5, zorder=1)
    for depth, cells in enumerate(sizes):
        for cell in range(cells):
            style = "none" if cell * jumps[depth] % coarsest[depth] else "full"
            color = ACCENT if cell in on_path[depth] else GREY
            ax.plot(cell * jumps[depth], depth, "o", markersize=dot, color=color, fillstyle=style, zorder=2)


def reach_bars(rows: Mapping[str, Sequence[Layer]]) -> Figure:
    """By how many paths each input position reaches one cell, for several chains; those without a path are holes."""
    figure, axes = plt.subplots(len(rows), 1, figsize=(9, 1.45 * len(rows)), squeeze=False, sharex=True, sharey=True)
    for ax, (title, layers) in zip(axes[:, 0], rows.items()):
        paths = geometry.reach(layers, 0)
        bars = ax.bar(list(paths), list(paths.values()), width=0.85, color=ACCENT)
        ax.bar_label(bars, fontsize=9)
        for hole in sorted(set(range(min(paths), max(paths) + 1)) - set(paths)):
            ax.plot(hole, 0, "o", markersize=4, color=GREY, fillstyle="none", clip_on=False)
        ax.set_title(title, loc="left")
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    axes[-1, 0].set_xlabel("input position, relative to the cell")
    return figure


def fields(maps: Mapping[str, np.ndarray], sides: Mapping[str, int]) -> Figure:
    """Where influence really is: gradient magnitudes (H, W) by network, the cell in the middle, each in its own range.

    A square shows the theoretical receptive field, whose `sides` are in pixels; a dashed one has half its side.
    """
    figure, axes = plt.subplots(1, len(maps), figsize=(2.95 * len(maps), 3.2), squeeze=False)
    for ax, (name, values) in zip(axes[0], maps.items()):
        # The square root lets the faint surroundings of a sharp peak be seen.
        color = np.broadcast_to(to_rgb(network_color(name)), (*values.shape, 3))
        show_map(ax, np.dstack([color, np.sqrt(values / values.max())]), display_name(name))
        for side, line in ((sides[name], "solid"), (sides[name] / 2, (0, (3, 2)))):
            corner, style = [values.shape[0] // 2 - side / 2] * 2, {"edgecolor": network_color(name), "linestyle": line}
            ax.add_patch(Rectangle(corner, side, side, fill=False, linewidth=2, **style))
    return figure


def kept_positions(coarse: np.ndarray, dense: np.ndarray, titles: Sequence[str]) -> Figure:
    """A coarse map (h, w), the dense one of its dilated twin (s h, s w), and only the kept positions of that one.

    The kept positions dense[::s, ::s] stand where coarse stands; they are framed.
    """
    step = dense.shape[0] // coarse.shape[0]
    limits = {"vmin": min(coarse.min(), dense.min()), "vmax": max(coarse.max(), dense.max())}
    figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.3))
    for ax, values, title in zip(axes, (coarse, dense, dense[::step, ::step]), titles, strict=True):
        show_map(ax, values, title, **limits)
    for row, column in product(*(range(0, side, step) for side in dense.shape)):
        axes[1].add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=ACCENT, linewidth=1.3))
    return figure


def cost_bars(rows: Mapping[str, Mapping[int, float]]) -> Figure:
    """Multiply-adds of each level, several networks side by side: {network: {level: units of 10^9}}."""
    levels = sorted({level for row in rows.values() for level in row})
    figure, ax = plt.subplots(figsize=(7, 3.0))
    width = 0.8 / len(rows)
    for index, (name, row) in enumerate(rows.items()):
        places = [level + (index - (len(rows) - 1) / 2) * width for level in levels]
        heights = [row.get(level, 0.0) for level in levels]
        ax.bar(places, heights, width=0.92 * width, color=network_color(name), label=display_name(name))
    ax.set(xticks=levels, xlabel="level", ylabel="10⁹ multiply-adds")
    ax.legend()
    return figure
