"""What a run of a study does for a segmentation network: train, then score whole images once. See `runs`.

Metrics of the scored part, in percent or numbers an image, by `segmentation_metrics.summarize`'s names with `_` for
spaces:

    final.test.miou_present, final.test.iou.traffic_sign, …      of all images
    final.test.sequence.0001tp.miou_present, …                   of one drive, where there are several
    prior.test.miou_present, prior.test.sequence.…               of the position prior: without looking at the image
    memory.peak_mb                                               most memory held by the process that ended the run, MB
    memory.peak_gpu_mb                                           on a GPU in its place: the most of the GPU's memory, MB

Arrays: what each image counts (`segmentation_scores.score_image`), and `sequence`, the number of its drive in the
order of the JSON's `dataset.sequences`. Every later statistic comes from these.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from book.studies import provenance
from book.studies.plans import Variant
from drn_lib.checkpoints.files import find_shipped
from drn_lib.datasets.base import ImageDataset, InMemory
from drn_lib.datasets.catalog import open_dataset
from drn_lib.segmentation.metrics import summarize
from drn_lib.segmentation.network import SegmentationNetwork, make_backbone
from drn_lib.segmentation.scores import images_by_sequence, position_prior, score_image, score_segmentation
from drn_lib.segmentation.training import train_segmentation
from drn_lib.training.loop import RunOptions, Trained
from drn_lib.training.recipes import SegmentationRecipe

LOOKS = 4
"""How often the validation images are scored during a training; once takes as long as an epoch."""

DRAWN = {"train": 400, "tune": 40, "test": 100}
"""Scenes of each part of a drawn set."""


def train(variant: Variant, seed: int, options: RunOptions) -> tuple[Trained, dict]:
    """Train one network, or go on where a run in the folder of `options` stopped; no test image is read here.

    Args:
        variant: with a recipe of segmentation.
        seed: of weights, order and augmentation; a start has the same.
        options: the folder of the state and the log, the device and the engine.

    Returns:
        What was trained, and what the JSON says of the data.

    Raises:
        FileNotFoundError: the weights to start from are not there; the study that they come from has to run first.
        DatasetNotFound, DataError: as `open_dataset`.
    """
    recipe = variant.recipe
    watched = "tune" if recipe.dataset == "streets" else "val"
    parts = {part: open_part(recipe, part) for part in ("train", watched)}
    torch.manual_seed(seed)
    start = f"{variant.start}-s{seed}" if variant.start else None
    if start and find_shipped(start) is None:
        raise FileNotFoundError(
            f"there are no weights {start}: run the study {start.split('/')[0]} first, it makes them"
        )
    backbone = make_backbone(variant.network, recipe.width, start, variant.dilation_rule)
    val_every = max(1, recipe.epochs // LOOKS)
    trained = train_segmentation(
        recipe,
        backbone,
        seed,
        InMemory(parts["train"]),
        parts[watched],
        val_every,
        options,
    )
    about = {
        "name": recipe.dataset,
        "classes": parts["train"].mask_classes,
        "counts": {part: len(dataset) for part, dataset in parts.items()},
        "sha256": {part: dataset.fingerprint for part, dataset in parts.items()},
    }
    return trained, about


def score(variant: Variant, seed: int, model: SegmentationNetwork, about: dict, part: str) -> tuple[dict, dict]:
    """Score whole images of one part once.

    Args:
        variant, seed: as for `train`.
        model: what was trained.
        about: of `train`; what was scored is added to it.
        part: of the data set, "test" or for a pilot "val".

    Returns:
        Metrics, and arrays with one entry for each image; see the head of this file.
    """
    recipe, classes = variant.recipe, about["classes"]
    dataset = open_part(recipe, part)
    drives = images_by_sequence(dataset.names)
    about["counts"][part], about["sha256"][part] = len(dataset), dataset.fingerprint
    about["sequences"] = {name: len(places) for name, places in drives.items()}
    _, per_image = score_segmentation(model, dataset)
    metrics = _metrics(f"final.{part}", per_image, classes, drives)
    prior = _prior_counts(open_part(recipe, "train"), dataset)
    metrics.update(_metrics(f"prior.{part}", prior, classes, drives))
    if model.mean.device.type == "cuda":
        metrics["memory.peak_gpu_mb"] = torch.cuda.max_memory_allocated(model.mean.device) / 1e6
    elif (peak := provenance.peak_memory_mb()) is not None:
        metrics["memory.peak_mb"] = peak
    sequence = np.zeros(len(dataset), dtype=np.uint8)
    for number, places in enumerate(drives.values()):
        sequence[places] = number
    return metrics, {**per_image, "sequence": sequence}


def open_part(recipe: SegmentationRecipe, part: str) -> ImageDataset:
    """One part of the data of a recipe; of a drawn set as many scenes as studies take."""
    count = {"count": DRAWN[part]} if recipe.dataset == "streets" else {}
    return open_dataset(recipe.dataset, part, **count, **recipe.dataset_options)


def _metrics(prefix: str, per_image: dict[str, np.ndarray], classes: list[str], drives: dict) -> dict[str, float]:
    """The scores of all images and, where there are several, of each drive's; what is undefined is left out."""
    parts = {prefix: slice(None)}
    if len(drives) > 1:
        parts.update({f"{prefix}.sequence.{name.lower()}": places for name, places in drives.items()})
    metrics = {}
    for name, places in parts.items():
        scores = summarize({array: counts[places] for array, counts in per_image.items()}, classes)
        metrics.update({f"{name}.{key.replace(' ', '_')}": value for key, value in scores.items()})
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _prior_counts(train_set: ImageDataset, dataset: ImageDataset) -> dict[str, np.ndarray]:
    """What the images of a set count if the most frequent class at each place of the training set is the answer."""
    prior = position_prior(train_set)
    rows = [score_image(prior, sample["mask"], len(train_set.mask_classes)) for sample in dataset]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
