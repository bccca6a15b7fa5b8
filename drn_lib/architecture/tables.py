"""A network as a table of levels, and its convolutions row by row: Figure 5 of the paper, as data. No torch here.

A *level* is the span between two changes of stride or dilation (the paper numbers them 1 to 8): blocks of one kind, of
which the first may differ from the others in its stride and its dilation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from numbers import Real

from drn_lib.checks import whole_number


@dataclass(frozen=True)
class Stem:
    """The 7x7 convolution that opens every network."""

    channels: int
    stride: int
    kernel: int = 7


POOLINGS = ("max", "blur")
"""3x3 max pooling of stride 2, or of stride 1 with every second cell of [1 2 1] / 4 averages after it (Zhang 2019)."""
SMOOTHINGS = ("before", "after", "fixed")
"""What smooths the maps of a level, each channel alike, by name:

``before``  a learned kernel of 2 d - 1 cells a side before each 3x3 convolution of dilation d above 1, which all
            channels share; it begins as the identity (Wang and Ji 2018)
``after``   the same once, on the sum that leaves the level's last block, before its ReLU
``fixed``   there the mean with weights 1 2 3 4 3 2 1 along both axes, nothing learned: grids of period 2 and 4 vanish
"""


@dataclass(frozen=True)
class Filter:
    """A kernel of one channel that is applied to every channel of a map; `name` is its module's."""

    name: str
    kernel: int
    learned: bool = True


@dataclass(frozen=True)
class Level:
    """One level: `blocks` blocks of one `kind`.

    kind            "basic" (two 3x3), "bottleneck" (1x1, 3x3, 1x1; four times the channels come out) or
                    "plain" (one 3x3 convolution, no shortcut)
    channels        channels of the 3x3 convolutions
    stride          of the level's first block
    dilation        of the level's 3x3 convolutions
    first_dilation  of the 3x3 convolutions of the first block, in order (a bottleneck has one: the first)
    residual        whether a shortcut is added around each block
    pool            which of `POOLINGS` stands before the first block; None: none
    rates           dilations of the 3x3 convolutions block by block; empty: `first_dilation`, then `dilation`
    smoothing       one of `SMOOTHINGS`; None: nothing smooths
    """

    number: int
    kind: str
    channels: int
    blocks: int
    stride: int = 1
    dilation: int = 1
    first_dilation: tuple[int, int] = (1, 1)
    residual: bool = True
    pool: str | None = None
    rates: tuple[tuple[int, int], ...] = ()
    smoothing: str | None = None

    @property
    def out_channels(self) -> int:
        """Channels that leave the level."""
        return 4 * self.channels if self.kind == "bottleneck" else self.channels

    @property
    def reduction(self) -> int:
        """Cells of the level's input between neighboring cells of its map, along one axis."""
        return 2 * self.stride if self.pool else self.stride

    def dilations(self, block: int) -> tuple[int, int]:
        """Dilations of one block's 3x3 convolutions in order, blocks from 0."""
        if self.rates:
            return self.rates[block]
        return (self.dilation, self.dilation) if block else self.first_dilation


@dataclass(frozen=True)
class Architecture:
    """A network as a table: a stem, then levels. `stem_level` is the level whose map the stem makes."""

    name: str
    family: str
    stem: Stem
    levels: tuple[Level, ...]
    dilation_rule: str | None

    @property
    def depth(self) -> int:
        """Convolutions plus the classifier, shortcuts not counted: the number in the network's name."""
        return sum(not row.shortcut for row in convolutions(self)) + 1

    @property
    def stem_level(self) -> int | None:
        """Level 2 for ResNet and DRN-A, where only the 7x7 makes it; None where level 1 has more convolutions."""
        return self.levels[0].number - 1 or None

    @property
    def out_channels(self) -> int:
        """Channels of the last map, which the classifier reads."""
        return self.levels[-1].out_channels

    @property
    def output_stride(self) -> int:
        """Input pixels between neighboring cells of the last map."""
        return self.stem.stride * prod(level.reduction for level in self.levels)

    def level(self, number: int) -> Level:
        """The row of level `number`; KeyError names the levels there are."""
        levels = {level.number: level for level in self.levels}
        if number not in levels:
            raise KeyError(f"{self.name} has levels {list(levels)}, not {number}")
        return levels[number]


