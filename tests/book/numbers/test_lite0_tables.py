"""Tables of the real ImageNet network: filled from its results, and honest where there are none."""

import json

import pytest

from book.numbers.tables import lite0
from book.studies import files

READINGS = ["as_trained", "exact_8", "levels_8"]


def rows(table: str) -> dict[str, list[str]]:
    """By the first column of a Markdown table, the other cells."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {first: cells for first, *cells in lines if first != "---"}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder of results, in which there are none yet."""
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", lite0.TABLES)
def test_what_was_not_measured_says_so(results, name):
    assert "not yet measured" in lite0.TABLES[name]() and "|" not in lite0.TABLES[name]()


def test_what_becomes_of_the_classes():
    found = rows(lite0.photographs())
    assert found["as trained"] == ["7\u00a0×\u00a07", "–", "9", "3"]
    assert found["*exact*, output stride 8"] == ["28\u00a0×\u00a028", "none", "7", "3"]
    assert found["*levels*, output stride 8"][1].endswith("\u00a0%")
    named = rows(lite0.classes())
    assert len(named) == 1 + 9 and named["coffee"][:2] == ["espresso 0.94", "espresso 0.94"]


def test_the_grid_by_level_counts_photographs():
    found = rows(lite0.grid())
    assert found["level 4, period 4"][0] == found["level 4, period 4"][1]
    assert found["score map, period 4"][2] == found["level 5, period 2"][5] == "9 of 9"


def test_localization_and_its_differences(results):
    row = {"cells": 7, "pixel_ap": 81.26, "box_30": 99, "box_50": 90, "box_70": 60.0, "pointing": 97, "kind": 88}
    pair = {"estimate": -1.25, "low": -2.0, "high": -0.5, "predicted": "-", "p_holm": 0.0002}
    document = {"readings": dict.fromkeys(READINGS, row), "pixel_ap": {"exact_8 - as_trained": pair}}
    (results / "lite0_pets.json").write_text(json.dumps(document))
    assert rows(lite0.pets())["as trained"][1:] == ["81.3", "99.0", "90.0", "60.0", "97.0", "88.0"]
    (found,) = list(rows(lite0.pets_differences()).items())[1:]
    assert found[0] == "pixel average precision, %: *exact*, output stride 8 − as trained"
    assert found[1] == ["−1.2", "[−2.0,\u00a0−0.5]", "< 0.01", "less"]


def test_a_probe_is_a_mean_over_its_trainings(results):
    row = {"miou_present": [40.0, 42.0], "miou_thin": [10.0, 11.0], "specks": [3.0, 5.0]}
    pair = {"estimate": 1.0, "low": 0.5, "high": 1.5, "predicted": "+", "p_holm": 0.04}
    differences = {key: {"exact_8 - as_trained": pair} for key in row}
    (results / "lite0_probe.json").write_text(json.dumps({"readings": dict.fromkeys(READINGS, row), **differences}))
    assert rows(lite0.probe())["as trained"] == ["2", "41.0", "10.5", "4.0"]
    found = rows(lite0.probe_differences())
    assert found["mean IoU, %: *exact*, output stride 8 − as trained"] == ["+1.0", "[0.5,\u00a01.5]", "0.04", "more"]
    assert found["specks an image: *exact*, output stride 8 − as trained"][-1] == "–"
