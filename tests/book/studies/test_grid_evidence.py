"""What was predicted of the grid of trained networks, beside what was measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from book.studies import files, intervals
from book.studies.evidence.grid import contrasts, predictions, spectrum
from book.studies.measurements.grid import candidates
from drn_lib.gridding import autocorrelation


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
    assert first.prediction is one and (first.other_sign, second.other_sign) == (False, True)
    assert first.verdict == second.verdict == "not resolved"  # two seeds, however clear the interval
    assert first.difference.estimate == pytest.approx(0.25, abs=1e-3) == -second.difference.estimate
    assert first.difference.high - first.difference.low < 1e-3 and first.over_seeds.n == 2
    assert contrasts.values("drn_c_26", "level_8", 2, (1, 2)).shape == (2, 3)


@pytest.mark.parametrize(
    ("low", "over_seeds", "n", "verdict"),
    [
        (0.1, 0.05, 3, "as predicted"),
        (0.1, -0.05, 3, "as predicted (provisional)"),
        (-0.1, -0.1, 3, "not resolved"),
        (0.1, 0.05, 2, "not resolved"),
    ],
)
def test_a_reading_is_judged_by_the_rule_of_all_contrasts(low, over_seeds, n, verdict):
    made = [intervals.Interval(0.2, bound, 0.9, n, "") for bound in (low, over_seeds)]
    assert predictions.Reading(predictions.PREDICTIONS[0], *made).verdict == verdict


def test_seeds_1_and_2_alone_and_what_the_page_says_of_them():
    alone, every = predictions.tested(), predictions.on_all_seeds()
    assert {one.verdict for one in alone} == {"not resolved"} and {one.difference.n for one in every} == {3}
    held = [one.prediction for one in alone if one.over_seeds.low <= 0 <= one.over_seeds.high]
    scores = [("drn_b_26", "score_map")]
    assert held == [one for one in predictions.PREDICTIONS if one.left in scores]  # B - C, and B against each level 4
    assert [one.verdict for one in every].count("as predicted") == len(every) - 1
    assert [one.prediction for one in every if one.other_sign] == [one.prediction for one in alone if one.other_sign]
    assert every[12].verdict == "against the prediction" and every[12].prediction.left == ("drn_c_26", "level_6")


def test_a_difference_over_seeds_pairs_the_maps_of_one_network(measured):
    sides = ("drn_c_26", "level_7"), ("drn_c_26", "level_8")
    found = contrasts.difference_over_seeds(*sides, 2, (1, 2))
    assert found.estimate == pytest.approx(0.25, abs=1e-3) and found.high - found.low < 1e-2  # the seeds differ by 0.2
    assert contrasts.judged(*sides, 2, "greater", (1, 2)) == "not resolved"


@pytest.mark.parametrize("side", [7, 28])
def test_the_other_candidate_is_the_one_that_was_tried(side):
    maps = torch.randn(1, 3, side, side, generator=torch.manual_seed(0)).cumsum(-1)
    maps[..., ::2, :] += 2
    correlation = autocorrelation(maps, min(8, side - 1))
    wanted = candidates.spectrum(correlation)[0].tolist()
    assert spectrum.of_correlation(correlation[0].numpy()) == pytest.approx(wanted, abs=1e-12)
    assert wanted[0] > 0.1


def test_the_other_candidate_orders_the_networks_alike_and_sees_less_in_b():
    seeds = predictions.TESTED_ON
    signs = [spectrum.difference(one, seeds) > 0 for one in predictions.PREDICTIONS]
    of_b = [right for one, right in zip(predictions.PREDICTIONS, signs) if one.left == ("drn_b_26", "score_map")]
    assert signs[:2] == [True, True] and sum(of_b[1:]) == 2  # the page says so
    assert [one for one, right in zip(signs[12:], (False, True, True, True)) if one != right] == []


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