@dataclass(frozen=True)
class Convolution:
    """One bias-free convolution of a network; a batch normalization stands after each.

    name       of its module: "stem", "levels.6.0.convs.1" or "levels.6.0.shortcut"
    level      whose map it helps to make; for the stem the level that has its map, or level 1
    shortcut   whether it stands beside the block's other convolutions, from the block's input to its sum
    pooled     which of `POOLINGS` stands before it; None: none
    before     the filter that smooths what it reads
    after      the filter that smooths the sum of its block, of which it is the last one on the longest path
    """

    name: str
    level: int
    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    shortcut: bool = False
    pooled: str | None = None
    before: Filter | None = None
    after: Filter | None = None

    @property
    def padding(self) -> int:
        """Cells of padding on each side, so that stride 1 keeps the size of the map."""
        return self.dilation * (self.kernel // 2)

    @property
    def weights(self) -> int:
        """Weights of the kernel."""
        return self.in_channels * self.out_channels * self.kernel**2


def block_convolutions(level: Level, block: int, in_channels: int) -> Iterator[Convolution]:
    """The convolutions of one block, counted from 0, that reads `in_channels` channels; its shortcut comes last.

    Source: He et al. 2016, Fig. 5; stride and dilation of a bottleneck stand on its 3x3.
    """
    inside, outside = level.channels, level.out_channels
    stride = level.stride if block == 0 else 1
    first, second = level.dilations(block)
    rows = {
        "plain": [(in_channels, inside, 3, stride, first)],
        "basic": [(in_channels, inside, 3, stride, first), (inside, inside, 3, 1, second)],
        "bottleneck": [(in_channels, inside, 1, 1, 1), (inside, inside, 3, stride, first), (inside, outside, 1, 1, 1)],
    }[level.kind]
    name = f"levels.{level.number}.{block}"
    for index, row in enumerate(rows):
        yield Convolution(
            f"{name}.convs.{index}",
            level.number,
            *row,
            pooled=level.pool if block == index == 0 else None,
            before=_filter_before(level, f"{name}.before.{index}", *row[2::2]),
            after=_filter_after(level, f"{name}.after")
            if block == level.blocks - 1 and index == len(rows) - 1
            else None,
        )
    if level.residual and (stride != 1 or in_channels != outside):
        yield Convolution(f"{name}.shortcut", level.number, in_channels, outside, 1, stride, shortcut=True)


def _filter_before(level: Level, name: str, kernel: int, dilation: int) -> Filter | None:
    smoothed = level.smoothing == "before" and kernel > 1 and dilation > 1
    return Filter(name, 2 * dilation - 1) if smoothed else None


def _filter_after(level: Level, name: str) -> Filter | None:
    if level.smoothing == "fixed":
        return Filter(name, 7, learned=False)
    return Filter(name, 2 * level.dilation - 1) if level.smoothing == "after" else None


def filters(table: Architecture) -> Iterator[tuple[Convolution, Filter]]:
    """Every smoothing filter of a network beside the convolution that it belongs to, in the order of computation."""
    for row in convolutions(table):
        yield from ((row, one) for one in (row.before, row.after) if one is not None)


def convolutions(table: Architecture) -> Iterator[Convolution]:
    """Every convolution of a network in the order of computation: the stem, then block by block, shortcuts last."""
    channels = table.stem.channels
    yield Convolution("stem", table.stem_level or 1, 3, channels, table.stem.kernel, table.stem.stride)
    for level in table.levels:
        for block in range(level.blocks):
            yield from block_convolutions(level, block, channels)
            channels = level.out_channels


CHANNEL_STEP = 4
"""Scaled channels are multiples of this."""
MOST_WIDTH, MOST_CLASSES, MOST_PARAMETERS = 16, 2**15, 500_000_000
"""What is built at most: labels fit int16, and weights 2 GB. At width 1 the largest network has 60 million."""


def scale_width(table: Architecture, width: float) -> Architecture:
    """The same network with its channels times `width`, in multiples of 4 and at least 8.

    Raises ValueError where `width` is no number above 0, or is above `MOST_WIDTH`.

    With fewer than 8 input channels torch 2.14.1 corrupts memory in the backward pass of a strided 1x1 convolution in
    channels_last on a CPU.
    """
    if isinstance(width, bool) or not isinstance(width, Real) or not 0 < width <= MOST_WIDTH:
        raise ValueError(f"width must be a number above 0 and at most {MOST_WIDTH}, not {width!r:.40}")

    def scaled(channels: int) -> int:
        return max(8, CHANNEL_STEP * round(channels * width / CHANNEL_STEP))

    stem = replace(table.stem, channels=scaled(table.stem.channels))
    return replace(table, stem=stem, levels=tuple(replace(v, channels=scaled(v.channels)) for v in table.levels))


def require_buildable(table: Architecture, num_classes: object) -> None:
    """Raise ValueError where there is no such number of classes, or the network has more than `MOST_PARAMETERS`."""
    classifier = table.out_channels * whole_number("num_classes", num_classes, 1, MOST_CLASSES)
    rows = sum(row.weights for row in convolutions(table))
    if (count := rows + classifier) > MOST_PARAMETERS:
        most = f"at most {MOST_PARAMETERS // 10**6} million are built"
        raise ValueError(f"{table.name} of this width has {count // 10**6} million parameters: {most}")
