"""What a network costs, counted from its table: parameters and multiply-adds. No torch."""

from __future__ import annotations

from drn_lib.architecture import Architecture, Convolution, convolutions


def map_sides(table: Architecture, size: int) -> list[tuple[Convolution, int]]:
    """Each convolution of the network with the side of the square map that it makes, for images of `size` pixels.

    Where a stride does not divide a map the side is rounded up, as with odd kernels.
    """
    rows = []
    for row in convolutions(table):
        size = -(-size // 2) if row.pooled else size
        size = size if row.shortcut else -(-size // row.stride)  # a shortcut ends where its block does
        rows.append((row, size))
    return rows


def weights(row: Convolution) -> int:
    """Weights of a convolution's kernel."""
    return row.in_channels * row.out_channels * row.kernel**2


def multiply_adds(table: Architecture, size: int, num_classes: int = 1000) -> int:
    """Multiply-adds of one square image of `size` pixels a side: convolutions and the classifier after pooling.

    Args:
        table: of `architecture(name)`, at its final width (`scale_width`).
        size: pixels a side; where a stride does not divide a map, the map is rounded up, as with odd kernels.
        num_classes: of the classifier.
    """
    # One for each weight and output cell; taps that read padding are counted too.
    return sum(weights(row) * side**2 for row, side in map_sides(table, size)) + table.out_channels * num_classes


def parameters(table: Architecture, num_classes: int = 1000) -> int:
    """Learned numbers: kernels, two for each normalized channel, the classifier with its biases."""
    classifier = (table.out_channels + 1) * num_classes
    return sum(weights(row) + 2 * row.out_channels for row in convolutions(table)) + classifier
