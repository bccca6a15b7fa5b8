"""The explorer that sorts a map into its sub-lattices: stored maps of two networks, and its still picture.

A cell is stored in one character: its score in `SHADES` steps from the map's least to its largest.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from book.explorers.svg import picture, text
from drn_lib.names import display_name

NETWORKS = ("drn_a_18", "drn_c_26")
WEIGHTS = "classification/{}-s0"
PICTURES = {"rocket": ("projectile", "the rocket"), "coffee": ("espresso", "the cup")}
"""Photograph: the class whose map is stored, and what the page calls the picture."""
DILATION = 4
SHADES = 64
FIRST = 35
"""The character of the least score, "#"; from here on all can be printed, but the one that JSON would escape."""


def encoded(values: np.ndarray) -> str:
    """A map (h, w), row by row, one character a cell."""
    values = np.asarray(values, dtype=float)
    steps = np.rint((SHADES - 1) * (values - values.min()) / (values.max() - values.min())).astype(int)
    return "".join(_character(step) for step in steps.flatten())


def decoded(cells: str) -> np.ndarray:
    """The steps of each cell, flat: the reverse of `encoded`."""
    codes = np.array([ord(character) for character in cells])
    return codes - FIRST - (codes > ord("\\"))


def _character(step: int) -> str:
    code = FIRST + step
    return chr(code + (code >= ord("\\")))


def data(places: dict) -> dict:
    """All that `sort.json` holds; `places` are those of `explorers.data.PLACES` of this kind."""
    import torch

    from book.photographs import photograph
    from drn_lib.checkpoints.weights import load_trained
    from drn_lib.images import normalize

    networks = {name: load_trained(WEIGHTS.format(name)) for name in NETWORKS}
    maps = {}
    for name, (label, _) in PICTURES.items():
        x = normalize(photograph(name)[None])
        with torch.inference_mode():
            scores = {own: model.score_map(x)[0, model.classes.index(label)] for own, model in networks.items()}
        maps[name] = {own: encoded(score.numpy()) for own, score in scores.items()}
    labels = {name: f"{said}, class {label}" for name, (label, said) in PICTURES.items()}
    return {
        "dilation": DILATION,
        "shades": SHADES,
        "networks": {name: display_name(name) for name in NETWORKS},
        "pictures": labels,
        "maps": maps,
        "places": places,
    }


def settled(made: dict, stored: dict) -> dict:
    """`made`, but each map as stored where no cell is more than a step away: another processor rounds otherwise."""
    maps = {name: dict(of) for name, of in made["maps"].items()}
    for name, of in maps.items():
        for network, cells in of.items():
            before = stored.get("maps", {}).get(name, {}).get(network, "")
            if len(before) == len(cells) and np.abs(decoded(cells) - decoded(before)).max() <= 1:
                of[network] = before
    return made | {"maps": maps}


def likeness(cells: np.ndarray, dilation: int = DILATION) -> float:
    """How alike the sub-lattices of a map (h, w) are: the correlation of two of them, mean over all pairs."""
    side = len(cells) // dilation
    parts = np.asarray(cells, dtype=float).reshape(side, dilation, side, dilation).transpose(1, 3, 0, 2)
    found = np.corrcoef(parts.reshape(dilation**2, -1))
    return float(found[np.triu_indices(dilation**2, 1)].mean())


def still(place: dict, made: dict) -> str:
    """The maps of both networks as they are and sorted, for pages without JavaScript."""
    side, gap, parts, words = 160, 12, [], []
    step = side + gap
    for index, (name, label) in enumerate(made["networks"].items()):
        steps = decoded(made["maps"][place["picture"]][name])
        cells = steps.reshape(round(len(steps) ** 0.5), -1)
        for at, (values, said) in enumerate(((cells, label), (_sorted(cells), "sorted"))):
            x = index * (2 * step + 16) + at * step
            parts.append(text(x, 16, said))
            image = f"data:image/png;base64,{base64.b64encode(_png(values)).decode()}"
            place_of = f'x="{x}" y="26" width="{side}" height="{side}" style="image-rendering:pixelated"'
            parts.append(f'<image {place_of} href="{image}"/>')
        words.append(f"{label} {likeness(cells):.2f}")
    caption = (
        f"A still of the explorer, which needs JavaScript. {made['pictures'][place['picture']].capitalize()}: the map "
        f"of {' and of '.join(made['networks'].values())}, as it is and sorted into its sixteen sub-lattices. "
        f"Correlation of two of the sixteen, mean over all pairs: {', '.join(words)}."
    )
    alt = f"Two maps of 28 by 28 cells, each beside its sixteen maps of 7 by 7. {', '.join(words)}."
    return picture(26 + side + 8, parts, alt, caption)


def _sorted(cells: np.ndarray, dilation: int = DILATION) -> np.ndarray:
    """The sub-lattices of a map (h, w) side by side, in a map of the same size."""
    return np.block([[cells[i::dilation, j::dilation] for j in range(dilation)] for i in range(dilation)])


def _png(steps: np.ndarray) -> bytes:
    """A PNG of steps (h, w), w even, in 16 greys; not compressed, so that its bytes are the same everywhere."""
    height, width = steps.shape
    greys = np.rint(15 * steps / (SHADES - 1)).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in 16 * greys[:, ::2] + greys[:, 1::2])
    length, parity = len(rows), zlib.adler32(rows)
    stored = b"\x78\x01\x01" + struct.pack("<HH", length, length ^ 0xFFFF) + rows + struct.pack(">I", parity)
    head = struct.pack(">IIBBBBB", width, height, 4, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", stored), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
