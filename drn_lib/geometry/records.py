"""The geometry of maps and layers as records: `Place`, `Row`, `Geometry`. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from drn_lib.geometry.axis import Axis, Layer, live_fraction, pair


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
        """First input pixel of cell 0's field; negative where it starts in the padding."""
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


def make_row(layer: Layer, axes: Iterable[Axis], size: tuple[int, int] | None = None) -> Row:
    """The row of `layer` on a map with these axes (height, width); `size` where it is known to differ."""
    made, fraction = [], 1.0
    for index, axis in enumerate(axes):
        k, s, d, p = (pair(value)[index] for value in (layer.kernel, layer.stride, layer.dilation, layer.padding))
        made.append(axis.after(k, s, d, p, None if size is None else size[index]))
        fraction *= live_fraction(axis.size, k, d, p, s, made[-1].size)
    return Row(layer.name, *made, layer, fraction)
