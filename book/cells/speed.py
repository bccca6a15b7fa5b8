"""What chapter 08 counts and computes by hand: multiplications, small matrices, a layer on its sub-lattices."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from drn_lib.architecture import Convolution, architecture
from drn_lib.costs import map_sides, weights
from drn_lib.fast.matrices import Scheme, scheme_for


def arrays(scheme: Scheme) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """BT, G and AT of a scheme in float64."""
    return tuple(np.array(matrix, dtype=float) for matrix in (scheme.BT, scheme.G, scheme.AT))


def on_sublattices(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    """The dilated convolution of x (N, C, H, W) as one undilated convolution of a batch of dilation^2 sub-lattices.

    The dilation divides both sides. Source: chapter 03's identity.
    """
    images, channels, height, width = x.shape
    d, down, across = dilation, height // dilation, width // dilation
    batch = x.view(images, channels, down, d, across, d).permute(0, 3, 5, 1, 2, 4).reshape(-1, channels, down, across)
    y = conv2d(batch, weight, padding=1).view(images, d, d, -1, down, across)
    return y.permute(0, 3, 4, 1, 5, 2).reshape(images, -1, height, width)


def is_dense(row: Convolution) -> bool:
    """Whether minimal filtering can compute it: a 3x3 kernel of stride 1."""
    return row.kernel == 3 and row.stride == 1


def dense_rows(name: str, size: int = 224) -> list[tuple[Convolution, int]]:
    """The convolutions of a network that minimal filtering can compute, each with the side of its map."""
    return [(row, side) for row, side in map_sides(architecture(name), size) if is_dense(row)]


def multiplications(name: str, size: int = 224) -> Iterator[tuple[Convolution, int, int]]:
    """For each convolution of a network and an image of `size` px: (row, directly, by minimal filtering).

    What minimal filtering cannot compute counts the same twice.
    """
    for row, side in map_sides(architecture(name), size):
        directly = weights(row) * side**2
        yield row, directly, _filtered(row, side) if is_dense(row) else directly


def _filtered(row: Convolution, side: int) -> int:
    """Products of the tiles that cover all sub-lattices of a map, for all pairs of channels; transforms not counted."""
    scheme = scheme_for(side, side, row.dilation)
    lattices = [len(range(start, side, row.dilation)) for start in range(row.dilation)]
    tiles = sum(-(-cells // scheme.outputs) for cells in lattices) ** 2
    return scheme.products**2 * tiles * row.in_channels * row.out_channels


def bound(name: str, size: int = 224) -> float:
    """How many times fewer multiplications the whole network needs by minimal filtering."""
    counts = list(multiplications(name, size))
    return sum(directly for _, directly, _ in counts) / sum(filtered for *_, filtered in counts)


def relative_error(found: Tensor, exact: Tensor) -> float:
    """The root mean square of the difference over that of the exact values."""
    return ((found.double() - exact).square().mean() / exact.square().mean()).sqrt().item()


def seconds(run: Callable[[], object], times: int = 5) -> float:
    """The shortest of some runs by the clock."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return min(taken)


def tell(text: str) -> None:
    """Print what only the reader's own machine can say; silent where chapters are stored or compared."""
    if os.environ.get("DRN_PROGRESS") != "0":
        print(text)


def rate(threads: int = 1, side: int = 1024) -> float:
    """Multiply-adds a second of a product of two matrices of `side` rows, on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        left, right = torch.randn(2, side, side)
        return side**3 / seconds(lambda: left @ right)
    finally:
        torch.set_num_threads(before)
