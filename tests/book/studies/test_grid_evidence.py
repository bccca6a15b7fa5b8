"""What was predicted of the grid of trained networks, beside what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from book.studies import files, intervals
from book.studies.evidence.grid import contrasts, predictions


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Stores grid contrasts of one network: three images, seeds 1 and 2."""
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)
    arrays = {
        f"trained.drn_c_26-s{seed}.{name}.period_2": np.array([0.1, 0.2, 0.3], np.float16) * seed + above
        for seed in (1, 2)
        for name, above in (("level_7", 0.25), ("level_8", 0))
    }
    np.savez(tmp_path / "grid_measure.npz", **arrays)


def test_a_prediction_is_read_image_by_image_and_paired_by_seed(measured, monkeypatch):
    one = predictions.Prediction("C9", ("drn_c_26", "level_7"), ("drn_c_26", "level_8"), 2)
    monkeypatch.setattr(predictions, "PREDICTIONS", (one, predictions.Prediction("C9", one.right, one.left, 2)))
    first, second = predictions.tested()
    assert first.holds and not second.holds and first.prediction is one
    assert first.difference.estimate == pytest.approx(0.25, abs=1e-3) == -second.difference.estimate
    assert first.difference.high - first.difference.low < 1e-3 and first.over_seeds.n == 2
    assert contrasts.values("drn_c_26", "level_8", 2, (1, 2)).shape == (2, 3)


def test_what_was_not_measured_is_refused(measured):
    with pytest.raises(ValueError, match="measured grid contrast called 'trained.drn_c_26-s0.level_7.period_2'"):
        contrasts.values("drn_c_26", "level_7", 2, (0,))
    with pytest.raises(ValueError, match="kind of maps 'fresh'"):
        contrasts.values("drn_c_26", "level_7", 2, (1, 2), "fresh")


def test_every_prediction_was_measured_and_the_page_says_which_failed():
    assert set(contrasts.means()["drn_c_26"]) == {"0", "1", "2"}
    assert set(contrasts.means("untrained")["drn_a_18"]) == {"0"}
    failed = []
    for one in predictions.PREDICTIONS:
        sides = one.left, one.right
        left, right = (contrasts.values(*side, one.period, predictions.TESTED_ON).mean() for side in sides)
        failed += [one] if left < right else []
    assert failed == [predictions.Prediction("C9", ("drn_c_26", "level_6"), ("drn_c_26", "level_4"), 4)]
    page = (files.studies_dir() / "grid_measure.md").read_text()
    assert "| C9, 4 | level 6 of C - level 4 of C | -0.012 [-0.013, -0.010] | [-0.019, -0.004] | **failed** |" in page
    assert intervals.LEAST_SEEDS > len(predictions.TESTED_ON)  # so no verdict is taken from these two alone
