"""The curves against the threshold that runs stored, for chapter 06 and its explorer."""

from __future__ import annotations

import numpy as np

from book.studies import files, results


def stored_curves(study: str, network: str, setting: str) -> np.ndarray | None:
    """The curves against the threshold that the runs of a network stored: (seeds, 41, 4).

    `setting` is "localization.native", "clutter" or another name's start of `book.studies.localization.measure`. Along
    the last axis stand GT-known error at IoU 0.5 in percent and mean IoU on the validation split, then on test. None
    where no run stored any.
    """
    found = []
    for run in results.runs(study, network):
        path = files.results_dir() / study / f"{run.name}.npz"
        if path.is_file():
            with np.load(path) as stored:
                if f"{setting}.curve" in stored:
                    found.append(stored[f"{setting}.curve"])
    return np.stack(found) if found else None


def chosen_threshold(curve: np.ndarray) -> int:
    """Index of the threshold that the validation split chooses: least error, among equals the best mean IoU."""
    return int(np.lexsort((-curve[:, 1], curve[:, 0]))[0])
