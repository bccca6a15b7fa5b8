"""How many products a network needs, directly and with Winograd's filtering. No torch."""

from __future__ import annotations

from typing import NamedTuple

from drn_lib.architecture import Architecture, Convolution
from drn_lib.checks import whole_number
from drn_lib.costs import map_sides, weights
from drn_lib.fast.matrices import Scheme, scheme_for


class Products(NamedTuple):
    """Multiplications of numbers that a network's convolutions need for one image.

    direct      as the sums are written; taps that read padding are counted too
    winograd    each 3x3 of stride 1 by the scheme that the kernel of `fast` takes for its map, where that needs fewer;
                transforms, which are additions and few multiplications, are not counted
    """

    direct: int
    winograd: int

    @property
    def ratio(self) -> float:
        """The speed-up if only products took time."""
        return self.direct / self.winograd


def products(table: Architecture, height: int, width: int, num_classes: int = 1000) -> Products:
    """The products of a network's score map of one image of height x width pixels, its classifier with them.

    Args:
        table: of `architecture(name)`, at its final width (`scale_width`).
    """
    whole_number("num_classes", num_classes, 1)
    direct = winograd = 0
    for (row, down), (_, across) in zip(map_sides(table, height), map_sides(table, width)):
        as_written = weights(row) * down * across
        direct += as_written
        winograd += min(as_written, _filtered(row, down, across)) if _is_dense(row) else as_written
        last = down * across
    classifier = table.out_channels * num_classes * last
    return Products(direct + classifier, winograd + classifier)


def _is_dense(row: Convolution) -> bool:
    return row.kernel == 3 and row.stride == 1


def _filtered(row: Convolution, height: int, width: int) -> int:
    """Products of all tiles of all sub-lattices of a map, incomplete tiles counted as the kernel computes them."""
    scheme = scheme_for(height, width, row.dilation)
    down, across = (_along(scheme, side, row.dilation) for side in (height, width))
    return down * across * row.in_channels * row.out_channels


def _along(scheme: Scheme, side: int, dilation: int) -> int:
    """Products along one axis of all sub-lattices. Where a tile may be short, each that is saves one."""
    total = 0
    for first in range(min(dilation, side)):
        cells = -(-(side - first) // dilation)
        tiles = -(-cells // scheme.outputs)
        short = min(tiles, tiles * scheme.outputs - cells) if scheme.short else 0
        total += tiles * scheme.products - short
    return total
