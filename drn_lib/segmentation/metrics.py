"""What counted pixels come to: IoU of each class, its two means, accuracy, specks. No torch.

`segmentation_scores` counts, image by image; a run of a study stores these counts, and everything here is computed
from them: for all images, for one sequence, or for images drawn anew by a bootstrap. Scores are in percent.

Two means of the intersection over union (IoU) are told apart:

``miou_present``   over the classes that occur in the truth
``miou_official``  as the official evaluator of Cityscapes averages: over the classes that occur in the truth or in the
                   predictions, so that a class predicted where it never occurs counts as 0

Each takes one confusion matrix, (classes, classes) with the true class along the rows, or many at once, with more axes
in front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

THIN = ("pole", "traffic sign", "person")
"""Classes whose things are a few pixels wide, in Cityscapes' names."""

SPECKS = ("specks", "wrong_specks", "true_specks")
"""What is counted once an image and averaged over images."""


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union of each class in percent, (..., classes).

    Args:
        confusion: (..., classes, classes), pixels by true class (row) and predicted class (column).

    Returns:
        NaN for a class in neither truth nor predictions.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    union = confusion.sum(-2) + confusion.sum(-1) - hits
    return 100.0 * np.divide(hits, union, out=np.full(hits.shape, np.nan), where=union > 0)


def miou_present(confusion: np.ndarray, classes: Sequence[int] | None = None) -> np.ndarray:
    """Mean IoU in percent over the classes with true pixels, of those in `classes`; NaN where there is none."""
    present = confusion.sum(-1) > 0
    if classes is not None:
        present = present & np.isin(np.arange(confusion.shape[-1]), classes)
    return _mean(class_iou(confusion), present)


def miou_official(confusion: np.ndarray) -> np.ndarray:
    """Mean IoU in percent as cityscapesScripts averages; NaN where nothing was counted."""
    iou = class_iou(confusion)
    return _mean(iou, np.isfinite(iou))


def pixel_accuracy(confusion: np.ndarray) -> np.ndarray:
    """Pixels with the right class, in percent of those counted; NaN where there is none."""
    hits, total = np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1))
    return 100.0 * np.divide(hits, total, out=np.full(np.shape(total), np.nan), where=total > 0)[()]


def outcome(name: str, classes: Sequence[str]) -> tuple[str, Callable[[np.ndarray], np.ndarray]] | None:
    """Which stored counts a score is made of, and how: (array of `score_image`, function of its mean over images).

    Args:
        name: of a score, as `summarize` names it; a class may be written with `_` for its spaces.
        classes: the classes' names.

    Returns:
        None where no score has this name. The function takes the counts with more axes in front.
    """
    thin = [index for index, known in enumerate(classes) if known in THIN]
    scores = {
        "miou_present": ("confusion", miou_present),
        "miou_official": ("confusion", miou_official),
        "pixel_accuracy": ("confusion", pixel_accuracy),
        "miou_thin": ("confusion", partial(miou_present, classes=thin)),
        "band_accuracy": ("band_confusion", pixel_accuracy),
        "band_miou_present": ("band_confusion", miou_present),
        **{specks: (specks, np.asarray) for specks in SPECKS},
    }
    for index, known in enumerate(classes):
        scores[f"iou.{known.replace(' ', '_')}"] = ("confusion", partial(_one_iou, index=index))
    return scores.get(name.replace(" ", "_"))


def grid_ceiling(truth: np.ndarray, cell: int) -> tuple[float, np.ndarray]:
    """The best IoU that a mask of whole cells can reach, and that mask.

    Args:
        truth: bool (N, H, W), the pixels of one class in N images.
        cell: pixels a side of a cell; cells at the right and lower edge are cut by the image.

    Returns:
        IoU in percent over all images together, NaN where the class does not occur; and bool (N, H, W).

    Source: chapter 07. The best set holds the cells that the class covers by more than some share: swapping one of
    them for another cell of lower share loses hits or gains false pixels. So the sets to try are as many as cells.
    """
    rows, columns = (np.arange(0, side, cell) for side in truth.shape[1:])
    hits = np.add.reduceat(np.add.reduceat(truth.astype(np.int64), rows, axis=1), columns, axis=2)  # (N, h, w)
    area = np.multiply.outer(np.diff([*rows, truth.shape[1]]), np.diff([*columns, truth.shape[2]])) + 0 * hits
    order = np.argsort(-(hits / area), axis=None, kind="stable")
    union = truth.sum() + np.cumsum((area - hits).ravel()[order])
    iou = 100.0 * np.divide(np.cumsum(hits.ravel()[order]), union, out=np.full(union.shape, np.nan), where=union > 0)
    if not truth.any():
        return float("nan"), np.zeros_like(truth)
    best = int(np.nanargmax(iou))
    chosen = np.zeros(hits.size, dtype=bool)
    chosen[order[: best + 1]] = True
    mask = chosen.reshape(hits.shape).repeat(cell, axis=1).repeat(cell, axis=2)
    return float(iou[best]), mask[:, : truth.shape[1], : truth.shape[2]]


def summarize(per_image: dict[str, np.ndarray], classes: Sequence[str]) -> dict[str, float]:
    """The scores of a set, or of some images of it, from what its images count.

    Args:
        per_image: arrays of `segmentation_scores.score_image`, stacked: confusion (N, classes, classes), specks (N,)
            and so on. For a part of the set, or a resampled one, each array indexed alike.
        classes: the classes' names.

    Returns:
        In percent: miou_present, miou_official, pixel_accuracy, miou_thin (over `THIN`, as far as present),
        band_accuracy, band_miou_present, and iou.<class> of every class that `miou_official` counts. Numbers an
        image: specks, wrong_specks, true_specks.
    """
    confusion, band = (per_image[name].sum(0, dtype=np.int64) for name in ("confusion", "band_confusion"))
    thin = [index for index, name in enumerate(classes) if name in THIN]
    metrics = {
        "miou_present": miou_present(confusion),
        "miou_official": miou_official(confusion),
        "pixel_accuracy": pixel_accuracy(confusion),
        "miou_thin": miou_present(confusion, thin),
        "band_accuracy": pixel_accuracy(band),
        "band_miou_present": miou_present(band),
        **{name: per_image[name].mean() for name in SPECKS},
    }
    metrics.update({f"iou.{name}": value for name, value in zip(classes, class_iou(confusion)) if np.isfinite(value)})
    return {name: float(value) for name, value in metrics.items()}


def _one_iou(confusion: np.ndarray, index: int) -> np.ndarray:
    return class_iou(confusion)[..., index]


def _mean(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Along the last axis, over the places that are counted; NaN where none is."""
    total, n = np.where(counted, values, 0.0).sum(-1), counted.sum(-1)
    return np.divide(total, n, out=np.full(np.shape(n), np.nan), where=n > 0)[()]
