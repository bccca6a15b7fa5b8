"""How good is a segmentation: counts of pixels over a whole set, and what they come to.

Everything is counted image by image and kept, so that intervals, single sequences and other averages need no second
pass: `score_image` counts, `metrics.summarize` adds the counts of the images one asks for. Pixels whose
truth is `IGNORE` are not counted. Two more counts test what the paper claims for finer maps: pixels near a boundary,
and specks, small parts of a segmentation that make it look noisy (the paper's Fig. 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm  # not tqdm.auto: it warns in every notebook without ipywidgets

from drn_lib.datasets.base import ImageDataset, mask_classes_of
from drn_lib.datasets.contract import IGNORE, DataError
from drn_lib.datasets.street_scenes import CLASSES, write_prediction
from drn_lib.distributed import Group
from drn_lib.evaluation.confusion import confusion_matrix, require_class_count
from drn_lib.paths import shows_progress
from drn_lib.segmentation.inference import predict_labels
from drn_lib.segmentation.metrics import summarize
from drn_lib.segmentation.network import SegmentationNetwork
from drn_lib.segmentation.options import WHOLE, Inference

BAND = 4
"""Half the width in pixels of the band around boundaries: half a cell of output stride 8."""

SPECK = 64
"""Pixels below which a connected part is a speck: the area of one cell of output stride 8."""


def boundary_band(truth: Tensor, radius: int = BAND) -> Tensor:
    """The pixels within `radius` pixels of another true class, counted along rows and columns.

    Args:
        truth: integers (H, W); a border to ignored pixels is no boundary.

    Returns:
        bool (H, W), nowhere on ignored pixels.

    Source: the "trimap" of Kohli, Ladicky and Torr 2009, here of (2 radius + 1) pixels a side around a pixel.
    """
    ignored = truth == IGNORE
    values = truth.float()

    def highest(values: Tensor, otherwise: float) -> Tensor:
        rows = values.masked_fill(ignored, otherwise)[None, None]
        columns = functional.max_pool2d(rows, (1, 2 * radius + 1), stride=1, padding=(0, radius))
        return functional.max_pool2d(columns, (2 * radius + 1, 1), stride=1, padding=(radius, 0))[0, 0]

    largest, smallest = highest(values, -1.0), -highest(-values, -float(IGNORE))
    return (largest != smallest) & ~ignored


def find_specks(labels: Tensor, size: int = SPECK) -> tuple[np.ndarray, int]:
    """The small connected parts of a segmentation; a part is connected through sides and corners (8 neighbors).

    So a thin slanting line is one part, not many. Pixels that are `IGNORE` belong to none.

    Args:
        labels: integers (H, W).
        size: a part of fewer pixels is a speck.

    Returns:
        int (H, W), 0 outside specks and 1 to n in them; and n.
    """
    from skimage.measure import label  # scikit-image takes longer to import than all else here

    parts = label(labels.numpy().astype(np.int32) + 1, background=IGNORE + 1, connectivity=2)
    small = np.bincount(parts.ravel()) < size
    small[0] = False  # the ignored pixels
    numbers = np.where(small, np.cumsum(small), 0)
    return numbers[parts], int(small.sum())


def score_image(labels: Tensor, truth: Tensor, num_classes: int) -> dict[str, np.ndarray]:
    """What one image counts.

    Args:
        labels: predicted classes, integers (H, W).
        truth: true classes, integers (H, W), or `IGNORE`.
        num_classes: of the network.

    Returns:
        confusion, band_confusion   (classes, classes) int32: of all pixels, and of those of `boundary_band`
        specks                      number of specks in the prediction, ignored pixels included, as one sees them
        wrong_specks                of these, how many are wrong on more than half of their pixels that have a label
        true_specks                 number of specks in the truth: real things that are small, or far away

    Raises:
        ValueError: as `confusion_matrix`.
    """
    confusion = confusion_matrix(labels, truth, num_classes)
    outside = truth.masked_fill(~boundary_band(truth), IGNORE)
    numbers, specks = find_specks(labels)
    counted = (truth != IGNORE).numpy()
    wrong = counted & (labels != truth).numpy()
    labelled = np.bincount(numbers[counted], minlength=specks + 1)[1:]
    wrongly = np.bincount(numbers[wrong], minlength=specks + 1)[1:]
    return {
        "confusion": confusion.astype(np.int32),
        "band_confusion": confusion_matrix(labels, outside, num_classes).astype(np.int32),
        "specks": np.int32(specks),
        "wrong_specks": np.int32((2 * wrongly > labelled).sum()),
        "true_specks": np.int32(find_specks(truth)[1]),
    }


def score_segmentation(
    model: SegmentationNetwork,
    dataset: ImageDataset,
    how: Inference = WHOLE,
    group: Group | None = None,
    progress: bool = False,
    predictions: str | Path | None = None,
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Segment every image of a set and score it.

    Args:
        model: with the classes of the set.
        dataset: with masks; images of any size.
        how: as `predict_labels` takes it.
        group: the processes that share the images; each gets the scores of all, and its own images' counts.
        progress: whether a progress bar is shown.
        predictions: a folder for the segmentations as the official evaluator reads them (only of Cityscapes' classes).

    Returns:
        `summarize`'s scores, and the images' counts, stacked in their order.

    Raises:
        DataError: the set has no masks, an image or its labels are damaged, or nothing in it is labelled.
        ValueError: the network has another number of classes than the set, more than 255, or others than Cityscapes'
            where predictions are wanted; its scores are not finite; or a process gets no image.
    """
    classes = mask_classes_of(dataset)
    if model.num_classes != len(classes):
        raise ValueError(f"the network knows {model.num_classes} classes and the dataset has {len(classes)}")
    require_class_count(len(classes))
    if predictions is not None and tuple(classes) != tuple(CLASSES):
        raise ValueError(
            "predictions are written in the 19 classes of Cityscapes, and this set has others: leave them out"
        )
    group = group or Group(0, 1, model.mean.device)
    places = group.places(len(dataset))
    rows = []
    for index in tqdm(places, unit="image", disable=not (progress and shows_progress())):
        sample = dataset[index]
        labels = predict_labels(model, sample["image"], how)
        rows.append(score_image(labels, sample["mask"], len(classes)))
        if predictions is not None:
            write_prediction(Path(predictions), sample["name"], labels)
    per_image = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    whole = per_image if group.world == 1 else _of_all(per_image, group)
    if not whole["confusion"].any():
        raise DataError("no pixel of these images has a label: this split is published without them, score another")
    return summarize(whole, classes), per_image


