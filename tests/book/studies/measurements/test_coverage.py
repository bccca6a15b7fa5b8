"""Invented studies: they look like the measured ones, and their truth is what it is said to be."""

import json
from itertools import combinations

import numpy as np
import pytest

from book.studies import files
from book.studies.measurements import coverage

PLENTY = 60


@pytest.fixture(scope="module")
def study():
    return coverage.invented(PLENTY, 3000, np.random.default_rng(0))


def test_an_invented_study_looks_like_the_measured_one(study):
    for side, error in zip(study, (38, 35), strict=True):
        assert 100 * side.mean() == pytest.approx(error, abs=2)
        assert 100 * side.mean(axis=1).std(ddof=1) == pytest.approx(0.9, abs=0.25)
        agreed = np.mean([(side[i] == side[j]).mean() for i, j in combinations(range(8), 2)])
        assert agreed == pytest.approx(0.83, abs=0.02)
    assert np.mean([(one == other).mean() for one in study[0][:8] for other in study[1][:8]]) == pytest.approx(
        0.8, abs=0.02
    )


def test_the_truth_is_the_difference_of_endless_studies():
    left, right = coverage.invented(40, 40_000, np.random.default_rng(1))
    assert 100 * (left.mean() - right.mean()) == pytest.approx(coverage.truth(), abs=0.5)


def test_an_interval_is_counted_that_holds_the_truth(monkeypatch):
    found = coverage.coverage(3, studies=20, images=300, draws=200)
    assert 80 <= found["held"] <= 100 and 5 < found["width"] < 15
    monkeypatch.setattr(coverage, "truth", lambda: 50.0)
    assert coverage.coverage(3, studies=5, images=300, draws=200)["held"] == 0


def test_what_is_stored_is_of_this_model():
    stored = json.loads((files.results_dir() / "coverage.json").read_text(encoding="utf-8"))
    assert stored["truth"] == pytest.approx(coverage.truth())
    assert stored["studies"] == coverage.STUDIES and list(stored["seeds"]) == [str(n) for n in coverage.SEEDS]
    assert all(85 < row["held"] <= 100 for row in stored["seeds"].values())
