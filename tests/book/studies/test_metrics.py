"""What the keys of metrics mean: of every stored one, and of some by hand."""

import math

import numpy as np
import pytest

from book.studies import files, metrics, results
from book.studies.intervals import Interval

FRACTIONS = {"loss", "mean_iou", "mask_iou", "mask_iou_own", "threshold", "threshold_u", "mask_threshold", "score_map"}
COUNTED = ("confusion", "band_confusion", "wrong_specks")
FRACTIONS |= {"n", "peak_mb", "peak_gpu_mb", "x0", "y0", "x1", "y1", "period_2", "period_4"}
FRACTIONS |= {f"level_{number}" for number in range(1, 9)}


@pytest.fixture(scope="module")
def stored():
    """By key of a metric, a run that has it."""
    studies = [folder.name for folder in files.results_dir().iterdir() if folder.is_dir()]
    return {key: run for study in studies for run in results.runs(study) for key in run.metrics}


def test_every_stored_key_is_a_percentage_or_a_known_fraction(stored):
    for key, run in stored.items():
        last = key.rpartition(".")[2]
        assert metrics.style(key) == (".3f" if last in FRACTIONS else ".1f"), key
        assert metrics.style(key) == ".1f" or last not in ("mean_iou", "mask_iou") or run.metrics[key] <= 1, key


def test_labels_are_those_of_stored_keys(stored):
    assert set(metrics.LABELS) <= set(stored)
    assert metrics.label("clutter.gt_known_50") == "GT-known error in clutter at IoU 0.5, %"
    assert metrics.label("clutter.posthoc.gt_known_50") == "clutter.posthoc.gt known 50"  # nothing is said


@pytest.mark.parametrize(
    ("key", "arrays"),
    [
        ("final.test.top1", ("correct",)),
        ("final.test.top5", ("top5_correct",)),
        ("posthoc.exact.test.top1", None),
        ("clutter.pointing_error", ("clutter.pointing",)),
        ("clutter.pointing_error_small", None),
        ("clutter.posthoc.pointing_error_off_middle", ("clutter.posthoc.pointing", "clutter.posthoc.off_middle")),
        ("localization.native.gt_known_30", ("localization.native.iou",)),
        ("localization.native.cam.gt_known_70", ("localization.native.cam_iou",)),
        ("clutter.gt_known_50_large", None),
        ("pets.mask_pointing_error", ("pets.mask_pointing",)),
        ("pets.best70.gt_known_70", ("pets.best70.iou",)),
        ("pets.mask_iou_own", ("pets.mask_iou_own",)),
        ("final.test.iou.traffic_sign", ("confusion",)),
        ("final.test.sequence.new.band_accuracy", ("band_confusion",)),
        ("final.test.wrong_specks", ("wrong_specks",)),
        ("final.test.loss", ("loss",)),
        ("prior.test.miou_present", None),
        ("lattice_energy.level_6", None),
        ("grid_contrast.level_6.period_4", ("grid_contrast.level_6.period_4",)),
    ],
)
def test_what_a_metric_is_made_of(key, arrays):
    found = metrics.outcome(key, {"classes": ["road", "traffic sign"], "sequences": {"Old": 2, "New": 1}})
    assert (found and found.arrays) == arrays
    if found:
        assert found.drive == (1 if ".new." in key else None) and found.by_drive == (found.arrays[0] in COUNTED)


def test_a_zero_has_no_sign_and_an_end_near_zero_gets_a_digit_more():
    assert [metrics.signed(value, "+.1f") for value in (-0.04, 0.04, -0.06, 2)] == ["0.0", "0.0", "−0.1", "+2.0"]
    ends = {(-4.2, -0.04): "[−4.2,\u00a0−0.04]", (0.0, 1.0): "[0.0,\u00a01.0]", (-0.0004, 1.0): "[0.00,\u00a01.0]"}
    for (low, high), text in ends.items():
        assert metrics.interval_text(Interval(0.0, low, high, 3, "x", 1.0)) == text
    assert metrics.interval_text(Interval(0.0, math.nan, math.nan, 1, "x", 1.0)) == "one seed: no interval"


@pytest.mark.parametrize(
    ("key", "expected"),
    [("final.test.top1", "less"), ("final.test.miou_present", "greater"), ("final.test.iou.pole", "greater")]
    + [("lattice_energy.score_map", "less"), ("clutter.gt_known_50", "less"), ("pets.mask_iou", "greater")]
    + [("final.test.pixel_accuracy", "greater"), ("final.test.loss", "less"), ("final.test.specks", "less")],
)
def test_which_values_are_better(key, expected):
    assert metrics.better(key) == expected


def test_the_loss_of_each_image_is_an_outcome():
    found = metrics.outcome("final.test.loss", {})
    assert found.arrays == ("loss",)
    losses = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float16)
    assert found.statistic(found.decode(losses).mean(axis=1)).tolist() == [1.5, 3.5]
