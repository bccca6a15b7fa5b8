"""A network as the authors' code computes it: one PyTorch module after the other, in the memory order (N, C, H, W).

The modules have the names of the released code, so the released weights and those of our networks fit.

Source: drn.py of fyu/drn, whose constructors give the channels and the dilations that our tables hold.
"""

from __future__ import annotations

from torch import Tensor, nn

from drn_lib.architecture import Architecture, Convolution, Level, block_convolutions
from drn_lib.checkpoints.naming import module_names
from drn_lib.network import Network


def released(model: Network) -> nn.Module:
    """The same network, with the same weights, in the authors' modules; its forward pass gives the score map."""
    made = Released(model.table, model.classifier.out_channels)
    state = model.state_dict()
    theirs = dict(module_names(model.table, "released"))
    renamed = {f"{theirs[name]}.{part}": state[f"{name}.{part}"] for name, part in _split(state)}
    made.load_state_dict(renamed)
    return made.eval()


def _split(state: dict[str, Tensor]) -> list[tuple[str, str]]:
    return [(name, part) for name, _, part in (key.rpartition(".") for key in state)]


class Residual(nn.Module):
    """BasicBlock or Bottleneck: two or three normalized convolutions and the shortcut."""

    def __init__(self, rows: list[Convolution], residual: bool) -> None:
        super().__init__()
        self.count, self.residual = sum(not row.shortcut for row in rows), residual
        self.relu, self.downsample = nn.ReLU(inplace=True), None
        for number, row in enumerate(rows, 1):
            if row.shortcut:
                self.downsample = nn.Sequential(_conv(row), nn.BatchNorm2d(row.out_channels))
            else:
                setattr(self, f"conv{number}", _conv(row))
                setattr(self, f"bn{number}", nn.BatchNorm2d(row.out_channels))

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for number in range(1, self.count + 1):
            out = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(out))
            out = self.relu(out) if number < self.count else out
        if self.residual:
            out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Released(nn.Module):
    """A DRN or ResNet in the authors' modules: images (N, 3, H, W) to the score map (N, classes, H/8, W/8)."""

    def __init__(self, table: Architecture, num_classes: int) -> None:
        super().__init__()
        stem, channels = table.stem, table.stem.channels
        first = nn.Conv2d(3, channels, stem.kernel, stem.stride, stem.kernel // 2, bias=False)
        norm = nn.BatchNorm2d(channels)
        if table.family == "drn_d":
            self.layer0 = nn.Sequential(first, norm, nn.ReLU(inplace=True))
        else:
            self.conv1, self.bn1, self.relu = first, norm, nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if table.stem_level is not None else None
        before = 0 if table.stem_level is None else 2  # their layer1 of a ResNet is level 3
        self.names = [f"layer{level.number - before}" for level in table.levels]
        for name, level in zip(self.names, table.levels):
            setattr(self, name, _layer(level, channels))
            channels = level.out_channels
        self.fc = nn.Conv2d(channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer0(x) if hasattr(self, "layer0") else self.relu(self.bn1(self.conv1(x)))
        x = x if self.maxpool is None else self.maxpool(x)
        for name in self.names:
            x = getattr(self, name)(x)
        return self.fc(x)


def _layer(level: Level, channels: int) -> nn.Sequential:
    """One level; of the plain kind a convolution, a normalization and a ReLU follow each other."""
    modules: list[nn.Module] = []
    for block in range(level.blocks):
        rows = list(block_convolutions(level, block, channels))
        channels = level.out_channels
        if level.kind == "plain":
            modules += [_conv(rows[0]), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        else:
            modules.append(Residual(rows, level.residual))
    return nn.Sequential(*modules)


def _conv(row: Convolution) -> nn.Conv2d:
    grid = row.kernel, row.stride, row.padding, row.dilation
    return nn.Conv2d(row.in_channels, row.out_channels, *grid, bias=False)
