"""Kills a segmentation training at steps drawn at random; the script's ways are those of kill_and_resume.py.

python -m tests.checks.segmentation.kill_and_resume FOLDER KILLS SEED
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from drn_lib.datasets.base import InMemory
from drn_lib.datasets.catalog import open_dataset
from drn_lib.segmentation import training
from drn_lib.segmentation.network import make_backbone
from drn_lib.training import loop
from drn_lib.training.loop import RunOptions, Trained
from drn_lib.training.recipes import SegmentationRecipe
from tests.checks import kill_and_resume

RECIPE = SegmentationRecipe(
    "kill", "streets", crop=24, width=0.125, epochs=3, batch_size=2, lr=0.05, scale=1.5, rotation=5.0, head_lr=0.1
)

TAKEN = (("train", 5), ("tune", 1))


@cache
def scenes(part: str, count: int) -> InMemory:
    """Rendered once, before the first fork."""
    return InMemory(open_dataset("streets", part, count=count, size=64))


def run(folder: Path | None) -> Trained:
    torch.manual_seed(3)
    backbone = make_backbone("drn_d_22", RECIPE.width)
    train_set, val_set = (scenes(*taken) for taken in TAKEN)
    return training.train_segmentation(RECIPE, backbone, 3, train_set, val_set, options=RunOptions(folder))


if __name__ == "__main__":
    loop.STATE_EVERY_SECONDS = 0.0  # a state after every step: kills also hit the writing
    kill_and_resume.run = run
    kill_and_resume.main()
