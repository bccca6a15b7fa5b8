"""What was predicted beside what was measured: planned contrasts, and sums of differences."""

from __future__ import annotations

import json

import numpy as np
import pytest

from book.studies import files, plans, results
from book.studies.evidence import blur, combinations, fitting, planned, replication
from book.studies.reading.contrasts import Contrast
from tests.book.studies.test_results import a_run

KEY = "final.test.top1"


def store(root, study, name, wrong, images="0"):
    """Runs of a variant, seeds 0 to 2, that get so many of 20 test images wrong, and one more from seed to seed."""
    counts = {"train": 10, "test": 20}
    for seed in range(3):
        correct = np.arange(20) >= wrong + seed
        dataset = {"name": "x", "counts": counts, "sha256": {"test": images * 64}}
        run = a_run(study=study, architecture="drn_a_18", variant=name, seed=seed, dataset=dataset)
        run["metrics"] = {KEY: 100 * (1 - correct.mean())}
        (root / study).mkdir(exist_ok=True)
        (root / study / f"{name}-s{seed}.json").write_text(json.dumps(run))
        np.savez(root / study / f"{name}-s{seed}.npz", correct=correct)


@pytest.fixture
def folds(tmp_path):
    for study, images, gap in (("one", "1", 10), ("two", "2", 6)):
        store(tmp_path, study, "low", 2, images)
        store(tmp_path, study, "high", 2 + gap, images)
    store(tmp_path, "one", "higher", 15, "1")
    return tmp_path


def test_a_pooled_difference_is_the_mean_of_the_folds_and_surer_than_each(folds):
    found = combinations.combine("one", combinations.pooled("high", "low", ("one", "two")), KEY, folds)
    single = [results.difference(study, "high", "low", KEY, root=folds) for study in ("one", "two")]
    assert [one.estimate for one in single] == pytest.approx([50, 30])
    assert found.difference.estimate == pytest.approx(40) == found.over_seeds.estimate
    assert found.difference.high - found.difference.low < min(one.high - one.low for one in single)
    assert found.difference.n == 3 and 0 < found.over_seeds.low < found.over_seeds.high


def test_a_sum_of_two_is_their_difference(folds):
    terms = [combinations.Term(1, "high"), combinations.Term(-1, "low")]
    found = combinations.combine("one", terms, KEY, folds)
    assert found.difference == results.difference("one", "high", "low", KEY, root=folds)
    welch = results.difference_over_seeds("one", "high", "low", KEY, root=folds)
    assert (found.over_seeds.low, found.over_seeds.p) == pytest.approx((welch.low, welch.p))


def test_a_change_of_a_difference_and_what_is_no_sum_of_differences(folds):
    found = combinations.combine("one", combinations.change("higher", "low", "high", "low"), KEY, folds)
    assert found.difference == results.difference("one", "higher", "high", KEY, root=folds)  # the low ones fall out
    found = combinations.combine("one", combinations.change("higher", "high", "low", "two/low"), KEY, folds)
    assert found.difference.estimate == pytest.approx(15) and found.difference.low < 15 < found.difference.high
    assert combinations.combine("one", combinations.change("higher", "low", "high", "gone"), KEY, folds) is None
    with pytest.raises(ValueError, match="the weights 1, 1 do not sum to 0"):
        combinations.combine("one", [combinations.Term(1, "high"), combinations.Term(1, "low")], KEY, folds)


def test_planned_contrasts_are_corrected_over_the_whole_family_measured_or_not(folds):
    def contrast(left, right, predicted, beside=None):
        return Contrast(left, right, KEY, predicted, 1.0, "the other", beside)

    family = (contrast("high", "low", "greater"), contrast("high", "low", "less"), contrast("gone", "low", "less"))
    first, second, third = planned.judged("one", "top", family, folds)
    assert (first.verdict, first.excludes) == ("as predicted", "the other")
    assert (second.verdict, second.excludes) == ("against the prediction", None)
    assert (third.verdict, third.measured, third.p_adjusted) == ("not measured", None, 1.0)
    assert first.p_adjusted == pytest.approx(3 * first.measured.difference.p)
    (changed,) = planned.judged("one", "top", (contrast("higher", "low", "less", ("high", "low")),), folds)
    assert changed.measured.difference.estimate == pytest.approx(15) and changed.verdict.startswith("against")


