"""What a grid allows on the real boxes is stored as it is computed, and of all seeds of the study."""

import json
import os

import numpy as np
import pytest

from book.studies import files, results
from book.studies.measurements import ceilings
from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.clutter import open_clutter


@pytest.mark.skipif(not os.environ.get("DRN_DATA"), reason="DRN_DATA is not set")
@pytest.mark.slow
def test_the_stored_ceilings_are_those_of_the_real_boxes():
    stored = json.loads((files.results_dir() / "ceilings.json").read_text())
    plain = [
        ceilings.true_boxes(open_dataset("tiny-imagenet", part, partition="tiny-imagenet-20"))
        for part in ("tune", "test")
    ]
    assert stored["images"] == len(plain[1]) == 3000
    for grid, row in ceilings.ceilings(plain[1]).items():
        assert row == pytest.approx(stored["grids"][grid], abs=1e-4)
    answers, wrong = ceilings.blind(*plain)
    for name, row in answers.items():
        assert row == pytest.approx(stored["blind"][name], abs=1e-4)
    with np.load(files.results_dir() / "ceilings.npz") as arrays:
        for name, outcomes in wrong.items():
            assert (arrays[name] == outcomes).all()
    # At 64 px no network could do better than this: a ResNet by far less than a DRN.
    assert stored["grids"]["2x2"]["gt_known_50"] > 40 and stored["grids"]["8x8"]["gt_known_50"] < 3
    canvases = open_clutter("tune"), open_clutter("test")
    for grid, row in ceilings.canvas_ceilings(canvases[1]).items():
        assert row == pytest.approx(stored["canvas_grids"][grid], abs=1e-4)
    for key, value in ceilings.pointing(*canvases).items():
        assert value == pytest.approx(stored["clutter_off_middle"][key], abs=1e-4)


def test_what_dense_reading_gains_was_split_with_all_seeds_of_the_study():
    """Where this fails, the study went on: run `python -m book.studies.measurements.ceilings` again."""
    stored = json.loads((files.results_dir() / "ceilings.json").read_text())["dense_reading"]
    key = "pointing_error_off_middle"
    coarse, dense = (results.metric("classification", "resnet_18", f"clutter.{mode}{key}") for mode in ("", "posthoc."))
    assert stored["seeds"] == coarse.n
    assert stored["gain"] == pytest.approx(coarse.mean - dense.mean, abs=1e-3)
