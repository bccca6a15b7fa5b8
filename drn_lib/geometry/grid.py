"""Where a cell of a map looks: output size, jump, receptive field, start, cell edges, live taps.

Everything follows from one row per layer, axis by axis. Cell i of a map reads the input pixels from
``first + i * jump`` to ``last + i * jump``; a layer with kernel k, stride s, dilation d and padding p makes

    size  <- floor((size + 2p - d(k - 1) - 1) / s) + 1
    first <- first - p * jump
    last  <- last + (d(k - 1) - p) * jump
    jump  <- s * jump

and where branches meet (a residual sum, a concatenation) the smallest `first` and the largest `last` win:
the longest path. The receptive field is ``last - first + 1``. Dilation changes the field and never the jump;
stride changes the jump. Chapter 01 derives these lines.

    >>> from drn_lib import geometry
    >>> geometry.receptive_field("drn_c_26")
    581
    >>> geometry.table("drn_c_26", 224).levels[6].size
    (28, 28)

`table` needs no torch; `trace` reads the same numbers off any torch module (see `drn_lib.geometry.tracing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from drn_lib.architecture import Architecture, architecture, convolutions
from drn_lib.geometry.axis import (
    Axis,
    Layer,
    Pair,
    cell_edges,
    dilated_extent,
    live_share,
    live_taps,
    output_size,
    pair,
    reach,
)

__all__ = [
    "Axis",
    "Geometry",
    "Layer",
    "Place",
    "Row",
    "cell_edges",
    "dilated_extent",
    "layers",
    "live_taps",
    "output_size",
    "reach",
    "receptive_field",
    "table",
    "trace",
]


@dataclass(frozen=True)
class Place:
    """The geometry of one map, named after the module or layer that makes it."""

    name: str
    height: Axis
    width: Axis

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in cells."""
        return self.height.size, self.width.size

    @property
    def jump(self) -> int:
        """Input pixels between neighbouring cells (also: reduction, output stride)."""
        return self._same("jump")

    @property
    def receptive_field(self) -> int:
        """Side of a cell's field in input pixels, along the longest path."""
        return self._same("receptive_field")

    @property
    def start(self) -> int:
        """First input pixel of cell 0's field; negative where it begins in the padding."""
        return self._same("first")

    @property
    def centre(self) -> float:
        """Middle pixel of cell 0's field; cell i's is `centre + i * jump`."""
        return self._same("centre")

    def field_box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Pixel edges (left, top, right, bottom) of the field of cell (row, column); it may leave the image."""
        (top, bottom), (left, right) = (
            (axis.first + cell * axis.jump, axis.last + 1 + cell * axis.jump)
            for axis, cell in ((self.height, row), (self.width, column))
        )
        return left, top, right, bottom

    def _same(self, name: str) -> Any:
        along_height, along_width = getattr(self.height, name), getattr(self.width, name)
        if along_height != along_width:
            raise ValueError(f"{name} of {self.name} differs along the axes; read it from .height and .width")
        return along_height


@dataclass(frozen=True)
class Row(Place):
    """A layer, the map it makes, and the share of its taps that read its input and not the padding."""

    layer: Layer
    live_taps: float


@dataclass(frozen=True)
class Geometry:
    """A network's geometry: one row per layer in the order of computation, and the map of every module.

    input_size  (height, width) in pixels
    rows        one per convolution and pooling; 1x1 shortcuts among them where a module was traced
    modules     the map that leaves each module, by its name ("levels.5", "layer3"), after its branches met
    """

    name: str
    input_size: tuple[int, int]
    rows: tuple[Row, ...]
    modules: dict[str, Place] = field(repr=False)

    def row(self, name: str) -> Row:
        """The row of the layer `name`; KeyError names the rows there are."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"{self.name} has no layer {name!r}; its layers are {', '.join(row.name for row in self.rows)}")

    @property
    def levels(self) -> dict[int, Place]:
        """The map that leaves each level, for the networks of the book; empty for others."""
        parts = {name: name.split(".") for name in self.modules}
        places = {
            int(part[1]): self.modules[name] for name, part in parts.items() if part[0] == "levels" and len(part) == 2
        }
        if places and min(places) > 1:  # ResNet and DRN-A: the stem's map is a level of its own
            places[min(places) - 1] = self.modules["stem"]
        return dict(sorted(places.items()))

    def __str__(self) -> str:
        head = f"{'layer':<26}{'kernel':>7}{'stride':>7}{'d':>4}{'size':>10}"
        lines = [f"{head}{'jump':>6}{'field':>7}{'start':>7}{'live':>6}"]
        for row in self.rows:
            layer, cells = row.layer, "x".join(map(str, row.size))
            lines.append(
                f"{row.name:<26}{layer.kernel!s:>7}{layer.stride!s:>7}{layer.dilation!s:>4}{cells:>10}"
                f"{row.jump:>6}{row.receptive_field:>7}{row.start:>7}{row.live_taps:>6.2f}"
            )
        return "\n".join(lines)


