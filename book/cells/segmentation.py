"""The short real training of chapter 07's cell: small synthetic streets, a narrow DRN-A-18, one core.

It has to show in seconds that the loop learns something: it must beat the answer that does not look at the image by
`MARGIN`, and a test trains on masks of other images and fails that margin.
"""

from __future__ import annotations

import os

from drn_lib.datasets.base import ImageDataset, InMemory
from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.contract import IGNORE
from drn_lib.segmentation.inference import predict_labels
from drn_lib.segmentation.network import SegmentationNetwork
from drn_lib.segmentation.scores import position_prior

MARGIN = 5.0
"""Points of pixel accuracy, in percent, by which the trained network must beat the position prior."""

COUNTS = {"train": 96, "test": 32}
"""Scenes of 128 px that are rendered of each split."""


def scenes(split: str, count: int | None = None) -> InMemory:
    """Synthetic streets of 128 px, rendered once: `COUNTS` or `count`. "train" and "test" share no scene."""
    return InMemory(open_dataset("streets", split, count=count or COUNTS[split], size=128))


def real_scenes(count: int | None = None) -> tuple[ImageDataset, ImageDataset]:
    """What a chapter's `FULL = True` trains on and watches: CamVid's train and val splits.

    Args:
        count: for a test of the cell: so many synthetic streets of each split instead, so that nothing is downloaded.

    Raises:
        DatasetNotFound: CamVid is nowhere and could not be downloaded; the sentence says what to do.
    """
    if count and not os.environ.get("DRN_DATA"):
        return scenes("train", count), scenes("test", count)
    parts = [open_dataset("camvid", part) for part in ("train", "val")]
    return tuple(_First(part, count) for part in parts) if count else (InMemory(parts[0]), parts[1])


def points_over_prior(model: SegmentationNetwork, train_set: ImageDataset, unseen: ImageDataset) -> float:
    """How many points of pixel accuracy `model` is better than the most frequent class at each place, in percent.

    That prior is counted on `train_set`, and `unseen` is scored; all images of both have one size.
    """
    prior, right, right_by_prior, total = position_prior(train_set), 0, 0, 0
    for index in range(len(unseen)):
        truth = unseen[index]["mask"]
        counted = truth != IGNORE
        right += ((predict_labels(model, unseen[index]["image"]) == truth) & counted).sum().item()
        right_by_prior += ((prior == truth) & counted).sum().item()
        total += counted.sum().item()
    return 100.0 * (right - right_by_prior) / total


class _First(ImageDataset):
    """The first images of a set."""

    def __init__(self, dataset: ImageDataset, count: int):
        self.dataset, self.names, self.identity = dataset, dataset.names[:count], dataset.identity
        self.classes, self.mask_classes = dataset.classes, dataset.mask_classes

    def read(self, index: int) -> dict:
        return self.dataset[index]
