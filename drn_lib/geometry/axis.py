"""One axis of a map: the arithmetic of a single layer, and which input pixels a cell reads and owns. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from math import ceil
from typing import Any

from drn_lib.checks import one_of, whole_number

Pair = int | tuple[int, int]
"""One number for both axes, or (along the height, along the width)."""


def dilated_extent(kernel: int, dilation: int = 1) -> int:
    """Cells that a dilated kernel spans, d(k - 1) + 1: a 3x3 at dilation 4 spans 9."""
    return whole_number("dilation", dilation, 1) * (whole_number("kernel", kernel, 1) - 1) + 1


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Cells that a convolution or a pooling makes of `size` cells along one axis.

    Raises:
        ValueError: the dilated kernel does not fit on the padded map, or a number is out of range.
    """
    for name, value, least in (("size", size, 1), ("stride", stride, 1), ("padding", padding, 0)):
        whole_number(name, value, least)
    extent = dilated_extent(kernel, dilation)
    if size + 2 * padding < extent:
        raise ValueError(
            f"a kernel of {kernel} at dilation {dilation} spans {extent} cells and does not fit on {size} cells "
            f"with padding {padding}; enlarge the input or the padding"
        )
    return (size + 2 * padding - extent) // stride + 1


def live_taps(size: Pair, kernel: Pair, dilation: Pair = 1, padding: Pair | None = None, stride: Pair = 1) -> float:
    """Fraction, from 0 to 1, of a layer's taps, over all its output cells, that read the map and not the padding.

    In two dimensions it is the product of the two axes' fractions. At dilation 4 a 3x3 kernel reads padding more
    than half the time on an 8x8 map (4/9 are live) and seldom on a 28x28 map. Source: chapter 01.

    Args:
        size: of the layer's input, in cells; like all arguments one number or (height, width).
        padding: None takes d(k - 1)/2, the padding of every 3x3 layer of the networks.
    """
    fraction = 1.0
    for axis in range(2):
        cells, k, s, d = (pair(value)[axis] for value in (size, kernel, stride, dilation))
        p = d * (k - 1) // 2 if padding is None else pair(padding)[axis]
        fraction *= live_fraction(cells, k, d, p, s, output_size(cells, k, s, p, d))
    return fraction


@dataclass(frozen=True)
class Layer:
    """What a layer does to the grid; `kind` is "convolution", "max pooling", "average pooling" or "global pooling"."""

    name: str
    kernel: Pair
    stride: Pair = 1
    dilation: Pair = 1
    padding: Pair = 0
    kind: str = "convolution"

    def along(self, axis: int) -> tuple[int, int, int, int]:
        """Kernel, stride, dilation and padding along the height (0) or the width (1)."""
        return tuple(pair(value)[axis] for value in (self.kernel, self.stride, self.dilation, self.padding))


@dataclass(frozen=True)
class Axis:
    """`size` cells; cell i reads pixels first + i * jump to last + i * jump, those outside the image in the padding."""

    size: int
    jump: int = 1
    first: int = 0
    last: int = 0

    def after(self, kernel: int, stride: int, dilation: int, padding: int, size: int | None = None) -> Axis:
        """The axis of the map that a layer makes of this one; `size` where it is known to differ (ceil mode)."""
        return Axis(
            output_size(self.size, kernel, stride, padding, dilation) if size is None else size,
            self.jump * stride,
            self.first - padding * self.jump,
            self.last + (dilation * (kernel - 1) - padding) * self.jump,
        )

    @property
    def receptive_field(self) -> int:
        """Input pixels that can influence one cell, from the first to the last."""
        return self.last - self.first + 1

    @property
    def centre(self) -> float:
        """Middle pixel of cell 0's field; half a pixel where the field is even. 0 for every network of the book."""
        return (self.first + self.last) / 2


CELL_EDGES = ("centre", "tile", "measured")
"""The conventions of `cell_edges`."""


def cell_edges(index: Any, jump: int, size: int, centre: float = 0.0, convention: str = "centre") -> tuple[Any, Any]:
    """Pixel edges (low, high) of a cell's own pixels along one axis, clipped to the image.

    Pixel p reaches from edge p to edge p + 1. For a DRN (jump 8, centre 0) cell i owns 8i - 4 to 8i + 4: the pixels
    nearest to its field's center, pixel 8i. The convention "tile" gives 8i to 8i + 8: the map laid over the image.
    "measured" differs from "centre" at the border: the outer cells reach to it, so that every pixel has an owner, and a
    cell whose center lies beyond it stands for the last pixels. Uneven padding pushes cells of `lite` there.

    Args:
        index: number of the cell along the axis; an int, or an array or tensor of them.
        jump, size: input pixels between neighboring cells, and of the image along the axis.
        centre: `Place.centre`, not used by the convention "tile".
        convention: one of `CELL_EDGES`; another is a ValueError.

    Source: ledger entry P7; chapter 06. The paper does not say which pixels a cell stands for.
    """
    one_of("convention of cell edges called", convention, CELL_EDGES)
    # A pixel halfway between two centers goes to the later cell: the edges of all cells tile the axis.
    low = index * jump + (0 if convention == "tile" else ceil(centre - jump / 2))
    high, latest = low + jump, size
    if convention == "measured":
        is_last = (index + 1) * jump + centre > size - 1  # the next cell's center is not in the image
        low, high = low * (index > 0), high + is_last * (size - high)
        latest = max(0, ceil(size - 1 - jump / 2))
    if isinstance(index, int):
        return min(max(low, 0), latest), min(max(high, 0), size)
    return low.clip(0, latest), high.clip(0, size)


def reach(chain: Iterable[Layer], cell: int, size: int | None = None) -> dict[int, int]:
    """Input positions that truly reach a cell along one axis, and by how many paths.

    The receptive field is the span of these positions; with dilation some between them are missing (the lattice).

    Args:
        chain: layers in their order, the first reads the input.
        cell: index of the cell in the last layer's map.
        size: of the input; paths through the padding of any layer are then left out. None counts them all.

    Returns:
        {input position: number of paths}, in order.

    Raises:
        ValueError: the last map has no such cell.

    Source: chapters 01 and 03.
    """
    rows = [layer.along(0) for layer in chain]
    axes = [] if size is None else list(accumulate(rows, lambda axis, row: axis.after(*row), initial=Axis(size)))
    if axes and not 0 <= cell < axes[-1].size:
        raise ValueError(f"cell {cell} is not on the last map, which has {axes[-1].size} cells")
    paths = Counter({cell: 1})
    for depth, (k, s, d, p) in reversed(list(enumerate(rows))):
        below: Counter[int] = Counter()
        for position, count in paths.items():
            for tap in range(k):
                source = position * s - p + d * tap
                if not axes or 0 <= source < axes[depth].size:
                    below[source] += count
        paths = below
    return dict(sorted(paths.items()))


def live_fraction(size: int, kernel: int, dilation: int, padding: int, stride: int, out: int) -> float:
    """Fraction of live taps along one axis with `out` output cells."""
    origins = range(-padding, -padding + out * stride, stride)
    live = sum(0 <= origin + dilation * tap < size for origin in origins for tap in range(kernel))
    return live / (out * kernel)


def pair(value: Pair) -> tuple[Any, Any]:
    """(along the height, along the width)."""
    values = value if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2:
        raise ValueError(f"one number or two, along the height and the width, are needed, not {value!r}")
    return tuple(values)


def image_size(value: Pair) -> tuple[int, int]:
    """(height, width) of an image in pixels; ValueError where it is none."""
    return tuple(whole_number("a side of the image", side, 1) for side in pair(value))
