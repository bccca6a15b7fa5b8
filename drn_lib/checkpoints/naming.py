"""How others name the tensors that our networks hold: released files, segmentation files, torchvision, pytorchcv.

Each scheme says, from only the table, what another code base calls every convolution, normalization and classifier
of ours. Nothing here imports torch.

    >>> from drn_lib.architecture import architecture
    >>> dict(module_names(architecture("drn_c_26"), "released"))["levels.1.0.convs.0.conv"]
    'layer1.0.conv1'
"""

from __future__ import annotations

from drn_lib.architecture import Architecture, Level, convolutions, filters

SCHEMES = ("ours", "released", "segmentation", "pytorchcv")
"""The naming schemes, by name:

``ours``          the names of `network.Network`
``released``      the authors' classifiers; for ResNet and DRN-A these are torchvision's names
``segmentation``  the authors' segmentation network: the classifier's parts renumbered as `base.N`, the head as `seg`
``pytorchcv``     the package pytorchcv; only DRN-C and DRN-D, because its ResNets come with either place of the
                  stride under the same names
"""
_CLASSIFIERS = {"ours": "classifier", "released": "fc", "segmentation": "seg", "pytorchcv": "output"}


def schemes(table: Architecture) -> tuple[str, ...]:
    """The naming schemes that exist for this network."""
    if any(one.learned for _, one in filters(table)):
        return ("ours",)  # no other code has such filters
    return SCHEMES if table.family in ("drn_c", "drn_d") else SCHEMES[:-1]


def module_names(table: Architecture, scheme: str) -> list[tuple[str, str]]:
    """Our name and theirs of every module that holds tensors, in the order that all of them share.

    Pairs such as ("stem.conv", "conv1"), at any width; a tensor's name is its module's with ".weight" and so on.

    Raises:
        ValueError: a scheme that is unknown or that has no names for this network.

    Source: the state-dict names of fyu/drn, torchvision and pytorchcv.
    """
    if scheme not in schemes(table):
        raise ValueError(f"{table.name} has no {scheme!r} names; choose one of {', '.join(schemes(table))}")
    names = []
    for row in convolutions(table):
        conv, norm = _conv_norm_names(table, scheme, row.name)
        names += [(f"{row.name}.conv", conv), (f"{row.name}.norm", norm)]
    names += [(one.name, one.name) for _, one in filters(table) if one.learned]
    return [*names, ("classifier", _CLASSIFIERS[scheme])]


def dead_modules(table: Architecture, scheme: str) -> list[tuple[str, int, int]]:
    """Shortcuts that the authors' code builds and never adds: (their prefix, in channels, out channels).

    The only one is in level 7 of DRN-C-58: after the convolutions of the first block, `<prefix>.0` (a 1x1 convolution)
    and `<prefix>.1` (its normalization).
    """
    if scheme not in ("released", "segmentation"):
        return []
    return [
        (f"{_level_name(table, scheme, level)}.0.downsample", before.out_channels, level.out_channels)
        for before, level in zip(table.levels, table.levels[1:], strict=False)
        if level.kind == "basic" and not level.residual and before.out_channels != level.out_channels
    ]


def _conv_norm_names(table: Architecture, scheme: str, name: str) -> tuple[str, str]:
    """What a scheme calls our convolution of that name and its normalization."""
    if scheme == "ours":
        return f"{name}.conv", f"{name}.norm"
    if name == "stem":
        return _stem_names(table, scheme)
    _, number, block, kind, *index = name.split(".")
    level, block, place = table.level(int(number)), int(block), int(index[0]) + 1 if index else 0
    if scheme == "pytorchcv":
        body = ".body" if level.kind == "plain" else f".body.conv{place}"
        unit = _unit_name(table, level, block) + (".identity_conv" if kind == "shortcut" else body)
        return f"{unit}.conv", f"{unit}.bn"
    within = _level_name(table, scheme, level)
    if kind == "shortcut":
        return f"{within}.{block}.downsample.0", f"{within}.{block}.downsample.1"
    if level.kind == "plain":  # convolution, normalization and ReLU are three children in a row
        return f"{within}.{3 * block}", f"{within}.{3 * block + 1}"
    return f"{within}.{block}.conv{place}", f"{within}.{block}.bn{place}"


def _stem_names(table: Architecture, scheme: str) -> tuple[str, str]:
    if scheme == "pytorchcv":
        return "features.init_block.conv", "features.init_block.bn"
    if table.family == "drn_d":  # one child that holds convolution and normalization
        first = "base.0" if scheme == "segmentation" else "layer0"
        return f"{first}.0", f"{first}.1"
    return ("base.0", "base.1") if scheme == "segmentation" else ("conv1", "bn1")


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
