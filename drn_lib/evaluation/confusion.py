"""Counted pixels: the confusion matrix, the IoU of each class and its two means, accuracy. No torch.

Scores are in percent. Two means of the intersection over union (IoU) are told apart:

``miou``           over the classes that occur in the ground truth
``miou_official``  as the official evaluator of Cityscapes averages: over the classes that occur in the ground truth or
                   in the predictions, so that a class predicted where it never occurs counts as 0

Each takes one confusion matrix, (classes, classes) with the true class along the rows, or many at once, with more axes
in front.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from drn_lib.checks import require_class_numbers, require_finite, whole_number
from drn_lib.datasets.contract import IGNORE

if TYPE_CHECKING:
    from torch import Tensor


def require_class_count(num_classes: int) -> None:
    """Raise ValueError where there is no such number of classes, or one of them has the number of `IGNORE`."""
    if whole_number("num_classes", num_classes, 1) > IGNORE:
        most = f"at most {IGNORE} classes can be told apart, not {num_classes}"
        raise ValueError(f"{IGNORE} marks pixels without a label, so {most}")


def confusion_matrix(labels: np.ndarray | Tensor, truth: np.ndarray | Tensor, num_classes: int) -> np.ndarray:
    """Pixels by true class (row) and predicted class (column): int64 (num_classes, num_classes).

    Args:
        labels: predicted classes, integers (..., H, W) in 0..num_classes-1; an array, or a tensor on the CPU.
        truth: of the same shape; `IGNORE` where a pixel does not count.

    Raises:
        ValueError: other shapes, no whole numbers, a class out of range, or as `require_class_count`.
    """
    require_class_count(num_classes)
    labels, truth = np.asarray(labels), np.asarray(truth)
    if labels.shape != truth.shape:
        raise ValueError(f"predictions are {labels.shape} and labels {truth.shape}: both need one size")
    counted = truth != IGNORE
    rows, columns = truth[counted], labels[counted]
    require_class_numbers(rows, num_classes, "the true classes")
    require_class_numbers(columns, num_classes, "the predicted classes")
    counts = np.bincount(num_classes * rows.astype(np.int64) + columns.astype(np.int64), minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union in percent, (..., classes); NaN for a class in neither truth nor predictions.

    ValueError where there are other numbers than counts. They may be means, of several frames for instance.
    """
    confusion = _counts(confusion)
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    union = confusion.sum(-2) + confusion.sum(-1) - hits
    return 100.0 * np.divide(hits, union, out=np.full(hits.shape, np.nan), where=union > 0)


def miou(confusion: np.ndarray, classes: Iterable[int] | None = None) -> np.ndarray:
    """Mean IoU in percent over the classes with true pixels, of those in `classes`; NaN where there is none."""
    confusion = _counts(confusion)
    iou, present = class_iou(confusion), confusion.sum(-1) > 0
    if classes is not None:
        classes = list(classes) if isinstance(classes, Iterable) else [classes]
        for number in classes:
            whole_number("a class of the mean", number, 0, confusion.shape[-1] - 1)
        present = present & np.isin(np.arange(confusion.shape[-1]), classes)
    return _mean(iou, present)


def miou_official(confusion: np.ndarray) -> np.ndarray:
    """Mean IoU in percent as cityscapesScripts averages; NaN where nothing was counted."""
    iou = class_iou(confusion)
    return _mean(iou, np.isfinite(iou))


def pixel_accuracy(confusion: np.ndarray) -> np.ndarray:
    """Pixels with the right class, in percent of those counted; NaN where there is none."""
    confusion = _counts(confusion)
    hits, total = np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1))
    return 100.0 * np.divide(hits, total, out=np.full(np.shape(total), np.nan), where=total > 0)[()]


def _counts(confusion: np.ndarray) -> np.ndarray:
    """The array of a confusion matrix; ValueError where it holds no counts of classes by classes."""
    confusion = np.asarray(confusion)
    if confusion.dtype.kind not in "iuf":
        raise ValueError(f"a confusion matrix holds counts, not {confusion.dtype}")
    if confusion.ndim < 2 or confusion.shape[-1] != confusion.shape[-2]:
        raise ValueError(f"a confusion matrix is (classes, classes), not {confusion.shape}")
    require_finite(confusion, "the confusion matrix")
    if (confusion < 0).any():
        raise ValueError("the confusion matrix holds counts below zero")
    return confusion


def _mean(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Along the last axis, over the places that are counted; NaN where none is."""
    total, n = np.where(counted, values, 0.0).sum(-1), counted.sum(-1)
    return np.divide(total, n, out=np.full(np.shape(n), np.nan), where=n > 0)[()]
