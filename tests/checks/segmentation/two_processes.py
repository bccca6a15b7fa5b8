"""Trains a segmentation network in two processes that share each batch; run by segmentation/test_training.py.

python -m tests.checks.segmentation.two_processes FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from drn_lib.segmentation.network import make_backbone
from drn_lib.segmentation.training import train_segmentation
from tests.checks.segmentation.kill_and_resume import RECIPE, scenes
from tests.checks.two_processes import in_two_processes

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    train_set, val_set = scenes("train", 6), scenes("tune", 3)  # two of the latter for one process, one for the other

    def work(rank: int) -> None:
        torch.manual_seed(0)
        trained = train_segmentation(RECIPE, make_backbone("drn_d_22", RECIPE.width), 0, train_set, val_set)
        torch.save(trained.model.state_dict(), folder / f"{rank}.pt")
        (folder / f"{rank}.json").write_text(json.dumps(trained.curve))

    statuses = in_two_processes(work)
    if statuses != [0, 0]:
        raise SystemExit(f"the processes ended with {statuses}")
