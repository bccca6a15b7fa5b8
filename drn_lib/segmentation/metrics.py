"""The scores of a segmentation from what was counted in its images: IoU, accuracy, bands, specks. No torch.

`segmentation.scores` counts, image by image; a run of a study stores these counts, and everything here is computed
from them: for all images, for one sequence, or for images resampled by a bootstrap. Scores are in percent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from drn_lib.checks import whole_number
from drn_lib.evaluation.confusion import class_iou, miou, miou_official, pixel_accuracy

THIN = ("pole", "traffic sign", "person")
"""Classes whose things are a few pixels wide, in Cityscapes' names."""

SPECKS = ("specks", "wrong_specks", "true_specks")
"""Scores that are counted once per image and averaged over images."""


def outcome(name: str, classes: Sequence[str]) -> tuple[str, Callable[[np.ndarray], np.ndarray]] | None:
    """Which stored counts a score is made of, and how: (array of `score_image`, function of its mean over images).

    Args:
        name: of a score, as `summarize` names it; a class may be written with `_` for its spaces.
        classes: the classes' names.

    Returns:
        None where no score has this name. The function takes the counts with more axes in front.
    """
    scores = {known.replace(" ", "_"): how for known, how in _scores(classes).items()}
    return scores.get(name.replace(" ", "_"))


def grid_ceiling(truth: np.ndarray, cell: int) -> tuple[float, np.ndarray]:
    """The best IoU that a mask of whole cells can reach, and that mask.

    Args:
        truth: bool (N, H, W), the pixels of one class in N images.
        cell: pixels a side of a cell; cells at the right and lower edge are cut by the image.

    Returns:
        IoU in percent over all images together, NaN where the class does not occur; and bool (N, H, W).

    Raises:
        ValueError: `truth` is of another shape or type, or `cell` is no whole number of pixels.

    Source: chapter 07. The best set holds the cells that the class covers by more than some fraction: swapping one
    of them for a cell of a lower fraction loses hits or gains false pixels. So there are as many sets to try as cells.
    """
    whole_number("cell", cell, 1)
    if truth.dtype != bool or truth.ndim != 3:
        raise ValueError(f"the truth must be bool (N, H, W), not {truth.dtype} {truth.shape}")
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
        per_image: arrays of `scores.score_image`, stacked: confusion (N, classes, classes), specks (N,)
            and so on. For a part of the set, or a resampled one, each array indexed alike.
        classes: the classes' names.

    Returns:
        In percent: miou_present, miou_official, pixel_accuracy, miou_thin (over `THIN`, as far as present),
        band_accuracy, band_miou_present, and iou.<class> of every class that `miou_official` counts. Numbers an
        image: specks, wrong_specks, true_specks.
    """
    counts = {name: per_image[name].sum(0, dtype=np.int64) for name in ("confusion", "band_confusion")}
    counts |= {name: per_image[name].mean() for name in SPECKS}
    metrics = {name: float(score(counts[array])) for name, (array, score) in _scores(classes).items()}
    return {name: value for name, value in metrics.items() if np.isfinite(value) or not name.startswith("iou.")}


def _scores(classes: Sequence[str]) -> dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """All scores by their names in `summarize`, each as `outcome` gives it."""
    thin = [index for index, name in enumerate(classes) if name in THIN]
    scores = {
        "miou_present": ("confusion", miou),
        "miou_official": ("confusion", miou_official),
        "pixel_accuracy": ("confusion", pixel_accuracy),
        "miou_thin": ("confusion", partial(miou, classes=thin)),
        "band_accuracy": ("band_confusion", pixel_accuracy),
        "band_miou_present": ("band_confusion", miou),
        **{name: (name, np.asarray) for name in SPECKS},
    }
    for index, name in enumerate(classes):
        scores[f"iou.{name}"] = ("confusion", partial(_one_iou, index=index))
    return scores


def _one_iou(confusion: np.ndarray, index: int) -> np.ndarray:
    return class_iou(confusion)[..., index]
