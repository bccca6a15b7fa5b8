"""A study of some seconds, for tests: three tiny networks on a few random images."""

import hashlib
from dataclasses import replace

import torch

from book.studies import files, plans, runs
from book.studies.maps import grids
from drn_lib import paths
from drn_lib.training.recipes import ClassificationRecipe

TINY = ClassificationRecipe(
    "tiny", "random", image_size=16, width=0.125, epochs=2, batch_size=4, lr=0.05, crop_padding=2
)
PLAN = plans.Plan(
    "trial",
    {
        "drn_a_18": plans.Variant("drn_a_18", "drn_a_18", TINY),
        "resnet_18": plans.Variant("resnet_18", "resnet_18", TINY),
        "a_levels": plans.Variant("a_levels", "drn_a_18", replace(TINY, image_size=24), "levels"),
    },
    (
        plans.Wave(("drn_a_18", "resnet_18"), (0,), keep_weights=(0,)),
        plans.Wave(("drn_a_18", "resnet_18"), (0, 1)),
        plans.Wave(("a_levels",), (0,), optional=True),
    ),
)


class RandomSet:
    """Twelve random images of three classes, other ones in each part."""

    classes = ["a", "b", "c"]

    def __init__(self, part):
        self.part = part
        generator = torch.Generator().manual_seed(len(part))
        self.images = torch.randint(0, 256, (12, 3, 16, 16), generator=generator, dtype=torch.uint8)
        self.labels = torch.arange(12) % 3
        self.fingerprint = hashlib.sha256(part.encode()).hexdigest()

    def __len__(self):
        return len(self.labels)

    def arrays(self):
        return self.images, self.labels


def redirect(monkeypatch, folder):
    """Results, weights and working folders under `folder`; random images for data. Gives the parts as they open."""
    monkeypatch.setattr(files, "results_dir", lambda: folder / "results")
    monkeypatch.setattr(paths, "checkpoints_dir", lambda: folder / "checkpoints")
    monkeypatch.setenv("DRN_CACHE", str(folder / "cache"))
    opened = []
    monkeypatch.setattr(runs, "open_dataset", lambda name, part, **options: opened.append(part) or RandomSet(part))
    monkeypatch.setattr(grids, "IMAGES", 2)
    monkeypatch.setattr(grids, "SIZE", 128)  # period 4 needs 16 cells a side
    return opened