def layers(network: str | Architecture) -> list[Layer]:
    """The longest path through a network as a chain of layers, named like the modules of `create_model`.

    Each block's 3x3 convolutions read all that its shortcut reads and more, so the shortcuts drop out.

    Args:
        network: a name of `list_models()` or a table of `architecture(name, dilation_rule)`.
    """
    network = architecture(network) if isinstance(network, str) else network
    chain = []
    for row in convolutions(network):
        if row.pooled:
            chain.append(Layer("pool", 3, 2, 1, 1, "max pooling"))
        if not row.shortcut:
            chain.append(Layer(f"{row.name}.conv", row.kernel, row.stride, row.dilation, row.padding))
    return chain


def table(network: str | Architecture | Iterable[Layer], input_size: Pair = 224) -> Geometry:
    """The geometry of a network of the book, or of any chain of layers, without torch.

    Args:
        network: a name, a table, or layers in their order.
        input_size: pixels, one number or (height, width).

    Raises:
        ValueError: a kernel does not fit on the map it meets.

    Source: PAPER Figs. 1 and 5; the formulas at the head of this file.
    """
    named = isinstance(network, (str, Architecture))
    name = (network if isinstance(network, str) else network.name) if named else "layers"
    rows, modules = [], {}
    axes = [Axis(side) for side in pair(input_size)]
    for layer in layers(network) if named else network:
        rows.append(make_row(layer, axes))
        axes = [rows[-1].height, rows[-1].width]
        parts = layer.name.split(".")
        module = ".".join(parts[:2]) if parts[0] == "levels" else parts[0]
        modules[module] = Place(module, *axes)
    return Geometry(name, pair(input_size), tuple(rows), modules)


def make_row(layer: Layer, axes: Iterable[Axis], size: tuple[int, int] | None = None) -> Row:
    """The row of `layer` on a map with these axes (height, width); `size` where it is known to differ."""
    made, share = [], 1.0
    for index, axis in enumerate(axes):
        k, s, d, p = (pair(value)[index] for value in (layer.kernel, layer.stride, layer.dilation, layer.padding))
        made.append(axis.after(k, s, d, p, None if size is None else size[index]))
        share *= live_share(axis.size, k, d, p, s, made[-1].size)
    return Row(layer.name, *made, layer, share)


def receptive_field(network: str | Architecture | Iterable[Layer], level: int | None = None) -> int:
    """Receptive field in pixels of the last map, or of the map that leaves `level`, along the longest path.

    Source: definition as in the formulas above; 435 for ResNet-18 and for DRN-A-18 alike is the paper's point.
    """
    geometry = table(network, 4096)  # the field does not depend on the size; large enough for every kernel
    if level is None:
        return geometry.rows[-1].receptive_field
    if level not in geometry.levels:
        raise KeyError(f"{geometry.name} has levels {list(geometry.levels)}, not {level}")
    return geometry.levels[level].receptive_field


def trace(model: Any, input_size: Pair = 224, channels: int = 3) -> Geometry:
    """The geometry of any torch module with 2-D maps, residual and parallel branches included.

    The module runs once on shapes alone (no values, no memory) and is left unchanged; it is read in
    evaluation mode. See `drn_lib.geometry.tracing` for what is understood.

    Args:
        model: an `nn.Module` that takes (N, channels, H, W).
        input_size: pixels, one number or (H, W).

    Raises:
        ValueError: an operation mixes positions in a way that has no single receptive field (upsampling,
            attention, a pooled map multiplied back), or that is not known.
    """
    from drn_lib.geometry.tracing import trace_module  # torch is needed here alone

    return trace_module(model, pair(input_size), channels)
