"""The networks that an explorer can show, and their layers as the pages read them."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from drn_lib import geometry
from drn_lib.architecture import Architecture, architecture, dilation_rules, first_dilation, list_models

KINDS = ("stride", "dilation", "neither")


def variants() -> dict[str, Architecture]:
    """Every network of the book, and DRN-A-18 by its other two rules, by name."""
    found = {}
    for name in list_models():
        found[name] = architecture(name)
        if name == "drn_a_18":
            found |= {f"{name}_{rule}": architecture(name, rule) for rule in dilation_rules(name)[1:]}
    return found


def version(network: Architecture, kind: str) -> Architecture:
    """The network with its last two strides in the form `kind`, one of KINDS; all else as it is.

    "dilation"  levels 5 and 6 keep stride 1 and are dilated: a DRN as it is, a ResNet by the exact rule
    "stride"    levels 5 and 6 have stride 2 and no level is dilated
    "neither"   levels 5 and 6 have stride 1 and no level is dilated
    """
    if kind == "dilation" and network.dilation_rule is not None:
        return network
    levels = []
    for level in network.levels:
        changed = {"dilation": 1, "first_dilation": (1, 1)}
        if level.number in (5, 6):
            changed["stride"] = 2 if kind == "stride" else 1
            if kind == "dilation":
                before, after = {5: (1, 2), 6: (2, 4)}[level.number]
                changed |= {"dilation": after, "first_dilation": first_dilation("exact", before, after)}
        levels.append(replace(level, **changed))
    return replace(network, levels=tuple(levels))


def level_blocks(network: Architecture) -> list[list]:
    """The network's layers by level, as the pages read them: [number, [times, [k, s, d], ...], ...] for each.

    Equal blocks in a row are written once. The padding is left out, since it is d * (k // 2) in every layer.
    """
    first, levels = network.levels[0].number, {}
    stem = network.stem_level or first
    for name, rows in groupby(geometry.layers(network), key=lambda layer: layer.name.rsplit(".convs.", 1)[0]):
        rows = list(rows)
        if any(row.padding != row.dilation * (row.kernel // 2) for row in rows):
            raise ValueError(f"{network.name}: the padding of {name} is not d * (k // 2), as the pages take it to be")
        number = stem if name.startswith("stem") else first if name == "pool" else int(name.split(".")[1])
        blocks = levels.setdefault(number, [])
        block = [[row.kernel, row.stride, row.dilation] for row in rows]
        if blocks and blocks[-1][1:] == block:
            blocks[-1][0] += 1
        else:
            blocks.append([1, *block])
    return [[number, *blocks] for number, blocks in levels.items()]


def level_text(level: list) -> str:
    """One of `level_blocks` in a few characters: number, blocks; times x layers; "321" is kernel 3, stride 2, d 1."""
    number, *blocks = level
    texts = [f"{times}x" + ",".join("".join(map(str, row)) for row in rows) for times, *rows in blocks]
    return " ".join([str(number), *texts])
