"""Diagrams of whole networks, drawn from their tables and from what ran: Figures 1 and 5 of the paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import prod
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Rectangle

from book.figures.style import ACCENT, GREY, INK, LIGHT, network_color
from drn_lib.architecture import Architecture, architecture, convolutions
from drn_lib.names import display_name

_BOX = 0.72  # width of a convolution; from one to the next it is 1
_GAP = 0.9  # between levels
_ROW = 4.4  # from one network to the next


@dataclass(frozen=True)
class _Box:
    """One convolution of the diagram."""

    level: int
    kernel: int
    channels: int
    dilation: int
    halves: bool = False  # stride 2, its own or a pooling's before it
    pool: bool = False
    arc: int = 0  # number of convolutions that a residual link spans from here; 0 for none


def level_diagram(networks: Sequence[str | Architecture]) -> Figure:
    """Networks, names or tables, level by level: Fig. 5 of the paper, from `architecture`.

    A box is a convolution with its channels, in the network's color; the number below is its dilation. An
    accent bar marks where the map halves, a dashed one that max pooling does it; arcs are residual links.
    """
    tables = [architecture(network) if isinstance(network, str) else network for network in networks]
    rows = [list(_boxes(table)) for table in tables]
    lefts, right = _columns(rows)
    figure, ax = plt.subplots(figsize=(9, 0.75 + 1.12 * len(rows)))
    for index, (table, boxes) in enumerate(zip(tables, rows)):
        base = -index * _ROW
        ax.text(-0.6, base + 0.95, display_name(table.name), ha="right", va="center", fontsize=10.5, weight="bold")
        _draw_boxes(ax, boxes, lefts, base, network_color(table.name))
        ax.text(-0.6, base - 0.55, "dilation", ha="right", va="center", fontsize=8.5, color=GREY)
    for level, left in lefts.items():
        ax.text(left + _level_width(rows, level) / 2, 3.7, f"{level}", ha="center", va="center", fontsize=10.5)
    ax.text(-0.6, 3.7, "level", ha="right", va="center", fontsize=10.5)
    ax.set(xlim=(-4.6, right), ylim=(-(len(rows) - 1) * _ROW - 1.1, 4.2))
    ax.set_axis_off()
    return figure


def _boxes(table: Architecture) -> Iterator[_Box]:
    """The convolutions of a table in order; a bottleneck is drawn by its three."""
    rows = [row for row in convolutions(table) if not row.shortcut]
    lengths = Counter(row.name.split(".convs")[0] for row in rows)
    for row in rows:
        opens, level = row.name.endswith(".convs.0"), None if row.name == "stem" else table.level(row.level)
        first = opens and row.name.split(".")[2] == "0"
        halves = row.stride == 2 if level is None else first and (level.stride == 2 or level.pool)
        span = lengths[row.name.split(".convs")[0]] if opens and level.residual else 0
        yield _Box(row.level, row.kernel, row.out_channels, row.dilation, halves, bool(level and level.pool), span)


def _level_width(rows: Sequence[Sequence[_Box]], level: int) -> float:
    return max(sum(box.level == level for box in boxes) for boxes in rows) - 1 + _BOX


def _columns(rows: Sequence[Sequence[_Box]]) -> tuple[dict[int, float], float]:
    """Where each level starts, and where the last one ends."""
    lefts, position = {}, 0.0
    for level in sorted({box.level for boxes in rows for box in boxes}):
        lefts[level] = position
        position += _level_width(rows, level) + _GAP
    return lefts, position - _GAP + 0.2


def _draw_boxes(ax: Axes, boxes: Sequence[_Box], lefts: dict[int, float], base: float, color: str) -> None:
    counts = {level: count(left) for level, left in lefts.items()}
    places = [next(counts[box.level]) for box in boxes]
    for left, after, box in zip(places, [*places[1:], places[-1]], boxes):
        ax.plot([left + _BOX, max(after, left + _BOX)], [base + 0.95] * 2, color=LIGHT, linewidth=1, zorder=0)
        ax.add_patch(Rectangle((left, base), _BOX, 1.9, facecolor=color, alpha=0.22 if box.kernel == 3 else 0.55))
        ax.add_patch(Rectangle((left, base), _BOX, 1.9, fill=False, edgecolor=color, linewidth=1))
        middle = left + _BOX / 2
        ax.text(middle, base + 0.95, box.channels, rotation=90, ha="center", va="center", fontsize=8, color=INK)
        shown = {"color": ACCENT, "weight": "bold"} if box.dilation > 1 else {"color": GREY}
        ax.text(middle, base - 0.55, box.dilation, ha="center", va="center", fontsize=9, **shown)
        if box.halves:
            style = (0, (1.5, 1)) if box.pool else "solid"
            ax.plot([left - 0.22] * 2, [base - 0.1, base + 2.0], color=ACCENT, linewidth=3.2, linestyle=style)
    for index, box in enumerate(boxes):
        if box.arc:
            start, end = places[index] - 0.1, places[index + box.arc - 1] + _BOX + 0.1
            ax.add_patch(Arc(((start + end) / 2, base + 1.95), end - start, 1.3, theta2=180, color=INK, linewidth=1.1))


@dataclass(frozen=True)
class ConvRecord:
    """What a convolution did while a network ran: its name, kernel, stride, dilation and output (C, H, W)."""

    name: str
    kernel: int
    stride: int
    dilation: int
    shape: tuple[int, int, int]
    multiply_adds: int


def conv_records(model: Any, image: Any) -> list[ConvRecord]:
    """Run `model` on `image` (N, 3, H, W), in the mode that it is in, and note every convolution in running order.

    Multiply-adds are those of one image. Both may live on torch's "meta" device, which has shapes and no values.
    """
    import torch

    names = {module: name for name, module in model.named_modules() if isinstance(module, torch.nn.Conv2d)}
    records = []

    def note(module, inputs, output):
        shape = tuple(output.shape[1:])
        taps = module.weight[0].numel()  # in channels x height x width of the kernel
        numbers = (module.kernel_size[0], module.stride[0], module.dilation[0])
        records.append(ConvRecord(names[module], *numbers, shape, taps * prod(shape)))

    hooks = [module.register_forward_hook(note) for module in names]
    try:
        with torch.no_grad():
            model(image)
    finally:
        for hook in hooks:
            hook.remove()
    return records


def stride_diagram(rows: Sequence[tuple[str, Sequence[ConvRecord]]]) -> Figure:
    """Maps of chains of convolutions, one row a network: Fig. 1 of the paper, from what really ran.

    Each convolution is drawn as the map it makes, the side in proportion to its cells; above it its dilation,
    below it its size. Strided convolutions are drawn in the accent color. `rows` are (label, records).
    """
    largest = max(record.shape[1] for _, records in rows for record in records)
    columns = max(len(records) for _, records in rows)
    left, right, bottom, top = -2.3, columns - 0.4, -(len(rows) - 1) * 2.0 - 1.0, 0.95
    figure, ax = plt.subplots(figsize=(9, 9 * (top - bottom) / (right - left)))
    for index, (label, records) in enumerate(rows):
        base = -index * 2.0
        ax.text(-0.75, base + 0.25, label, ha="right", va="center", fontsize=11, weight="bold")
        for column, record in enumerate(records):
            side = 0.86 * record.shape[1] / largest
            color = ACCENT if record.stride > 1 else GREY
            corner = (column - side / 2, base - side / 2)
            ax.add_patch(Rectangle(corner, side, side, facecolor=color, alpha=0.3))
            ax.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=color, linewidth=1.3))
            shown = {"color": ACCENT, "weight": "bold"} if record.dilation > 1 else {"color": INK}
            ax.text(column, base + 0.72, f"d = {record.dilation}", ha="center", va="center", fontsize=10.5, **shown)
            channels, height, width = record.shape
            ax.text(column, base - 0.62, f"{height}×{width}", ha="center", va="center", fontsize=9)
            ax.text(column, base - 0.84, f"×{channels}", ha="center", va="center", fontsize=9, color=GREY)
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    ax.set_axis_off()
    return figure
