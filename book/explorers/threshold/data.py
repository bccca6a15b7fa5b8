"""What the explorer of the threshold knows: stored maps of one class, and the errors that the study measured.

Thresholds are mean + u * deviation of logits, for the 41 values of `book.studies.localization.U`. For the error curves
a run took mean and deviation over the validation images; for a stored map they are those of its one picture. A cell is
stored in one character as what matters there: how many thresholds its score exceeds, and whether the class wins.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from book.studies import results
from drn_lib.names import display_name

NETWORKS = ("resnet_18", "drn_a_18", "drn_b_26", "drn_c_26")
WEIGHTS = "classification/{}-s0"
CLASS = "espresso"
STUDY = "classification"
SETTINGS = {"clutter": "in clutter, 128 px", "localization.native": "plain, 64 px"}
FIRST = 35
"""The character of a cell that exceeds no threshold and does not win, "#"; from here on all can be printed."""


@dataclass(frozen=True)
class Picture:
    """A picture that maps are stored of."""

    image: object  # uint8 (3, size, size)
    label: str
    content: str
    place: tuple[int, int, int, int] | None  # the ground-truth box, pixel edges; None where nobody drew one
    setting: str  # of `book.studies.localization.measure`, the one whose images are most like this picture


def pictures() -> dict[str, Picture]:
    """Chapter 06's canvas, where the cup's place is known because it was put there, and its cup."""
    import torch

    from book.photographs import photograph

    left, top, side = 56, 40, 64
    around = [photograph(name, side) for name in ("chelsea", "astronaut", "hubble_deep_field", "gravel")]
    canvas = torch.cat([torch.cat(around[:2], 2), torch.cat(around[2:], 2)], 1)  # (3, 128, 128)
    canvas[:, top : top + side, left : left + side] = photograph("coffee", side)
    place = (left, top, left + side, top + side)
    content = "four photographs in a square with a cup of espresso laid over their middle"
    return {
        "canvas": Picture(canvas, "the cup on a canvas, its place known", content, place, "clutter"),
        "cup": Picture(photograph("coffee", 96), "the cup alone", "a cup of espresso", None, "localization.native"),
    }


def webp(image, mode: str = "RGB") -> bytes:
    """A picture uint8 (3, H, W) as WebP of a few kB; mode "L" is grey."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).convert(mode).save(buffer, "WEBP", quality=50, method=6)
    return buffer.getvalue()


def stored_map(name: str, image) -> dict:
    """A network's map of the class in a picture: cells a side, mean and deviation of the logits, and the cells."""
    import torch

    from book.studies.localization import U
    from drn_lib.checkpoints.weights import load_trained
    from drn_lib.images import normalize
    from drn_lib.localization.equations import class_evidence

    network = load_trained(WEIGHTS.format(name))
    with torch.inference_mode():
        score_map = network.score_map(normalize(image[None]))  # (1, C, h, w)
        own, wins = class_evidence(score_map, torch.tensor([network.classes.index(CLASS)]))
    mean, deviation = round(score_map.mean().item(), 2), round(score_map.std(correction=0).item(), 2)
    exceeded = (own[0, ..., None] > mean + deviation * U).sum(-1)  # (h, w), 0..41
    scores = encoded(exceeded.numpy(), wins[0].numpy())
    return {"cells": own.shape[1], "mean": mean, "deviation": deviation, "scores": scores}


def encoded(exceeded: np.ndarray, wins: np.ndarray) -> str:
    """The cells (h, w), row by row, one character each."""
    from book.studies.localization import U

    return "".join(map(chr, (FIRST + exceeded + (len(U) + 1) * wins).flatten().tolist()))


def decoded(scores: str) -> tuple[np.ndarray, np.ndarray]:
    """How many thresholds each cell exceeds, and whether it wins: the reverse of `encoded`, flat."""
    from book.studies.localization import U

    codes = np.array([ord(character) for character in scores]) - FIRST
    return codes % (len(U) + 1), codes > len(U)


def curves(setting: str) -> dict:
    """Of each measured network: which threshold the validation split chose for each seed, and the mean error on test.

    Errors are in tenths of a percent: that at the first threshold, then each one's difference from the one before.
    """
    from book.cells.localization import chosen_threshold, stored_curves

    found = {}
    for name in NETWORKS:
        stored = stored_curves(STUDY, name, setting)  # (seeds, 41, 4)
        if stored is not None:
            error = np.rint(10 * stored[:, :, 2].mean(axis=0).astype(float)).astype(int)
            found[name] = {"tune": [*map(chosen_threshold, stored)], "error": np.diff(error, prepend=0).tolist()}
    return found


def data(places: dict) -> dict:
    """All that `threshold.json` holds; `places` are those of `explorers.data.PLACES` of this kind."""
    from book.figures.style import network_color
    from book.studies.localization import U

    settings = {}
    for name, label in SETTINGS.items():
        counts = [count for network in NETWORKS for count in results.metric(STUDY, network, f"{name}.n").values]
        settings[name] = {"label": label, "images": int(max(counts, default=0)), "curves": curves(name)}
    found = {}
    for name, picture in pictures().items():
        maps = {network: stored_map(network, picture.image) for network in NETWORKS}
        found[name] = {"label": picture.label, "content": picture.content, "size": picture.image.shape[1]}
        found[name] |= {"place": picture.place, "setting": picture.setting, "maps": maps}
    labels = {name: [display_name(name), network_color(name)] for name in NETWORKS}
    thresholds = [U[0].item(), round((U[1] - U[0]).item(), 6), len(U)]  # the first, their distance, how many
    head = {"class": CLASS, "thresholds": thresholds, "networks": labels}
    return {**head, "pictures": found, "settings": settings, "places": places}


def settled(made: dict, stored: dict) -> dict:
    """`made`, but each map as it is stored where the two differ only by rounding.

    Another processor adds in another order, so that a score that lies on a threshold may fall to its other side.
    """
    pictures = {}
    for name, picture in made["pictures"].items():
        before = stored.get("pictures", {}).get(name, {}).get("maps", {})
        alike = {
            network: before[network] for network, own in picture["maps"].items() if _alike(own, before.get(network))
        }
        pictures[name] = picture | {"maps": picture["maps"] | alike}
    return made | {"pictures": pictures}


def _alike(own: dict, other: dict | None) -> bool:
    """The same map up to rounding: the same cells win, scores are at most one threshold apart."""
    if not other or own["cells"] != other["cells"] or len(own["scores"]) != len(other["scores"]):
        return False
    (exceeded, wins), (exceeded_before, wins_before) = decoded(own["scores"]), decoded(other["scores"])
    near = all(abs(own[key] - other[key]) < 0.015 for key in ("mean", "deviation"))
    return near and bool((wins == wins_before).all()) and int(np.abs(exceeded - exceeded_before).max()) <= 1