def position_prior(dataset: ImageDataset) -> Tensor:
    """The most frequent class at every pixel of a set whose images have one size: what one knows without looking.

    Args:
        dataset: with masks, all (H, W).

    Returns:
        uint8 (H, W); where no image has a label, the class that is most frequent of all.

    Raises:
        DataError: the set has no masks.
        ValueError: more than 255 classes.
    """
    require_class_count(classes := len(mask_classes_of(dataset)))
    counts = None
    for index in range(len(dataset)):
        mask = dataset[index]["mask"]
        if counts is None:
            counts = torch.zeros(classes, *mask.shape, dtype=torch.int64)
        counted = mask != IGNORE
        counts.scatter_add_(0, mask.masked_fill(~counted, 0)[None], counted[None].long())
    best = counts.argmax(0)
    best[counts.sum(0) == 0] = counts.sum((1, 2)).argmax()
    return best.byte()


def images_by_sequence(names: Sequence[str]) -> dict[str, np.ndarray]:
    """The places of the images of each drive, by its name: "…/test/0001TP/0001TP_000000_008550_….png" is of 0001TP."""
    folders = [name.split("/")[-2] for name in names]
    return {folder: np.flatnonzero([other == folder for other in folders]) for folder in dict.fromkeys(folders)}


def _of_all(per_image: dict[str, np.ndarray], group: Group) -> dict[str, np.ndarray]:
    """One row whose sums, and means, are those of all processes' images."""
    count = group.sum(torch.tensor(len(per_image["specks"]), device=group.device)).item()
    sums = {name: torch.from_numpy(rows.sum(0, keepdims=True, dtype=np.int64)) for name, rows in per_image.items()}
    sums = {name: group.sum(value.to(group.device)).cpu().numpy() for name, value in sums.items()}
    return {name: value / count if value.ndim == 1 else value for name, value in sums.items()}
