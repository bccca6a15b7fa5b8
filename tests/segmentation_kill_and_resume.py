"""Kills a segmentation training at random moments; the script's ways are those of kill_and_resume.py.

python tests/segmentation_kill_and_resume.py FOLDER KILLS SEED
"""

from __future__ import annotations

from pathlib import Path

import kill_and_resume
import torch

from drn_lib import segmentation_training, training_loop
from drn_lib.datasets import open_dataset
from drn_lib.segmentation import make_backbone
from drn_lib.segmentation_recipes import SegmentationRecipe
from drn_lib.training_loop import Trained

RECIPE = SegmentationRecipe("kill", "streets", 24, 0.125, 3, 2, 0.05, scale=1.5, rotation=5.0, head_lr=0.1)

TAKEN = (("train", 5), ("tune", 1))


def run(folder: Path | None) -> Trained:
    torch.manual_seed(3)
    backbone = make_backbone("drn_d_22", RECIPE.width)
    train_set, val_set = (open_dataset("streets", part, count=count, size=64) for part, count in TAKEN)
    return segmentation_training.train_segmentation(RECIPE, backbone, 3, train_set, val_set, folder)


if __name__ == "__main__":
    training_loop.STATE_EVERY_SECONDS = 0.0  # a state after every step: kills also hit the writing
    kill_and_resume.run = run
    kill_and_resume.main()