def test_no_contrast_is_read_before_both_sides_have_their_planned_runs(folds, monkeypatch):
    family = (Contrast("high", "one/low", KEY, "greater", 1.0, "the other"),)
    monkeypatch.setattr(
        results, "planned_seeds", lambda study, name: {("one", "high"): 3, ("one", "low"): 3}[study, name]
    )
    assert planned.judged("one", "top", family, folds)[0].measured is not None
    (folds / "one" / "low-s2.json").unlink()
    assert planned.judged("one", "top", family, folds)[0].verdict == "not measured"


def test_the_committed_plans_have_a_row_for_each_contrast():
    for study in ("starts", "heldout", "remedies", "length"):
        found = planned.rows(study)
        families = plans.load_plan(study).families
        assert [row.contrast for row in found] == [one for rows in families.values() for one in rows]
    with pytest.raises(ValueError, match="first_networks.yml has no families"):
        planned.rows("first_networks")


def test_a_planned_contrast_has_one_p_wherever_it_is_printed():
    row = planned.rows("heldout")[0]
    sides = row.contrast.left, row.contrast.right, row.contrast.outcome
    assert planned.p_adjusted("heldout", *sides) == row.p_adjusted
    assert planned.p_adjusted("heldout", sides[1], sides[0], sides[2]) is None  # no plan predicts that one
    assert planned.p_adjusted("heldout", *sides[:2], "final.test.no_such_outcome") is None
    assert planned.p_adjusted("no_such_study", *sides) is None


def test_one_line_through_the_networks_of_one_map_and_size(tmp_path):
    rows = {
        "drn_a_18": (0.2, 30.0, 64),
        "drn_b_26": (0.4, 32.0, 64),
        "drn_c_26": (0.8, 36.0, 64),
        "drn_d_22": (0.5, 90.0, 128),  # of larger images
        "resnet_18": (0.5, 90.0, 64),  # of another map
    }
    for name, (loss, error, size) in rows.items():
        recipe = {"image_size": size, "epochs": 1}
        run = a_run(architecture=name, recipe=recipe, curve=[{"epoch": 1, "train_loss": loss}], metrics={KEY: error})
        (tmp_path / "trial").mkdir(exist_ok=True)
        (tmp_path / "trial" / f"{name}-s0.json").write_text(json.dumps(run))
    found = fitting.points(["trial"], tmp_path)
    assert [point.variant for point in found] == ["drn_a_18", "drn_b_26", "drn_c_26"]
    through = fitting.line(found)
    assert (through.slope, through.intercept, through.correlation) == pytest.approx((10, 28, 1))
    assert through.residual_std == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="three points of different training loss, not 2"):
        fitting.line(found[:2])


def test_the_contrasts_of_the_blur_are_those_of_its_plan(tmp_path):
    page = (files.studies_dir() / "blur.md").read_text()
    assert len(blur.CONTRASTS) == 8 and len(set(blur.CONTRASTS)) == 8
    for one in blur.CONTRASTS:
        left, right = (
            (name.split("_")[1].upper(), " smooth" * name.endswith("_smooth")) for name in (one.left, one.right)
        )
        row = f"| {left[0]}{left[1]} - {right[0]}{right[1]} | {one.predicted} | {one.predicted} |"
        assert row in page and one.outcome in page
    assert [(row.family, row.contrast, row.verdict) for row in blur.rows(tmp_path)] == [
        ("blur", one, "not measured") for one in blur.CONTRASTS
    ]


def test_both_sets_of_classes_are_pooled_where_the_first_study_has_the_outcome():
    found = replication.pooled()
    planned_outcomes = {row.contrast.outcome for row in planned.rows("heldout")}
    assert {one.contrast.outcome for one in found} < planned_outcomes  # the first study stored no grid contrast
    for one in found:
        sides = one.contrast.left, one.contrast.right, one.contrast.outcome
        assert one.first == results.difference("classification", *sides)
        assert one.again == results.difference("heldout", *sides)
        assert one.both.estimate == pytest.approx((one.first.estimate + one.again.estimate) / 2, abs=1e-4)
        assert one.both.low < one.both.estimate < one.both.high
        assert one.both.high - one.both.low < one.again.high - one.again.low
