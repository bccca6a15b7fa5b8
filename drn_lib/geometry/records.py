"""The geometry of maps and layers as records: `Place`, `Row`, `Geometry`. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from drn_lib.geometry.axis import Axis, Layer, live_fraction


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
        """Input pixels between neighboring cells (also: reduction, output stride)."""
        return self._same("jump")

    @property
    def receptive_field(self) -> int:
        """Side of a cell's field in input pixels, along the longest path."""
        return self._same("receptive_field")

    @property
    def start(self) -> int:
        """First input pixel of cell 0's field; negative where it starts in the padding."""
        return self._same("first")

    @property
    def centre(self) -> float:
        """Middle pixel of cell 0's field; cell i's is `centre + i * jump`."""
        return self._same("centre")

    def field_box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Pixel edges (left, top, right, bottom) of the field of cell (row, column); it may leave the image."""
        left, top = self.width.first + column * self.width.jump, self.height.first + row * self.height.jump
        return left, top, left + self.width.receptive_field, top + self.height.receptive_field

    def _same(self, name: str) -> Any:
        along_height = getattr(self.height, name)
        if along_height != getattr(self.width, name):
            raise ValueError(f"{name} of {self.name} differs along the axes; read it from .height and .width")
        return along_height


@dataclass(frozen=True)
class Row(Place):
    """A layer, the map it makes, and the fraction of its taps that read its input and not the padding."""

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
        parts = ((name.split("."), place) for name, place in self.modules.items())
        places = {int(part[1]): place for part, place in parts if part[0] == "levels" and len(part) == 2}
        if places and min(places) > 1:  # ResNet and DRN-A: the stem's map is a level of its own
            places[min(places) - 1] = self.modules["stem"]
        return dict(sorted(places.items()))

    def __str__(self) -> str:
        cells = [("layer", "kernel", "stride", "d", "size", "jump", "field", "start", "live")]
        for row in self.rows:
            layer, size = row.layer, "x".join(map(str, row.size))
            numbers = (row.jump, row.receptive_field, row.start, f"{row.live_taps:.2f}")
            cells.append((row.name, layer.kernel, layer.stride, layer.dilation, size, *numbers))
        return "\n".join("{!s:<26}{!s:>7}{!s:>7}{!s:>4}{:>10}{:>6}{:>7}{:>7}{:>6}".format(*line) for line in cells)


def make_row(layer: Layer, axes: Iterable[Axis], size: tuple[int, int] | None = None) -> Row:
    """The row of `layer` on a map with these axes (height, width); `size` where it is known to differ."""
    made, fraction = [], 1.0
    for index, axis in enumerate(axes):
        k, s, d, p = layer.along(index)
        made.append(axis.after(k, s, d, p, None if size is None else size[index]))
        fraction *= live_fraction(axis.size, k, d, p, s, made[-1].size)
    return Row(layer.name, *made, layer, fraction)
