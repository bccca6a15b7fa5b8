"""How others name the tensors that our networks hold: released files, segmentation files, torchvision, pytorchcv.

Each scheme says, from only the table, what another code base calls every convolution, normalization and classifier
of ours. Nothing here imports torch.

    >>> from drn_lib.architecture import architecture
    >>> dict(module_names(architecture("drn_c_26"), "released"))["levels.1.0.convs.0.conv"]
    'layer1.0.conv1'
"""

from __future__ import annotations

from collections.abc import Iterator

from drn_lib.architecture import Architecture, Level, convolutions

SCHEMES = ("ours", "released", "segmentation", "pytorchcv")
"""The naming schemes, by name:

``ours``          the names of `network.Network`
``released``      the authors' classifiers; for ResNet and DRN-A these are torchvision's names
``segmentation``  the authors' segmentation network: the classifier's parts renumbered as `base.N`, the head as `seg`
``pytorchcv``     the package pytorchcv; only DRN-C and DRN-D, because its ResNets come with either place of the
                  stride under the same names
"""

_CLASSIFIERS = {"ours": "classifier", "released": "fc", "segmentation": "seg", "pytorchcv": "output"}

# Ours and theirs of a convolution with its normalization: (our prefix, their convolution, their normalization).
Row = tuple[str, str, str]


def schemes(table: Architecture) -> tuple[str, ...]:
    """The naming schemes that exist for this network."""
    return SCHEMES if table.family in ("drn_c", "drn_d") else SCHEMES[:-1]


def module_names(table: Architecture, scheme: str) -> list[tuple[str, str]]:
    """Our name and theirs of every module that holds tensors, in the order that all of them share.

    Args:
        table: the network's rows; the width does not matter.
        scheme: one of `schemes(table)`.

    Returns:
        Pairs such as ("stem.conv", "conv1"); a tensor's name is its module's with ".weight" and so on.

    Raises:
        ValueError: a scheme that is unknown or that has no names for this network.

    Source: the state-dict names of fyu/drn, torchvision and pytorchcv.
    """
    if scheme not in schemes(table):
        raise ValueError(f"{table.name} has no {scheme!r} names; choose one of {', '.join(schemes(table))}")
    names = []
    for ours, conv, norm in _rows(table, scheme):
        if scheme == "ours":
            conv, norm = f"{ours}.conv", f"{ours}.norm"
        names += [(f"{ours}.conv", conv), (f"{ours}.norm", norm)]
    return [*names, ("classifier", _CLASSIFIERS[scheme])]


def dead_modules(table: Architecture, scheme: str) -> list[tuple[str, int, int]]:
    """Shortcuts that the authors' code builds and never adds: (their prefix, in channels, out channels).

    The only one is in level 7 of DRN-C-58. It would stand after the convolutions of that level's first block, as
    `<prefix>.0` (a 1x1 convolution) and `<prefix>.1` (its normalization).
    """
    if scheme not in ("released", "segmentation"):
        return []
    return [
        (f"{_level_name(table, scheme, level)}.0.downsample", before.out_channels, level.out_channels)
        for before, level in zip(table.levels, table.levels[1:], strict=False)
        if level.kind == "basic" and not level.residual and before.out_channels != level.out_channels
    ]


def _rows(table: Architecture, scheme: str) -> Iterator[Row]:
    """All convolutions in order: the stem, then block by block, a block's shortcut last."""
    for row in convolutions(table):
        if row.name == "stem":
            yield row.name, *_stem_names(table, scheme)
            continue
        _, number, block, kind, *index = row.name.split(".")
        level, block = table.level(int(number)), int(block)
        if kind == "shortcut":
            yield row.name, *_shortcut_names(table, scheme, level, block)
        else:
            yield row.name, *_convolution_names(table, scheme, level, block, int(index[0]))


def _stem_names(table: Architecture, scheme: str) -> tuple[str, str]:
    if scheme == "pytorchcv":
        return "features.init_block.conv", "features.init_block.bn"
    first = {"segmentation": "base.0", "released": "layer0"}.get(scheme, "")
    if table.family == "drn_d":  # one child that holds convolution and normalization
        return f"{first}.0", f"{first}.1"
    return ("base.0", "base.1") if scheme == "segmentation" else ("conv1", "bn1")


def _convolution_names(table: Architecture, scheme: str, level: Level, block: int, index: int) -> tuple[str, str]:
    name = _level_name(table, scheme, level)
    if scheme == "pytorchcv":
        inside = "" if level.kind == "plain" else f".conv{index + 1}"
        unit = f"{_unit_name(table, level, block)}.body{inside}"
        return f"{unit}.conv", f"{unit}.bn"
    if level.kind == "plain":  # convolution, normalization and ReLU are three children in a row
        return f"{name}.{3 * block}", f"{name}.{3 * block + 1}"
    return f"{name}.{block}.conv{index + 1}", f"{name}.{block}.bn{index + 1}"


def _shortcut_names(table: Architecture, scheme: str, level: Level, block: int) -> tuple[str, str]:
    if scheme == "pytorchcv":
        unit = f"{_unit_name(table, level, block)}.identity_conv"
        return f"{unit}.conv", f"{unit}.bn"
    shortcut = f"{_level_name(table, scheme, level)}.{block}.downsample"
    return f"{shortcut}.0", f"{shortcut}.1"


def _level_name(table: Architecture, scheme: str, level: Level) -> str:
    """layerN, or base.N where the segmentation network renumbered the classifier's children."""
    if table.stem_level is not None:  # torchvision calls level 3 layer1; conv1, bn1, ReLU and pooling come before it
        return f"base.{level.number + 1}" if scheme == "segmentation" else f"layer{level.number - 2}"
    before = 0 if table.family == "drn_d" else 2  # DRN-C's stem is three children: conv1, bn1, ReLU
    return f"base.{level.number + before}" if scheme == "segmentation" else f"layer{level.number}"


def _unit_name(table: Architecture, level: Level, block: int) -> str:
    """pytorchcv counts units through a stage, and its stage 4 is levels 4 to 8: all of one resolution."""
    stage = min(level.number, 4)
    earlier = sum(other.blocks for other in table.levels if stage <= other.number < level.number)
    return f"features.stage{stage}.unit{earlier + block + 1}"
