"""What was predicted of the real ImageNet network, beside what came out."""

from __future__ import annotations

import re

import pytest

from book.studies import files
from book.studies.evidence import lite0
from book.studies.imagenet import readings
from book.studies.intervals import Interval


def test_the_rows_are_the_predictions_of_the_plan():
    rows, plan = lite0.rows(), readings.plan()
    for part, outcome in (("pets", "pixel_ap"), ("probe", "miou_present")):
        wanted = [
            (readings.named(one["left"]), readings.named(one["right"]), lite0.SIGNS[one["predicted"]])
            for one in plan[part]["primary_comparisons"]
        ]
        assert [(*row.sides, row.predicted) for row in rows if row.what == outcome] == wanted
    text = (files.studies_dir() / "measurements" / "lite0.yml").read_text().replace("\n# ", " ").replace("\n  # ", " ")
    for said in (
        "exact 0 (below 1e-12); levels fits less often than as trained; lattice energy of the score map",
        "miou_thin rises from 32 to 8 exact by more than miou_present; levels has more specks than exact",
        "differences in pixel_ap of 0.013 and more can be shown",
        "differences of 1.4 points of mean IoU and more can be shown",
    ):
        assert said in text
    assert lite0.SMALLEST == {"pixel_ap": 1.3, "miou_present": 1.4} and len(rows) == 11


def test_the_verdicts_and_the_prediction_that_failed():
    found = {(row.what, row.sides[0]): row.verdict for row in lite0.rows()}
    assert list(found.values()).count("as predicted") == 7
    failed = [key for key, verdict in found.items() if verdict.startswith("against")]
    assert failed == [("thin_beside_present", "exact_8")]
    assert [key for key, verdict in found.items() if verdict == "not resolved"] == [
        ("fits", "levels_8"),
        ("miou_present", "exact_8"),
        ("miou_present", "exact_16"),
    ]


def test_thin_classes_beside_all_are_the_stored_scores():
    stored = readings.stored("probe")
    (row,) = [row for row in lite0.rows() if row.what == "thin_beside_present"]
    pair = "exact_8 - as_trained"
    wanted = stored["miou_thin"][pair]["estimate"] - stored["miou_present"][pair]["estimate"]
    assert row.difference.estimate == pytest.approx(wanted, abs=1e-6) == pytest.approx(row.over_seeds.estimate)
    assert stored["miou_thin"][pair]["high"] < 0  # the page says that thin classes do worse


def test_an_exact_statement_may_fail_and_a_probe_may_be_provisional():
    assert lite0.Row("exact", ("a", "b"), None, true=False).verdict == "against the prediction"
    assert lite0.Row("exact", ("a", "b"), None, true=False).other_sign
    sides = Interval(2.0, 1.0, 3.0, 5, ""), Interval(2.0, -1.0, 5.0, 5, "")
    assert lite0.Row("specks", ("a", "b"), "greater", *sides, 0.01).verdict == "as predicted (provisional)"
    assert lite0.Row("specks", ("a", "b"), "greater", *sides, 0.2).verdict == "not resolved"
    assert lite0.Row("specks", ("a", "b"), "less", sides[0]).other_sign


def test_what_was_not_measured_has_no_row(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)
    assert lite0.rows() == []


def test_four_of_the_five_photographs_with_a_fitting_class_were_seen_before():
    text = (files.studies_dir() / "measurements" / "lite0.yml").read_text()
    (seen,) = re.findall(r"therefore no prediction: the classes of (.+?) under", text)
    fitting = [name for name, wanted in readings.plan()["photographs"].items() if wanted]
    assert len(fitting) == 5 and sum(name in seen for name in fitting) == 4
