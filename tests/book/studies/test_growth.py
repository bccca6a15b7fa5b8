"""Whether a difference grows from classification to localization."""

from __future__ import annotations

import json

import numpy as np
import pytest

from book.studies import files, results
from book.studies.evidence import growth
from tests.book.studies.test_results import a_run


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Two networks, three seeds, 40 images: the worse one gets 4 more classes and 10 more boxes wrong."""
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)
    (tmp_path / "trial").mkdir()
    dataset = {"name": "x", "counts": {"train": 10, "test": 40}, "sha256": {"test": "0" * 64}}
    for name, classes, boxes in (("drn_a_18", 8, 6), ("resnet_18", 12, 16)):
        for seed in range(3):
            correct = np.arange(40) >= classes + seed
            overlap = np.where(np.arange(40) >= 40 - boxes, 100, 101).astype(np.uint8)  # 100 is an overlap of half
            wrong = 100 * (1 - (correct & (overlap > 100)).mean())
            run = a_run(architecture=name, seed=seed, dataset=dataset)
            run["metrics"] = {growth.CLASSIFICATION: 100 * (1 - correct.mean()), growth.LOCALIZATION: wrong}
            (tmp_path / "trial" / f"{name}-s{seed}.json").write_text(json.dumps(run))
            arrays = {"correct": correct, "localization.native.iou": overlap}
            np.savez(tmp_path / "trial" / f"{name}-s{seed}.npz", **arrays)


def test_the_growth_is_the_difference_of_two_differences(measured):
    found = growth.growth("trial", "drn_a_18", "resnet_18")
    assert (found.classification, found.localization) == pytest.approx((-10, -35))
    assert found.difference.estimate == pytest.approx(-25) == pytest.approx(found.over_seeds.estimate)
    assert found.difference.n == 3 and found.difference.low < -25 < found.difference.high < 0
    assert growth.growth("trial", "drn_a_18", "drn_b_26") is None


def test_its_images_are_those_of_the_stored_errors():
    for name in ("drn_a_18", "resnet_18"):
        grown = 100 * growth._only_the_box_is_wrong("classification", name).mean(axis=1)
        errors = [results.metric("classification", name, key) for key in (growth.LOCALIZATION, growth.CLASSIFICATION)]
        assert grown == pytest.approx(np.subtract(*(one.values for one in errors)), abs=1e-4)
