"""What the key of a metric means: its label, its format, and what the images beside a run count for it. No torch.

A run's `metrics` are flat, "clutter.posthoc.gt_known_50": a setting, then what was measured in it. Keys are stored
once and keep their names for good; the words that a page prints are here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from book.studies.intervals import Interval, percent
from drn_lib.segmentation import metrics as segmentation

_SETTINGS = ("localization.native", "localization.px224", "clutter")
_CHOICES = {  # what the paper leaves open: GT-known error on the tune images, each with its own best threshold
    "tune.logits_tile.gt_known_50": "as in this book, %",
    "tune.logits_centre.gt_known_50": "cells by `centre`, %",
    "tune.softmax_tile.gt_known_50": "softmax, %",
    "tune.empty_peak.gt_known_50": "no cell: the peak's, %",
    "tune.empty_image.gt_known_50": "no cell: the whole image, %",
    "no_box": "no cell, test images, %",
}
_SCORES = {  # of a segmentation: of all test images, and of CamVid's new drive
    "miou_thin": "mean IoU of thin classes, %",
    "band_miou_present": "mean IoU near boundaries, %",
    "specks": "specks an image",
    "wrong_specks": "wrong specks an image",
}
LABELS = {
    "final.test.top1": "top-1 error, %",
    "final.test.top5": "top-5 error, %",
    "final.test.loss": "cross-entropy, nats",
    "lattice_energy.score_map": "lattice energy of the score map",
    **{f"localization.native.gt_known_{k}": f"GT-known error at IoU 0.{k // 10}, %" for k in (30, 50, 70)},
    "localization.native.pointing_error": "pointing error, %",
    **{f"localization.native.top{k}_localization": f"top-{k} localization error, %" for k in (1, 5)},
    **{f"{setting}.{key}": label for setting in _SETTINGS for key, label in _CHOICES.items()},
    **{f"clutter.gt_known_{k}": f"GT-known error in clutter at IoU 0.{k // 10}, %" for k in (30, 50)},
    **{f"clutter.cam.gt_known_{k}": f"CAM boxes in clutter at IoU 0.{k // 10}, %" for k in (30, 50)},
    "localization.native.cam.gt_known_50": "CAM boxes, GT-known error at IoU 0.5, %",
    "clutter.top1_localization": "top-1 localization error in clutter, %",
    "clutter.pointing_error": "pointing error in clutter, %",
    "clutter.pointing_error_off_middle": "pointing error in clutter, off the middle, %",
    "pets.mask_iou": "overlap with the animal",
    "pets.mask_pointing_error": "points off the animal, %",
    "pets.mask_iou_own": "overlap of the class's own map",
    "pets.best70.gt_known_70": "box error at IoU 0.7, %",
    "pets.top1_classification": "top-1 error of the breed, %",
    "final.test.miou_present": "mean IoU, present classes, %",
    "final.test.miou_official": "mean IoU, official, %",
    "final.test.pixel_accuracy": "pixel accuracy, %",
    "final.test.band_accuracy": "accuracy near boundaries, %",
    "final.test.sequence.seq05vd.miou_present": "mean IoU on Seq05VD, present classes, %",
    **{f"final.test.{drive}{key}": label for drive in ("", "sequence.seq05vd.") for key, label in _SCORES.items()},
}
"""What a table prints above a metric; of others the key itself."""

_TENTHS = re.compile(
    r"(?:.*\.)?(?:top[15](?:_classification)?|top\d_localization|no_box|(?:mask_)?pointing_error(?:_[a-z_]+)?"
    r"|gt_known_\d\d(?:_[a-z]+)?|miou_[a-z]+|band_miou_present|(?:pixel|band)_accuracy|(?:wrong_|true_)?specks"
    r"|iou\.[a-z_]+)"
)
"""Metrics that are percentages or counts an image. Others are overlaps, losses, energies and thresholds."""

LARGEST = 1e9
"""No metric is larger than that: a loss of a billion is a mistake."""


@dataclass(frozen=True)
class Outcome:
    """How a metric is computed from what a run's `.npz` holds image by image.

    arrays      their names there
    decode      from these arrays, (seeds, images, ...) each, to what each image counts: 1.0 where it came out wrong, or
                its own loss, overlap or contrast
    statistic   from the mean count over images to the metric; `percent` where an image is right or wrong
    drive       of a street: only its images count, the number in the order of `dataset.sequences`
    by_drive    whether images are redrawn within their drives (`intervals.bootstrap_difference`)
    """

    arrays: tuple[str, ...]
    decode: Callable[..., np.ndarray]
    statistic: Callable[[np.ndarray], np.ndarray] = percent
    drive: int | None = None
    by_drive: bool = False


def label(key: str) -> str:
    """What stands above a metric's column."""
    return LABELS.get(key, key.replace("_", " "))


def style(key: str) -> str:
    """The format of a metric: percentages and counts with one decimal, fractions and losses with three."""
    return ".1f" if _TENTHS.fullmatch(key) else ".3f"


