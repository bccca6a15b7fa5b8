"""What a network costs, counted from its table: parameters and multiply-adds. No torch."""

from __future__ import annotations

from drn_lib.architecture import Architecture, Convolution, convolutions, filters
from drn_lib.checks import whole_number

BLUR_TAPS = 9
"""Taps of the 3x3 average after a max pooling of stride 1."""


def map_sides(table: Architecture, size: int) -> list[tuple[Convolution, int]]:
    """Each convolution of the network with the side of the square map that it makes, for images of `size` pixels.

    Where a stride does not divide a map the side is rounded up, as with odd kernels. Raises ValueError where `size` is
    no whole number of pixels.
    """
    whole_number("size", size, 1)
    rows = []
    for row in convolutions(table):
        size = -(-size // 2) if row.pooled else size
        size = size if row.shortcut else -(-size // row.stride)  # a shortcut ends where its block does
        rows.append((row, size))
    return rows


def weights(row: Convolution) -> int:
    """Weights of a convolution's kernel."""
    return row.weights


def multiply_adds(table: Architecture, size: int, num_classes: int = 1000) -> int:
    """Multiply-adds of a square image of `size` pixels a side: convolutions, filters and the classifier after pooling.

    Args:
        table: of `architecture(name)`, at its final width (`scale_width`).
        size: pixels a side; where a stride does not divide a map, the map is rounded up, as with odd kernels.
        num_classes: of the classifier.

    Raises:
        ValueError: `size` or `num_classes` is no whole number of 1 or more.
    """
    whole_number("num_classes", num_classes, 1)
    # One for each weight and output cell; taps that read padding are counted too. A filter makes a map of one size.
    total = table.out_channels * num_classes
    for row, side in map_sides(table, size):
        total += weights(row) * side**2
        total += BLUR_TAPS * row.in_channels * (side * row.stride) ** 2 if row.pooled == "blur" else 0
        total += row.before.kernel**2 * row.in_channels * side**2 if row.before else 0
        total += row.after.kernel**2 * row.out_channels * side**2 if row.after else 0
    return total


def parameters(table: Architecture, num_classes: int = 1000) -> int:
    """Learned numbers: kernels, two for each normalized channel, learned filters, the classifier with its biases."""
    whole_number("num_classes", num_classes, 1)
    learned = sum(one.kernel**2 for _, one in filters(table) if one.learned)
    learned += (table.out_channels + 1) * num_classes
    return sum(weights(row) + 2 * row.out_channels for row in convolutions(table)) + learned
