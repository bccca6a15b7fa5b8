"""Does a difference between networks grow from classification to localization? A difference of differences. No torch.

A localization counts as right where the class is right and the box overlaps by more than half, so the same images and
trainings stand behind both errors, and each image has its own growth: 1 where only the box is wrong, else 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from book.studies import cache, intervals, results
from book.studies.intervals import Interval, Sample

CLASSIFICATION, LOCALIZATION = "final.test.top1", "localization.native.top1_localization"


@dataclass(frozen=True)
class Growth:
    """How much more left differs from right in localization than in classification, in points of top-1 error.

    localization, classification   left minus right
    difference                     the first minus the second, by redrawing seeds and images
    over_seeds                     the same, Student's t over seeds
    """

    localization: float
    classification: float
    difference: Interval
    over_seeds: Interval


def growth(study: str, left: str, right: str) -> Growth | None:
    """The growth between two networks of a study; None where a side lacks its outcomes image by image."""
    sides = [_only_the_box_is_wrong(study, name) for name in (left, right)]
    if any(side is None for side in sides):
        return None
    results.require_one_engine(study, left, right)
    samples = [Sample(tuple(range(len(side))), tuple(map(float, 100 * side.mean(axis=1)))) for side in sides]
    localization, classification = (
        results.difference_over_seeds(study, left, right, key).estimate for key in (LOCALIZATION, CLASSIFICATION)
    )
    difference = cache.bootstrap_difference(*sides)
    return Growth(localization, classification, difference, intervals.student_t_difference(*samples))


def _only_the_box_is_wrong(study: str, name: str) -> np.ndarray | None:
    """(seeds, images)."""
    correct, overlap = (results.per_image(study, name, array) for array in ("correct", "localization.native.iou"))
    if correct is None or overlap is None:
        return None
    return (correct & (overlap <= 100)).astype(float)  # 200 times the overlap is stored, rounded up