def signed(value: float, style: str) -> str:
    """A number in a Python format, with a true minus sign and no sign before a zero."""
    text = format(value, style)
    if text[:1] in "+-" and not text.strip("+-0.,%"):
        return text[1:]
    return "−" + text[1:] if text.startswith("-") else text


def interval_text(interval: Interval, style: str = ".1f") -> str:
    """An interval in brackets that no line end breaks, or the reason why there is none.

    An end that would read as zero gets more decimals: on which side of zero it lies decides a verdict.
    """
    if math.isnan(interval.low):
        return "one seed: no interval"
    return f"[{_end(interval.low, style)},\u00a0{_end(interval.high, style)}]"


def _end(value: float, style: str) -> str:
    text, more = signed(value, style), re.fullmatch(r"(.*\.)(\d+)f", style)
    if more and value and not text.strip("0."):
        text = signed(value, f"{more[1]}{int(more[2]) + 1}f")
    return text


def better(key: str) -> str:
    """Whether "less" or "greater" values of a metric are the better ones: of an IoU or an accuracy greater ones."""
    return "greater" if re.search(r"iou|accuracy", key) else "less"


def limits(key: str) -> tuple[float, float]:
    """The least and the largest value that a metric can have; a threshold can be any number."""
    last = key.rpartition(".")[2]
    if last.endswith("specks") or last in ("loss", "n", "peak_mb", "peak_gpu_mb"):
        return 0.0, LARGEST
    if _TENTHS.fullmatch(key):
        return 0.0, 100.0
    return (0.0, 1.0) if "lattice_energy" in key or "_iou" in last else (-LARGEST, LARGEST)


def outcome(key: str, dataset: dict) -> Outcome | None:
    """What the images count for a metric; None where it is not made of outcomes of images.

    Args:
        key: of a run's `metrics`.
        dataset: of the run, whose `classes` and `sequences` a score of segmentation needs.
    """
    for pattern, make in _OUTCOMES.items():
        if found := re.fullmatch(pattern, key):
            return make(found, dataset)
    return None


def _wrong(right: np.ndarray, counted: np.ndarray | None = None) -> np.ndarray:
    """1.0 where `right` is false, of the images counted: the same ones for every seed."""
    right = right.astype(float)
    return 1.0 - (right if counted is None else right[:, counted[0].astype(bool)])


def _not_above(overlaps: np.ndarray, level: int) -> np.ndarray:
    """1.0 where an overlap is no more than `level` percent; 200 times the overlap is stored, rounded up."""
    return (overlaps <= 2 * level).astype(float)


def _score(found: re.Match, dataset: dict) -> Outcome | None:
    """Of a segmentation: of all images, or of one drive's."""
    score = segmentation.outcome(found["score"], dataset.get("classes", ()))
    if score is None:
        return None
    drives = [name.lower() for name in dataset.get("sequences", ())]
    drive = drives.index(found["drive"]) if found["drive"] else None
    return Outcome((score[0],), np.asarray, score[1], drive, by_drive=True)


_OUTCOMES: dict[str, Callable[[re.Match, dict], Outcome | None]] = {
    r"final\..+\.top1": lambda found, _: Outcome(("correct",), _wrong),
    r"final\..+\.top5": lambda found, _: Outcome(("top5_correct",), _wrong),
    r"final\.[^.]+\.loss": lambda found, _: Outcome(("loss",), lambda losses: losses.astype(float), np.asarray),
    r"(.+pointing)_error": lambda found, _: Outcome((found[1],), _wrong),
    r"(.+)\.pointing_error_off_middle": lambda found, _: Outcome(
        (f"{found[1]}.pointing", f"{found[1]}.off_middle"), _wrong
    ),
    r"(.+?)\.(cam\.)?gt_known_(\d\d)": lambda found, _: Outcome(
        (f"{found[1]}.{'cam_iou' if found[2] else 'iou'}",), partial(_not_above, level=int(found[3]))
    ),
    r"(.+\.mask_iou(?:_own)?)": lambda found, _: Outcome((found[1],), lambda overlaps: overlaps / 200, np.asarray),
    r"((?:.+\.)?grid_contrast\..+)": lambda found, _: Outcome(
        (found[1],), lambda values: values.astype(float), np.asarray
    ),
    r"final\.[^.]+\.(?:sequence\.(?P<drive>[^.]+)\.)?(?P<score>.+)": _score,
}
"""By the pattern of a key: its arrays, and how they are read."""


def scored_part(keys: Mapping[str, float]) -> str | None:
    """The part of the data that the metrics `final.<part>.…` are of; ValueError where there are two."""
    parts = sorted({key.split(".")[1] for key in keys if key.startswith("final.")})
    if len(parts) > 1:
        raise ValueError(f"the metrics are of {' and '.join(parts)}, where a run is scored on one part")
    return parts[0] if parts else None
