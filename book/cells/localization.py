"""What runs stored of localization, for chapter 06 and its explorer."""

from __future__ import annotations

import json

import numpy as np

from book.studies import files, results


def stored_curves(study: str, network: str, setting: str) -> np.ndarray | None:
    """The curves against the threshold that the runs of a network stored: (seeds, 41, 4).

    `setting` is "localization.native", "clutter" or another prefix of `book.studies.localization.measure`. Along
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


def pointing_steps() -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """The way from ResNet-18's pointing error in clutter to DRN-A-18's, and what stands beside it, in percent.

    The steps: as trained; without what no cell of the coarse map reaches; dilated afterwards; trained with dilation,
    which is DRN-A-18 itself. Beside it: ResNet-18 on larger images, and the best point without looking.
    """
    key = "clutter.{}pointing_error_off_middle"
    coarse, dense = (results.metric("classification", "resnet_18", key.format(p)).mean for p in ("", "posthoc."))
    trained, larger = (
        results.metric("classification", name, key.format("")).mean for name in ("drn_a_18", "resnet_18_large")
    )
    ceilings = json.loads((files.results_dir() / "ceilings.json").read_text(encoding="utf-8"))
    reached = coarse - ceilings["dense_reading"]["beyond_reach"]
    steps = [
        ("ResNet-18", coarse),
        ("cells it\ncannot\nreach", reached),
        ("more\nplaces", dense),
        ("dilated\ntraining", trained),
        ("DRN-A-18", trained),
    ]
    blind = ceilings["clutter_off_middle"]["fixed_point"]["error"]
    return steps, [("ResNet-18,\nlarger\nimages", larger), ("a fixed\npoint", blind)]
