"""The figures of chapters 03 and 04 that show a grid: maps sorted by sub-lattice, spectra, waves, grid contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from book.cells.gridding import power_spectrum
from book.figures.style import ACCENT, GREY, INK, LIGHT, network_color, show_map
from book.studies.intervals import Interval
from drn_lib.gridding import split_sublattices


def with_ruler(photograph: np.ndarray, values: Tensor, title: str, every: int = 4) -> Figure:
    """A picture (H, W, 3), and beside it one map (h, w), large enough to count its columns on the ruler below it."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 5.4), width_ratios=(1, 1.65))
    show_map(axes[0], photograph, "photograph")
    axes[1].imshow(np.asarray(values), cmap="gray", interpolation="nearest")
    axes[1].set_title(title)
    side = values.shape[-1]
    axes[1].set(xticks=range(0, side, every), yticks=[], xlabel="column")
    axes[1].set_xticks(range(side), minor=True)
    for spine in axes[1].spines.values():
        spine.set_visible(False)
    return figure


def sorted_maps(maps: Mapping[str, Tensor], dilation: int = 4) -> Figure:
    """A row for each map {label: (h, w)}: as it is, and sorted into its dilation ** 2 sub-lattices, side by side."""
    figure = plt.figure(figsize=(9, 3.6 * len(maps)))
    rows = figure.subfigures(len(maps), 1, squeeze=False)[:, 0]
    for row, (label, values) in zip(rows, maps.items(), strict=True):
        left, right = row.subfigures(1, 2, width_ratios=(1, 1.12))
        side = values.shape[-1]
        show_map(left.subplots(), values, f"{label}: one map, {side} x {side}")
        small = side // dilation
        right.suptitle(f"the same cells: {dilation**2} maps, {small} x {small}", fontsize=11)
        axes = right.subplots(dilation, dilation)
        limits = {"vmin": float(values.min()), "vmax": float(values.max())}
        for ax, part in zip(axes.flat, split_sublattices(values, dilation), strict=True):
            show_map(ax, part, **limits)
    return figure


def lattice_points(maps: Mapping[str, Tensor], period: int = 4) -> Figure:
    """Two-dimensional power spectra of maps {label: (..., h, h)} on a logarithmic scale, slow waves in the middle.

    Rings mark the frequencies of a lattice of `period`: all multiples of 1 / period along both axes but (0, 0).
    """
    figure, axes = plt.subplots(1, len(maps), figsize=(9, 9 / len(maps) + 0.4), squeeze=False)
    multiples = np.arange(-(period // 2) + 1, period // 2 + 1) / period
    for ax, (label, values) in zip(axes[0], maps.items(), strict=True):
        power = power_spectrum(values)
        side = power.shape[-1]
        edges = (-0.5 - 0.5 / side, 0.5 - 0.5 / side)
        logs = power.clamp(min=1e-12).log10()
        low, high = logs.quantile(0.02).item(), logs.quantile(0.995).item()
        ax.imshow(logs, cmap="gray", extent=(*edges, *edges[::-1]), interpolation="nearest", vmin=low, vmax=high)
        for nu in multiples:
            for mu in multiples:
                if nu or mu:  # the fastest wave, 1/2, is drawn at -1/2: the two are one
                    at = [-0.5 if value == 0.5 else value for value in (nu, mu)]
                    ax.plot(*at, "o", markersize=12, color="none", markeredgecolor=ACCENT, markeredgewidth=1.8)
        ax.set(title=label, xticks=[-0.5, -0.25, 0, 0.25], yticks=[-0.5, -0.25, 0, 0.25])
        ax.set_xlim(edges[0] - 0.03, edges[1])
        ax.set_ylim(edges[1], edges[0] - 0.03)
        ax.set_xlabel("across, cycles per cell")
    axes[0, 0].set_ylabel("down, cycles per cell")
    return figure


def sampled_waves(waves: Mapping[str, Tensor], every: int) -> Figure:
    """Waves {label: (cells,)} as bars, one under the other; the cells that one sub-lattice holds stand out."""
    figure, axes = plt.subplots(len(waves), 1, figsize=(9, 1.35 * len(waves) + 0.3), sharex=True, squeeze=False)
    for ax, (label, values) in zip(axes[:, 0], waves.items(), strict=True):
        cells = np.arange(len(values))
        own = cells % every == 0
        fine = np.linspace(0, len(values) - 1, 20 * len(values))
        ax.plot(fine, np.interp(fine, cells, values), color=LIGHT, linewidth=1, zorder=0)
        ax.vlines(cells[~own], 0, np.asarray(values)[~own], color=GREY, linewidth=2.5, alpha=0.5)
        ax.vlines(cells[own], 0, np.asarray(values)[own], color=ACCENT, linewidth=4)
        ax.plot(cells[own], np.asarray(values)[own], "o", color=ACCENT, markersize=6)
        ax.axhline(0, color=LIGHT, linewidth=1, zorder=0)
        ax.set(yticks=[], ylim=(-1.25, 1.25), xticks=cells[own])
        ax.spines["left"].set_visible(False)
        ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10)
    axes[-1, 0].set_xlabel("cell")
    return figure


def alike(correlations: Mapping[str, np.ndarray], period: int = 4) -> Figure:
    """How alike cells k apart are, k = 1, 2, ...: {label: (lags + 1,)}; the last is drawn in the accent color."""
    figure, ax = plt.subplots(figsize=(9, 3.2))
    for lag in range(period, len(next(iter(correlations.values()))), period):
        ax.axvline(lag, color=LIGHT, linewidth=8, alpha=0.4, zorder=0)
    for index, (label, values) in enumerate(correlations.items()):
        last = index == len(correlations) - 1
        shown = {"color": ACCENT if last else GREY, "linewidth": 2.5 if last else 1.5, "markersize": 6}
        ax.plot(range(1, len(values)), values[1:], "o-" if last else "o--", label=label, **shown)
    ax.set(xlabel="cells apart", ylabel="correlation", xticks=range(1, len(values)))
    ax.legend(loc="upper right")
    return figure


def contrasts(rows: Sequence[tuple[str, Interval, str]], title: str) -> Figure:
    """A forest plot: (label, mean with its interval, network's name or "" for a null) a row, from the top down.

    With one seed there is no interval; nulls are open circles.
    """
    figure, ax = plt.subplots(figsize=(9, 0.36 * len(rows) + 0.9))
    ax.axvline(0, color=INK, linewidth=1)
    for place, (_, found, network) in enumerate(rows):
        color = network_color(network) if network else GREY
        if found.low == found.low:
            ax.plot([found.low, found.high], [place, place], color=color, linewidth=2.5, solid_capstyle="butt")
        ax.plot(found.estimate, place, "o", color=color, markersize=7, markerfacecolor=color if network else "none")
    ax.set_yticks(range(len(rows)), [label for label, *_ in rows], color=INK)
    ax.set(ylim=(len(rows) - 0.4, -0.6), xlabel=title)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=LIGHT, linewidth=0.6, alpha=0.4)
    ax.spines["left"].set_visible(False)
    return figure
