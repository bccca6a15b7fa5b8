"""What each reading names on nine photographs, and whether its maps have a grid: the plan's first part."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

import torch
from torch import Tensor

from book.photographs import photograph
from book.studies.imagenet.readings import named, plan, read_as, store
from drn_lib import probing
from drn_lib.gridding import grid_contrast, lattice_fraction
from drn_lib.images import normalize
from drn_lib.lite import LiteNetwork

LOST_AT = {5: 16, 6: 32, "score_map": 32}
"""The output stride, as trained, of the maps that can lose strides."""


@torch.no_grad()
def measure(model: LiteNetwork) -> dict:
    """All readings of the plan on its photographs, stored and returned."""
    fits = plan()["photographs"]
    images = normalize(torch.stack([photograph(name) for name in fits]))
    document: dict = {"photographs": list(fits), "readings": {}}
    as_trained = strided = None
    for reading in plan()["readings"]:
        network = read_as(model, reading)
        maps = {**network.features(images), "score_map": network.score_map(images)}
        probability, index = maps["score_map"].mean(dim=(2, 3)).softmax(dim=1).max(dim=1)
        as_trained = index if as_trained is None else as_trained
        classes = [model.classes[number] for number in index]
        row = {"cells": maps["score_map"].shape[-1], "classes": classes, "probability": probability.tolist()}
        row["named_as_trained"] = int((index == as_trained).sum())
        row["fits"] = sum(name in wanted for name, wanted in zip(classes, fits.values()) if wanted)
        row.update(grids(maps, images.shape[-1]))
        scores = network.double().score_map(images.double())
        strided = scores if strided is None else strided
        step = 32 // reading[0]
        row["difference"] = probing.relative_difference(scores[..., ::step, ::step], strided)
        model.float()
        document["readings"][named(reading)] = row
    document["with_a_fitting_class"] = sum(bool(wanted) for wanted in fits.values())
    store("photographs", document)
    return document


def grids(maps: Mapping[int | str, Tensor], size: int) -> dict[str, dict]:
    """Lattice energy and grid contrast of the maps after a lost stride, image by image, and their means.

    The period is that of the strides lost before a map. Level 4, which has lost none, is measured at the last map's
    period, so that it says what the photographs themselves bring along.

    Args:
        maps: (N, C, h, w) by level, and "score_map".
        size: pixels a side of the images.

    Returns:
        {"lattice": {level: [N numbers]}, "contrast": ..., "mean_lattice": {level: number}, "mean_contrast": ...};
        levels whose maps have too few cells are left out.
    """
    last = maps["score_map"].shape[-1] * 32 // size
    found: dict[str, dict] = {"lattice": {}, "contrast": {}}
    for level, own in maps.items():
        side = own.shape[-1]
        period = last if level == 4 else side * LOST_AT.get(level, 0) // size
        if period > 1 and side >= 4 * period:
            found["lattice"][str(level)] = [lattice_fraction(one, period) for one in own]
            found["contrast"][str(level)] = grid_contrast(own, period).tolist()
    means = {f"mean_{key}": {level: fmean(each) for level, each in rows.items()} for key, rows in found.items()}
    return {**found, **means}
