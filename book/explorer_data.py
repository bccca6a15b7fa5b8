"""What the explorers in the pages know, written by `make numbers` to `_static/explorers/`.

`data.json` holds every network of the book as chains of layers (from `drn_lib.geometry`), the book's colors, the
lattice of chapter 04 and, for each place in a chapter, how its explorer opens. The pages compute with a copy of
`drn_lib.geometry` and of `drn_lib.gridding.lattice_energy` in JavaScript, and a test compares the two. Each place
also gets a still picture, for pages without JavaScript: `explorer_stills.py` draws it.
"""

from __future__ import annotations

import importlib.util
import io
import json
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from drn_lib import geometry
from drn_lib.architecture import Architecture, architecture, dilation_rules, first_dilation, list_models
from drn_lib.names import display_name
from drn_lib.paths import replacing

FOLDER = Path(__file__).resolve().parent / "_static" / "explorers"
PHOTOGRAPH = "chelsea"

PLACES = {
    "receptive-01": {"kind": "receptive", "left": "resnet_18", "right": "drn_a_18", "level": 6, "back": 0},
    "receptive-02": {"kind": "receptive", "left": "drn_a_18", "right": "drn_a_18_levels", "level": 6, "back": 5},
    "gridding-03": {"kind": "gridding", "first": [2, 2], "falling": False, "links": False, "input": "cell"},
    "gridding-04": {"kind": "gridding", "first": [4, 4], "falling": True, "links": False, "input": "cell"},
}
"""Where an explorer stands, and how it opens; a chapter names its place in a comment, `<!-- explorer:PLACE -->`."""

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
        dilation, first, stride = 1, (1, 1), level.stride
        if level.number in (5, 6):
            stride = 2 if kind == "stride" else 1
            if kind == "dilation":
                before, dilation = {5: (1, 2), 6: (2, 4)}[level.number]
                first = first_dilation("exact", before, dilation)
        levels.append(replace(level, stride=stride, dilation=dilation, first_dilation=first))
    return replace(network, levels=tuple(levels))


def level_blocks(network: Architecture) -> list[list]:
    """The network's layers by level, as the pages read them: [number, [times, [k, s, d], ...], ...] for each.

    Equal blocks in a row are written once. The padding is left out, since it is d * (k // 2) in every layer.
    """
    levels: dict[int, list] = {}
    first = network.levels[0].number
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


def data() -> dict:
    """All that `data.json` holds."""
    from drn_lib import gridding, plotting
    from drn_lib.figures_gridding import tile

    levels: list[list] = []  # each different level once; networks name them by their index

    def indices(network: Architecture) -> list[int]:
        found = level_blocks(network)
        levels.extend(level for level in found if level not in levels)
        return [levels.index(level) for level in found]

    networks = []
    for name, network in variants().items():
        rule = "" if name == network.name else f", rule {network.dilation_rule}"
        entry = {"name": name, "label": display_name(network.name) + rule, "color": plotting.network_color(name)}
        entry["built"] = "dilation" if network.dilation_rule else "stride"
        networks.append(entry | {kind: indices(version(network, kind)) for kind in KINDS})
    return {
        "networks": networks,
        "levels": levels,
        "own": [[3, 1, 1, 0], [3, 1, 2, 0], [3, 1, 2, 0]],  # kernel, stride, dilation, residual
        "sublattices": {d: plotting.sublattice_colors(d) for d in (1, 2, 4)},
        "lattice": {
            "cells": 28,
            "begin": 12,  # row and column of the active cell: its whole reach lies inside
            "period": 4,
            "amplitude": 0.5,
            "tile": [[round(value, 6) for value in row] for row in tile(4, 4).tolist()],
            "white": round(gridding.white_noise_energy(28, 4), 3),
        },
        "places": PLACES,
    }


def files() -> dict[str, str]:
    """Name and text of each file that is made, without the photograph."""
    import explorer_stills

    made = data()
    stills = {name: explorer_stills.still(place, made) for name, place in PLACES.items()}
    made["places"] = {
        name: place | {"alt": stills[name].alt, "caption": stills[name].caption} for name, place in PLACES.items()
    }
    text = json.dumps(made, separators=(",", ":"), ensure_ascii=False).replace('{"name"', '\n{"name"')
    return {"data.json": text + "\n", **{f"{name}.svg": still.svg for name, still in stills.items()}}


def photograph() -> bytes:
    """The picture that the receptive fields are drawn on, 224 px, grey, as WebP of a few kB."""
    from PIL import Image

    from drn_lib.photographs import photograph as load

    buffer = io.BytesIO()
    picture = Image.fromarray(load(PHOTOGRAPH).permute(1, 2, 0).numpy()).convert("L")
    picture.save(buffer, "WEBP", quality=60)
    return buffer.getvalue()


def refresh(check: bool) -> list[str]:
    """Write what differs; with `check` write nothing and return a line for each file that differs.

    The measure of grids and the tables' colors need torch and matplotlib. Where they are missing nothing is done,
    and a line on the screen says so.
    """
    if any(importlib.util.find_spec(name) is None for name in ("torch", "matplotlib")):
        print("left the explorers as they are: they need torch and matplotlib (`make test` installs both)")
        return []
    problems = []
    for name, text in files().items():
        path = FOLDER / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            problems.append(f"book/_static/explorers/{name} differs from drn_lib: run `make numbers`")
            continue
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"wrote {name}")
    picture = FOLDER / "photograph.webp"
    if not picture.is_file():  # another version of the encoder makes other bytes of the same picture
        if check:
            problems.append("book/_static/explorers/photograph.webp is missing: run `make numbers`")
        else:
            picture.write_bytes(photograph())
    return problems
