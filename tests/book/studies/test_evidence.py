"""What was predicted beside what was measured: the grid contrast of trained networks."""

from __future__ import annotations

import numpy as np
import pytest

from book.studies import files, intervals
from book.studies.evidence import grid


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
    one = grid.Prediction("C9", ("drn_c_26", "level_7"), ("drn_c_26", "level_8"), 2)
    monkeypatch.setattr(grid, "PREDICTIONS", (one, grid.Prediction("C9", one.right, one.left, 2)))
    first, second = grid.tested()
    assert first.holds and not second.holds and first.prediction is one
    assert first.difference.estimate == pytest.approx(0.25, abs=1e-3) == -second.difference.estimate
    assert first.difference.high - first.difference.low < 1e-3 and first.over_seeds.n == 2
    assert grid.values("drn_c_26", "level_8", 2).shape == (2, 3)


def test_what_was_not_measured_is_refused(measured):
    with pytest.raises(ValueError, match="measured grid contrast called 'trained.drn_c_26-s0.level_7.period_2'"):
        grid.values("drn_c_26", "level_7", 2, seeds=(0,))
    with pytest.raises(ValueError, match="kind of maps 'fresh'"):
        grid.values("drn_c_26", "level_7", 2, kind="fresh")


def test_every_prediction_was_measured_and_the_page_says_which_failed():
    assert set(grid.means()["drn_c_26"]) == {"0", "1", "2"} and set(grid.means("untrained")["drn_a_18"]) == {"0"}
    failed = []
    for one in grid.PREDICTIONS:
        left, right = (grid.values(*side, one.period).mean() for side in (one.left, one.right))
        failed += [one] if left < right else []
    assert failed == [grid.Prediction("C9", ("drn_c_26", "level_6"), ("drn_c_26", "level_4"), 4)]
    page = (files.studies_dir() / "grid_measure.md").read_text()
    assert "| C9, 4 | level 6 of C - level 4 of C | -0.012 [-0.013, -0.010] | [-0.019, -0.004] | **failed** |" in page
    assert intervals.LEAST_SEEDS > len(grid.TESTED_ON)  # so no verdict is taken from these two alone
