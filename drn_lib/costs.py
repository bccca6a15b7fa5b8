"""What a network costs, counted from its table: parameters and multiply-adds. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drn_lib.architecture import Architecture


@dataclass(frozen=True)
class Convolution:
    """One convolution: channels in and out, kernel size, and the side of the square map that it makes."""

    in_channels: int
    out_channels: int
    kernel: int
    size: int

    @property
    def weights(self) -> int:
        """Weights of the bias-free kernel."""
        return self.in_channels * self.out_channels * self.kernel**2

    @property
    def multiply_adds(self) -> int:
        """One for each weight and output cell of the square map; taps that read padding are counted too."""
        return self.weights * self.size**2


def convolutions(table: Architecture, size: int) -> Iterator[Convolution]:
    """All convolutions of the network, shortcuts among them, for square images of `size` pixels; not the classifier."""
    size = -(-size // table.stem.stride)
    yield Convolution(3, table.stem.channels, table.stem.kernel, size)
    channels = table.stem.channels
    for level in table.levels:
        size = -(-size // 2) if level.pool else size
        for block in range(level.blocks):
            stride = level.stride if block == 0 else 1
            before, size = size, -(-size // stride)
            inside, outside = level.channels, level.out_channels
            if level.kind == "bottleneck":
                yield Convolution(channels, inside, 1, before)  # the 3x3 after it has the stride
                yield Convolution(inside, inside, 3, size)
                yield Convolution(inside, outside, 1, size)
            else:
                yield Convolution(channels, inside, 3, size)
                if level.kind == "basic":
                    yield Convolution(inside, inside, 3, size)
            if level.residual and (stride != 1 or channels != outside):
                yield Convolution(channels, outside, 1, size)
            channels = outside


def multiply_adds(table: Architecture, size: int, num_classes: int = 1000) -> int:
    """Multiply-adds of one square image of `size` pixels a side: convolutions and the classifier after pooling.

    Args:
        table: of `architecture(name)`, at its final width (`scale_width`).
        size: pixels a side; where a stride does not divide a map, the map is rounded up, as with odd kernels.
        num_classes: of the classifier.
    """
    return sum(row.multiply_adds for row in convolutions(table, size)) + table.out_channels * num_classes


def parameters(table: Architecture, num_classes: int = 1000) -> int:
    """Learned numbers: kernels, two for each normalized channel, the classifier with its biases."""
    rows = list(convolutions(table, 1))
    return sum(row.weights + 2 * row.out_channels for row in rows) + (table.out_channels + 1) * num_classes
