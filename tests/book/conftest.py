"""A study of made-up runs, for the tests of what is read and drawn of stored results."""

import json
import shutil

import numpy as np
import pytest

from book.studies import files


@pytest.fixture
def store_run(tmp_path, monkeypatch):
    """A function that stores a run of DRN-C-26 with its arrays in the study `made_up`, the only one that is read."""
    shutil.copy(files.results_dir() / "schema.json", tmp_path)
    (tmp_path / "made_up").mkdir()
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)

    def store(metrics: dict, curve: list = (), seed: int = 0, arrays: dict | None = None) -> None:
        run = {
            "study": "made_up",
            "recipe": "none",
            "architecture": "drn_c_26",
            "seed": seed,
            "dataset": {"name": "none", "counts": {"test": 300}},
            "metrics": metrics,
            "curve": list(curve),
            "seconds": 1.0,
            "device": "none",
            "torch": "2",
            "commit": None,
        }
        (tmp_path / "made_up" / f"drn_c_26-s{seed}.json").write_text(json.dumps(run))
        if arrays:
            np.savez(tmp_path / "made_up" / f"drn_c_26-s{seed}.npz", **arrays)

    return store


@pytest.fixture
def clutter_curves(store_run):
    """The study `made_up` with two seeds and their curves in clutter, lowest at threshold 12."""
    for seed in (0, 1):
        error = 40 + np.abs(np.arange(41) - 12.0) + seed
        curve = np.stack([error, 1 - error / 100, error + 5, 1 - error / 100], axis=1).astype(np.float32)
        store_run({"clutter.gt_known_50": 50.0}, seed=seed, arrays={"clutter.curve": curve})
    return "made_up"
