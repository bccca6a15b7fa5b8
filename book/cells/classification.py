"""The short real training of a chapter's cell: synthetic pictures of three shapes, a narrow DRN-D-22, one core.

It has to show in seconds that the loop learns something: it must beat the best constant answer on unseen pictures by
`MARGIN`, and a test trains on shuffled labels and fails that margin.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor

from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.catalog import open_dataset
from drn_lib.evaluation.classification import predict, topk_error
from drn_lib.network import Network

SHAPES = ("disc", "ring", "stripes")
"""The synthetic classes that such a short training can tell apart."""

MARGIN = 12.0
"""Points of top-1 error, in percent, by which the trained network must beat the best constant answer."""

_RENDERED = {"train": 2500, "test": 1500}  # pictures of all ten classes; three in ten are kept


def pictures(split: str, count: int | None = None) -> tuple[Tensor, Tensor]:
    """Synthetic pictures of `SHAPES` among clutter, the first `count`: uint8 (N, 3, 64, 64) and labels (N,), 0 to 2.

    The splits "train" and "test" share no picture.
    """
    dataset = open_dataset("shapes", split, count=_RENDERED[split])
    kept = [dataset.classes.index(name) for name in SHAPES]
    chosen = [index for index, label in enumerate(dataset.labels) if label in kept][:count]
    labels = torch.tensor([kept.index(dataset.labels[index]) for index in chosen])
    return torch.stack([dataset.image(index) for index in chosen]), labels


def real_pictures(
    count: int | None = None, partition: str | None = "tiny-imagenet-20"
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], int]:
    """What a chapter's `FULL = True` trains on: the training and validation splits of 20 classes of Tiny-ImageNet.

    Args:
        count: for a test of the cell: so many pictures of each split, synthetic ones where DRN_DATA is not set, so that
            nothing is downloaded.
        partition: None takes all classes instead, with the archive's own parts "train" and "val".

    Returns:
        (images, labels) of the training split, the same of the validation split, and the number of classes.

    Raises:
        DatasetNotFound: Tiny-ImageNet is nowhere and could not be downloaded; the sentence says what to do.
    """
    if count and not os.environ.get("DRN_DATA"):
        return pictures("train", count), pictures("test", count), len(SHAPES)
    names = ("train", "tune") if partition else ("train", "val")
    parts = [open_dataset("tiny-imagenet", part, partition=partition) for part in names]
    train, val = (_part(dataset, count) for dataset in parts)
    return train, val, len(parts[0].classes)


def _part(dataset: ImageDataset, count: int | None) -> tuple[Tensor, Tensor]:
    """All images and labels, or `count` of them, evenly spread so that most classes occur."""
    if not count:
        return dataset.arrays()
    chosen = range(0, len(dataset), max(1, len(dataset) // count))[:count]
    return torch.stack([dataset.image(index) for index in chosen]), torch.tensor([dataset.labels[i] for i in chosen])


def points_over_constant(model: Network, images: Tensor, labels: Tensor) -> float:
    """By how many points of top-1 error `model` beats the best constant answer on these images."""
    constant = 100.0 * (1.0 - labels.bincount().max().item() / len(labels))
    return constant - topk_error(predict(model, images), labels)
