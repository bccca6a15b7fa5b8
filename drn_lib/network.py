"""A network from its table: blocks, levels, score map.

Shapes for a 224 px image, N images, C classes:

    level     1    2    3    4   5   6   7   8
    ResNet    -  112   56   28  14   7   -   -      score map (N, C, 7, 7)
    DRN-A     -  112   56   28  28  28   -   -      score map (N, C, 28, 28)
    DRN-B, C, D  224  112   56   28  28  28  28  28 score map (N, C, 28, 28)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from drn_lib.architecture import (
    Architecture,
    Convolution,
    architecture,
    block_convolutions,
    convolutions,
    require_buildable,
    scale_width,
)

Norm = Callable[[int], nn.Module]  # makes a normalization layer from its channel count


class ConvNorm(nn.Module):
    """A convolution without bias and its batch normalization: (N, in, H, W) to (N, out, H / stride, W / stride)."""

    def __init__(self, row: Convolution, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        grid = row.kernel, row.stride, row.padding, row.dilation
        self.conv = nn.Conv2d(row.in_channels, row.out_channels, *grid, bias=False)
        self.norm = norm(row.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class Block(nn.Module):
    """Convolutions in a row, `self.convs`, with ReLU between them, and the shortcut where there is one.

    Args:
        rows: the block's convolutions, its shortcut last (`architecture.block_convolutions`). A shortcut that is never
            added (DRN-C's levels 7 and 8) has no row: its parameters would get no gradient.
        residual: whether the input, or the shortcut's map of it, is added to what the last convolution gives.

    `link` scales what is added: 1 with a residual link, 0 without. A training may let a link fade
    (`training.starts`).
    """

    def __init__(self, rows: Sequence[Convolution], residual: bool, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.convs = nn.ModuleList(ConvNorm(row, norm) for row in rows if not row.shortcut)
        self.link = float(residual)
        self.shortcut = next((ConvNorm(row, norm) for row in rows if row.shortcut), None)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for conv in self.convs[:-1]:
            out = self.relu(conv(out))
        out = self.convs[-1](out)
        if self.link:
            out.add_(x if self.shortcut is None else self.shortcut(x), alpha=self.link)
        return self.relu(out)


class SharedFilter(nn.Module):
    """A learned kernel that is applied to every channel alike: (N, C, H, W) to the same. It begins as the identity."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(kernel, kernel))
        if not self.weight.is_meta:
            nn.init.dirac_(self.weight[None, None])

    def forward(self, x: Tensor) -> Tensor:
        return _each_channel(x, self.weight)


class Average(nn.Module):
    """A weighted mean around every `stride`-th cell of a map, with the same fixed weights along both axes.

    At the borders it is the mean of the cells inside the map.
    """

    def __init__(self, line: Sequence[float], stride: int = 1) -> None:
        super().__init__()
        self.line, self.stride = tuple(line), stride

    def forward(self, x: Tensor) -> Tensor:
        line = torch.tensor(self.line, dtype=x.dtype, device=x.device)
        kernel = torch.outer(line, line)
        inside = torch.ones(1, 1, *x.shape[2:], dtype=x.dtype, device=x.device)
        return _each_channel(x, kernel, self.stride) / _each_channel(inside, kernel, self.stride)


def _each_channel(x: Tensor, kernel: Tensor, stride: int = 1) -> Tensor:
    """A kernel (k, k) over each channel of maps (N, C, H, W), with zeros around."""
    channels, side = x.shape[1], len(kernel)
    # torch's backward pass of small channels-last maps corrupts memory (see `fast.layers.Convolution`)
    return conv2d(x.contiguous(), kernel.expand(channels, 1, side, side), None, stride, side // 2, groups=channels)


class SmoothedBlock(Block):
    """A block with smoothing filters before its dilated convolutions, or one on its sum, before the ReLU."""

    def __init__(self, rows: Sequence[Convolution], residual: bool, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__(rows, residual, norm)
        chain = [row for row in rows if not row.shortcut]
        self.before = nn.ModuleDict(
            {str(index): SharedFilter(row.before.kernel) for index, row in enumerate(chain) if row.before}
        )
        last = chain[-1].after
        self.after = nn.Identity() if last is None else SharedFilter(last.kernel) if last.learned else Average(SMOOTH)

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for index, conv in enumerate(self.convs):
            out = self.relu(out) if index else out
            out = conv(self.before[str(index)](out) if str(index) in self.before else out)
        if self.link:
            out.add_(x if self.shortcut is None else self.shortcut(x), alpha=self.link)
        return self.relu(self.after(out))


SMOOTH = (1, 2, 3, 4, 3, 2, 1)
"""[1 2 1] at dilation 2, then at dilation 1: 0 at 1/4 and 1/2 cycles a cell, so that grids of period 4 and 2 vanish."""
POOLS = {
    "max": lambda: nn.MaxPool2d(3, stride=2, padding=1),
    "blur": lambda: nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), Average((1, 2, 1), stride=2)),
}


@dataclass(frozen=True)
class FeatureInfo:
    """What to know of one level's map before computing it; `reduction` is its output stride in pixels."""

    level: int
    channels: int
    reduction: int
    dilation: int


class Network(nn.Module):
    """A ResNet or DRN built from its table.

    Args:
        table: the rows, at their final width.
        num_classes: score maps of the 1x1 classifier.
        norm: makes a normalization layer from its channel count.

    `classes` holds the classes' names where they are known (`checkpoints.load_trained` sets it), else None.

    The convolutions start from a normal distribution with standard deviation sqrt(2 / (k k out_channels)),
    batch normalization from weight 1 and bias 0, as in the released code.
    """

    def __init__(self, table: Architecture, num_classes: int = 1000, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.table = table
        self.classes: list[str] | None = None
        self.stem = ConvNorm(next(convolutions(table)), norm)
        self.relu = nn.ReLU(inplace=True)
        self.pool = next((POOLS[level.pool]() for level in table.levels if level.pool), None)
        self.levels = nn.ModuleDict()
        channels = table.stem.channels
        for level in table.levels:
            blocks = []
            for index in range(level.blocks):
                rows = list(block_convolutions(level, index, channels))
                kind = SmoothedBlock if any(row.before or row.after for row in rows) else Block
                blocks.append(kind(rows, level.residual, norm))
                channels = level.out_channels
            self.levels[str(level.number)] = nn.Sequential(*blocks)
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:  # on "meta" there are shapes only
                height, width = module.kernel_size
                nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / (height * width * module.out_channels)))

    def stem_map(self, x: Tensor) -> Tensor:
        """What the first convolution makes of images, (N, stem channels, H / stride, W / stride), after its ReLU."""
        return self.relu(self.stem(x))

    def _walk(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        """(level, its map) one by one, so that a caller that needs only the last map does not hold the others."""
        x = self.stem_map(x)
        if self.table.stem_level is not None:
            yield self.table.stem_level, x
        for level in self.table.levels:
            if level.pool:
                x = self.pool(x)
            x = self.levels[str(level.number)](x)
            yield level.number, x

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """The map that leaves each level, {level: (N, channels, H / reduction, W / reduction)}."""
        return dict(self._walk(x))

    def last_map(self, x: Tensor) -> Tensor:
        """The map that the classifier reads, (N, channels, H / 8, W / 8) for a DRN."""
        for _, level_map in self._walk(x):
            x = level_map
        return x

    def score_map(self, x: Tensor) -> Tensor:
        """Class scores at every cell, (N, num_classes, H / 8, W / 8) for a DRN; their mean is `forward`'s logits.

        Source: Fig. 2, the localization head.
        """
        return self.classifier(self.last_map(x))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, 3, H, W) of any size, by global average pooling."""
        pooled = self.last_map(x).mean(dim=(2, 3), keepdim=True)  # (N, channels, 1, 1)
        return self.classifier(pooled).flatten(1)

    @property
    def feature_info(self) -> list[FeatureInfo]:
        """Level, channels, reduction and dilation of each map of `features`, in its order."""
        stem, stem_level, info = self.table.stem, self.table.stem_level, []
        reduction = stem.stride
        if stem_level is not None:
            info.append(FeatureInfo(stem_level, stem.channels, reduction, 1))
        for level in self.table.levels:
            reduction *= level.reduction
            info.append(FeatureInfo(level.number, level.out_channels, reduction, level.dilation))
        return info


def create_model(name: str, num_classes: int = 1000, width: float = 1.0, dilation_rule: str | None = None) -> Network:
    """A network of the family with fresh weights.

    Args:
        name: one of `list_models()`, `list_ablations()` or `list_remedies()`, for instance "drn_c_26".
        num_classes: score maps of the 1x1 classifier.
        width: factor on all channels, which stay multiples of 4 and at least 8; 1.0 is the published network.
        dilation_rule: "exact", "levels" or "released" (see `architecture.DILATION_RULES`); None takes the
            family's default: "exact" for DRN-A, "levels" for B, C and D.

    Raises:
        ValueError: unknown name, unknown rule, a rule for a network without dilation, a width that there is not, or as
            `architecture.require_buildable`.

    Source: Figs. 1 and 5 of the paper; DRN-D from the released code.
    """
    table = scale_width(architecture(name, dilation_rule), width)
    require_buildable(table, num_classes)
    return Network(table, num_classes)


def fingerprint(model: nn.Module) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of all tensors: which weights a run began from."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
