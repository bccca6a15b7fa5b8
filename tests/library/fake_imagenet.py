"""A tiny ImageNet in the public layout, for tests: generated JPEGs of several sizes, the class told by the color."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from drn_lib.training.recipes import ClassificationRecipe, recipe

WNIDS = ("n01440764", "n01443537", "n01484850")
SIZES = ((40, 60), (64, 48), (50, 50), (45, 90))


def make(folder: Path, train: int = 4, val: int = 2) -> Path:
    """folder/imagenet with `train` and `val` images of each of three classes; returns `folder`."""
    random = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for channel, wnid in enumerate(WNIDS):
            place = folder / "imagenet" / split / wnid
            place.mkdir(parents=True)
            for number in range(count):
                height, width = SIZES[(number + channel) % len(SIZES)]
                pixels = random.integers(0, 90, (height, width, 3), dtype=np.uint8)
                pixels[..., channel] += 120
                Image.fromarray(pixels).save(place / f"{wnid}_{split}_{number}.JPEG", quality=95)
    return folder


def small_recipe(**changes) -> ClassificationRecipe:
    """The paper's recipe for thumbnails and a narrow network: three steps an epoch of the fake training set."""
    small = {"image_size": 32, "shorter_side": 36, "width": 0.125, "epochs": 2, "batch_size": 5, "lr": 0.01}
    return recipe("imagenet", **{**small, **changes})


def arguments(**changes) -> list[str]:
    """`small_recipe` on the command line."""
    small = small_recipe(**changes)
    names = ("image_size", "shorter_side", "width", "epochs", "batch_size", "lr")
    return ["--recipe", "imagenet", *(word for n in names for word in ("--set", f"{n}={getattr(small, n)}"))]
