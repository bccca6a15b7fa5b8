"""What a run stored image by image: read, and compared with the metrics that were computed from it. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from book.studies import metrics

if TYPE_CHECKING:
    from book.studies.reading.records import StoredRun

DECIMALS = 1.1e-5
"""Metrics are stored with five decimals."""
HUNDREDTHS = 0.00501
"""Overlaps are stored rounded up to a two-hundredth, their mean before it was rounded."""
_MEANS = {r"final\.[^.]+\.loss": ("loss", 1, 1e-4), r"(.+)\.mean_iou": ("{}.iou", 200, HUNDREDTHS)}
"""Metrics that are the mean of an array, how many times as large it is stored, and how closely."""


def read(path: Path, *names: str) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` by name, with `names` only those of them that are there.

    Raises:
        ValueError: the file is not whole, or one of the arrays holds other things than finite numbers.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if not names or name in names}
    except Exception:  # zipfile, zlib, struct and numpy have an error each
        raise ValueError(f"{path.name} is not a whole file of arrays of numbers") from None
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or array.ndim == 0 or array.size == 0:
            raise ValueError(f"{name} in {path.name} is no list of numbers")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} in {path.name} holds values that are not finite")
    return arrays


def check(run: StoredRun, arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Raise ValueError where the arrays in `source` are of other images than the run's, or give other metrics."""
    counts, dataset = run.metrics, run.dataset
    part = run.scored_part
    lengths: dict[str, int] = {} if part is None else {"": dataset["counts"].get(part, 0)}
    for name, array in arrays.items():
        setting, _, what = name.rpartition(".")
        if not what.startswith(("curve", "mask_curve")) and len(array) != lengths.setdefault(setting, len(array)):
            raise ValueError(f"{name} in {source} has {len(array)} images, not {lengths[setting]}")
    drives = list(dataset.get("sequences", {}).values())
    if {"label", "prediction", "correct"} <= arrays.keys():
        if not np.array_equal(arrays["correct"], arrays["label"] == arrays["prediction"]):
            raise ValueError(f"correct in {source} is not where prediction is label")
    try:
        frames = np.bincount(arrays["sequence"], minlength=len(drives)).tolist() if "sequence" in arrays else drives
        found = {key: _again(key, dataset, arrays) for key in counts} if frames == drives or not drives else {}
    except (TypeError, IndexError, KeyError, ValueError) as error:  # of numpy
        raise ValueError(f"the arrays in {source} have shapes or types that give no metrics ({error})") from None
    if drives and frames != drives:
        raise ValueError(f"sequence in {source} has other numbers of frames than dataset.sequences")
    for key, value in counts.items():
        again, allowed = found[key]
        if again is None and key.startswith("final.") and metrics.outcome(key, dataset):
            raise ValueError(f"{source} lacks the outcomes of {key}")
        if key.endswith(".loss"):
            allowed += 2e-5 * abs(value)  # its mean was taken in float32
        if again is not None and not abs(again - value) <= allowed:
            raise ValueError(f"{key} is {value:g}, but the outcomes in {source} give {again:g}")


def _again(key: str, dataset: dict, arrays: Mapping[str, np.ndarray]) -> tuple[float | None, float]:
    """A metric as its outcomes give it, None where they are not stored; and how far the stored one may be from it."""
    for pattern, (array, times, allowed) in _MEANS.items():
        if found := re.fullmatch(pattern, key):
            stored = arrays.get(array.format(*found.groups()))
            return None if stored is None else float(stored.mean(dtype=float)) / times, allowed
    made = metrics.outcome(key, dataset)
    if made is None or not all(name in arrays for name in made.arrays):
        return None, DECIMALS
    counts = made.decode(*(arrays[name][None] for name in made.arrays))[0]
    if made.drive is not None:
        counts = counts[arrays["sequence"] == made.drive]
    return float(made.statistic(counts.mean(axis=0))), HUNDREDTHS if "mask_iou" in key else DECIMALS
