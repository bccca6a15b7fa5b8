"""What the explorers in the pages know, written by `make numbers` to `_static/explorers/`, a file for each kind.

Each file also says how its explorer opens at each place in a chapter. The pages compute with copies of
`drn_lib.geometry`, of chapter 04's toy and of the boxes of `drn_lib.localization` in JavaScript, and tests compare
them. Each place also gets a still picture with its own caption, for pages without JavaScript.
"""

from __future__ import annotations

import importlib.util
import json
import re

from book import ROOT
from book.explorers import sort as sorting
from book.explorers.networks import KINDS, level_blocks, level_text, variants, version
from book.explorers.threshold import data as threshold_data
from drn_lib.names import display_name
from drn_lib.paths import replacing

FOLDER = ROOT / "book" / "_static" / "explorers"
PHOTOGRAPH = "chelsea"

PLACES = {
    "receptive-01": {"kind": "receptive", "left": "resnet_18", "right": "drn_a_18", "level": 6, "back": 0},
    "receptive-02": {"kind": "receptive", "left": "drn_a_18", "right": "drn_a_18_levels", "level": 6, "back": 5},
    "sort-03": {"kind": "sort", "picture": "rocket", "network": "drn_a_18"},
    "gridding-03": {"kind": "gridding", "dilations": [4, 4], "input": "cell", "relu": False, "presets": "joining"},
    "gridding-04": {"kind": "gridding", "dilations": [2], "input": "smooth", "relu": True, "presets": "tails"},
    "threshold-06": {"kind": "threshold", "picture": "canvas", "network": "drn_a_18", "threshold": 20},
}
"""Where an explorer stands, and how it opens; a chapter names its place in a comment, `<!-- explorer:PLACE -->`."""


PRESETS = {
    "joining": [["2, 2", [2, 2], False], ["4, 4", [4, 4], False], ["4, 4, 2, 1", [4, 4, 2, 1], False]],
    "tails": [["2", [2], False], ["1, 1", [1, 1], False], ["1, 2", [1, 2], False], ["2, 1", [2, 1], False]]
    + [["2, 1 with links", [2, 1], True]],
}
"""Buttons of the explorer of gridding: what each says, its dilations, and whether the last two layers have links."""
TITLES = {
    "receptive-01": "what a cell sees",
    "receptive-02": "what two readings use",
    "sort-03": "one map, or sixteen",
    "gridding-03": "layers that join sub-lattices",
    "gridding-04": "tails against the grid",
    "threshold-06": "the threshold and its box",
}
"""The heading of the explorer at each place, which the contents of its page repeat (`extensions.explorers`)."""


def places(kind: str) -> dict:
    """The places of one kind of explorer, each with its heading."""
    return {name: place | {"title": TITLES[name]} for name, place in PLACES.items() if place["kind"] == kind}


def receptive() -> dict:
    """All that `receptive.json` holds: every network of the book as chains of layers."""
    from book.figures import style

    levels: dict[str, int] = {}  # each different level once; networks name them by their index
    networks = {}  # by name: label, color, which of KINDS it was built as, and its levels in each of them
    for name, network in variants().items():
        label = display_name(network.name) + ("" if name == network.name else f", rule {network.dilation_rule}")
        networks[name] = [
            label,
            style.network_color(name),
            KINDS.index("dilation" if network.dilation_rule else "stride"),
        ]
        for kind in KINDS:
            found = map(level_text, level_blocks(version(network, kind)))
            networks[name].append([levels.setdefault(level, len(levels)) for level in found])
    own = [[3, 1, 1, 0], [3, 1, 2, 0], [3, 1, 2, 0]]  # kernel, stride, dilation, residual
    return {"networks": networks, "levels": list(levels), "own": own, "places": places("receptive")}


def gridding() -> dict:
    """All that `gridding.json` holds: the colors of sub-lattices, and the lattice of chapter 04."""
    from book.cells.gridding import tile
    from book.figures import style

    lattice = {"cells": 28, "begin": 12}  # the whole reach of cell 12 lies inside
    lattice["tile"] = [[round(value, 6) for value in row] for row in tile(4, 4).tolist()]
    colors = {d: style.sublattice_colors(d) for d in (1, 2, 4)}
    return {"sublattices": colors, "lattice": lattice, "presets": PRESETS, "places": places("gridding")}


def threshold() -> dict:
    """All that `threshold.json` holds; maps that differ from the stored ones only by rounding stay as they are."""
    made, path = threshold_data.data(places("threshold")), FOLDER / "threshold.json"
    return threshold_data.settled(made, json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else made


def sort() -> dict:
    """All that `sort.json` holds; maps that differ from the stored ones only by rounding stay as they are."""
    made, path = sorting.data(places("sort")), FOLDER / "sort.json"
    return sorting.settled(made, json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else made


def files() -> dict[str, str]:
    """Name and text of each file that is made, without the pictures."""
    from book.explorers import stills
    from book.explorers.threshold.still import threshold as threshold_still

    draw = {"receptive": stills.receptive, "gridding": stills.gridding}
    draw |= {"sort": sorting.still, "threshold": threshold_still}
    made = {"receptive": receptive(), "gridding": gridding(), "sort": sort(), "threshold": threshold()}
    texts = {f"{kind}.json": _written(known) for kind, known in made.items()}
    pictures = ((name, place["kind"], place) for name, place in PLACES.items())
    return texts | {f"{name}.svg": draw[kind](place, made[kind]) for name, kind, place in pictures}


def _written(known: dict) -> str:
    """JSON without spaces, but a line for each network and each map, so that changes can be read."""
    text = json.dumps(known, separators=(",", ":"), ensure_ascii=False)
    return re.sub(r'"\w+":(?=\[?\{?"(ResNet|DRN|cells|tune))', r"\n\g<0>", text) + "\n"


def images() -> dict[str, bytes]:
    """Name and content of each picture: what receptive fields are drawn on, and what maps are stored of."""
    from book.photographs import photograph

    webp, pictures = threshold_data.webp, threshold_data.pictures()
    found = {f"{name}.webp": webp(picture.image) for name, picture in pictures.items()}
    return found | {"photograph.webp": webp(photograph(PHOTOGRAPH), mode="L")}


def refresh(check: bool) -> list[str]:
    """Write what differs; with `check` write nothing and return a line for each file that differs.

    Where torch or matplotlib is missing nothing is done, and a line on the screen says so.
    """
    if any(importlib.util.find_spec(name) is None for name in ("torch", "matplotlib")):
        print("left the explorers as they are: they need torch and matplotlib (`make test` installs both)")
        return []
    stored = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.is_file()}
    texts = {name: text.encode() for name, text in files().items()}
    old = {name: text for name, text in texts.items() if stored.get(name) != text}
    # Another version of the encoder makes other bytes of the same picture, so those that are there stay.
    missing = {name: content for name, content in images().items() if name not in stored}
    if check:
        problems = [f"book/_static/explorers/{name} differs from drn_lib: run `make numbers`" for name in old]
        return problems + [f"book/_static/explorers/{name} is missing: run `make numbers`" for name in missing]
    for name, content in (old | missing).items():
        with replacing(FOLDER / name) as temporary:
            temporary.write_bytes(content)
        if name in old:
            print(f"wrote {name}")
    return []
