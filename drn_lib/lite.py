"""EfficientNet-Lite0, an ImageNet classifier of another family, built from its table.

It is no ResNet: its blocks are inverted residuals (1x1 convolution to more channels, a depthwise convolution, 1x1 back
to few), and it has no max pooling. But its strides stand where a ResNet's do, so `conversion.dilate` trades them for
dilation by the same rules. `checkpoints.load_lite0` fills it with trained weights from a package.

Shapes for a 224 px image, N images, C classes:

    level     2    3   4   5   6
    map     112   56  28  14   7    score map (N, C, 7, 7)

Source: Tan and Le 2019, EfficientNet; the Lite variant as TensorFlow released it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from drn_lib.images import MEAN, STD
from drn_lib.network import FeatureInfo


@dataclass(frozen=True)
class BlockGroup:
    """Blocks in a row; the first has the stride. `expansion`: channels of the depthwise convolution over those read."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


@dataclass(frozen=True)
class LiteTable:
    """A network of this family; a group that has a stride opens a level."""

    stem: int
    groups: tuple[BlockGroup, ...]
    head: int

    def levels(self) -> list[tuple[int, list[BlockGroup]]]:
        """The groups of each level by its number, as a ResNet counts: the stem's map is level 2."""
        numbers = itertools.accumulate((group.stride > 1 for group in self.groups), initial=2)
        numbered = zip(list(numbers)[1:], self.groups)
        return [(n, [g for _, g in some]) for n, some in itertools.groupby(numbered, key=lambda pair: pair[0])]


LITE0 = LiteTable(
    stem=32,
    groups=(
        BlockGroup(blocks=1, kernel=3, stride=1, expansion=1, channels=16),
        BlockGroup(2, 3, 2, 6, 24),
        BlockGroup(2, 5, 2, 6, 40),
        BlockGroup(3, 3, 2, 6, 80),
        BlockGroup(3, 5, 1, 6, 112),
        BlockGroup(4, 5, 2, 6, 192),
        BlockGroup(1, 3, 1, 6, 320),
    ),
    head=1280,
)


class SameConv2d(nn.Conv2d):
    """A convolution without bias and with TensorFlow's "same" padding: ceil(size / stride) cells for any size.

    The zeros before and after a map differ where its size asks for an odd number of them: for a 3x3 with stride 2 and
    an even size there is none before and one after. So what a layer pads depends on the map that it reads.

    `trade_stride` gives up the stride; the zeros before the map then are those of the strided network, times the
    dilation, which keeps every tap of the shared cells where it was.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
        self.traded, self.lost = 1, 1  # this layer's own stride, once traded, and the strides lost before it

    def trade_stride(self, lost: int) -> None:
        """Run at stride 1 from now on, in a network that has lost the product `lost` of the strides before."""
        self.traded, self.lost, self.stride = self.stride[0], lost, (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        sides: list[int] = []
        for size in (x.shape[3], x.shape[2]):  # pad begins with the last dimension
            sides += self.zeros(size)
        return super().forward(pad(x, sides))

    def zeros(self, size: int) -> tuple[int, int]:
        """Zeros before and after a map of `size` cells along one axis."""
        kernel, stride, dilation = self.kernel_size[0], self.stride[0], self.dilation[0]
        step, strided = stride * self.traded, -(-size // self.lost)  # of the network before the trade
        before = ((-(-strided // step) - 1) * step + kernel - strided) // 2 * dilation
        return before, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size - before


def _conv_norm(in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    if kernel == 1:
        conv: nn.Conv2d = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    else:
        conv = SameConv2d(in_channels, out_channels, kernel, stride, groups)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels, eps=1e-3))


class LiteBlock(nn.Module):
    """An inverted residual: `self.convs` in a row, ReLU6 after all but the last; the input is added where it fits."""

    def __init__(self, group: BlockGroup, in_channels: int, stride: int) -> None:
        super().__init__()
        wide = in_channels * group.expansion
        expand = [] if group.expansion == 1 else [_conv_norm(in_channels, wide)]
        depthwise = _conv_norm(wide, wide, group.kernel, stride, wide)
        self.convs = nn.ModuleList([*expand, depthwise, _conv_norm(wide, group.channels)])
        self.residual = stride == 1 and in_channels == group.channels
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for conv in self.convs[:-1]:
            out = self.relu(conv(out))
        out = self.convs[-1](out)
        return out + x if self.residual else out


class LiteNetwork(nn.Module):
    """A network of the family with fresh weights; it offers what `network.Network` offers.

    Args:
        table: its rows.
        num_classes: score maps of the 1x1 classifier.

    Images come normalized as for every other network (`images.normalize`); the first step takes them to this family's
    own range, (bytes - 127) / 128. `cell_edges` says that its cells do not lie like tiles, as the padding is uneven.
    """

    cell_edges = "measured"

    def __init__(self, table: LiteTable = LITE0, num_classes: int = 1000) -> None:
        super().__init__()
        self.classes: list[str] | None = None
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
        self.register_buffer("scale", std * 255 / 128, persistent=False)
        self.register_buffer("shift", (mean * 255 - 127) / 128, persistent=False)
        self.relu = nn.ReLU6(inplace=True)
        self.stem = _conv_norm(3, table.stem, 3, 2)
        self.levels = nn.ModuleDict()
        channels = table.stem
        for number, groups in table.levels():
            blocks = []
            for group in groups:
                for index in range(group.blocks):
                    blocks.append(LiteBlock(group, channels, group.stride if index == 0 else 1))
                    channels = group.channels
            self.levels[str(number)] = nn.Sequential(*blocks)
        self.head = _conv_norm(channels, table.head)
        self.classifier = nn.Conv2d(table.head, num_classes, 1)

    def _walk(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        x = self.relu(self.stem(x * self.scale + self.shift))
        for number, level in self.levels.items():
            x = level(x)
            yield int(number), x

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """The map that leaves each level, {level: (N, channels, H / reduction, W / reduction)}."""
        return dict(self._walk(x))

    def last_map(self, x: Tensor) -> Tensor:
        """The map that the classifier reads, (N, 1280, H / 32, W / 32) as trained: the last level's after the head."""
        for _, level_map in self._walk(x):
            x = level_map
        return self.relu(self.head(x))

    def score_map(self, x: Tensor) -> Tensor:
        """Class scores at every cell, (N, num_classes, H / 32, W / 32) as trained; their mean is `forward`'s logits."""
        return self.classifier(self.last_map(x))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, 3, H, W) of any size, by global average pooling."""
        return self.classifier(self.last_map(x).mean(dim=(2, 3), keepdim=True)).flatten(1)

    @property
    def feature_info(self) -> list[FeatureInfo]:
        """Level, channels, reduction and dilation of each map of `features`, in its order."""
        info, reduction = [], self.stem[0].stride[0]
        for number, level in self.levels.items():
            convs = [module for module in level.modules() if isinstance(module, nn.Conv2d)]
            reduction *= math.prod(conv.stride[0] for conv in convs)
            info.append(FeatureInfo(int(number), convs[-1].out_channels, reduction, convs[-2].dilation[0]))
        return info
