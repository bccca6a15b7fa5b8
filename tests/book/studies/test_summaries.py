"""Rows and differences of a study, on results written for the purpose."""

import json
import math

import numpy as np
import pytest
import torch

from book.studies import intervals, plans, results, summaries
from book.studies.evidence import families
from book.studies.intervals import Interval
from drn_lib import create_model
from tests.book.studies.test_results import a_run, write
from tests.book.studies.test_segmentation import stored_run

RECIPE = {"image_size": 64, "width": 0.25}
DATASET = {"name": "shapes", "counts": {"train": 10}, "classes": list("abcdefghijklmnopqrst")}


@pytest.fixture
def trial(tmp_path):
    """Two networks with three seeds each, right on 60 % and 70 % of 200 images, and a variant with one seed."""
    generator = np.random.default_rng(0)
    for network, share in (("resnet_18", 0.6), ("drn_a_18", 0.7)):
        for seed in range(3):
            correct = generator.random(200) < share
            metrics = {"final.test.top1": 100 * (1 - correct.mean()), "lattice_energy.score_map": 0.01 * seed}
            run = a_run(architecture=network, seed=seed, metrics=metrics, recipe=RECIPE, seconds=60.0 * (seed + 1))
            write(tmp_path, {**run, "dataset": DATASET}, correct=correct)
    run = a_run(recipe={**RECIPE, "image_size": 128}, variant="drn_a_18_128px", dataset=DATASET)
    (tmp_path / "trial" / "drn_a_18_128px-s0.json").write_text(json.dumps(run))
    return tmp_path


def test_variants_are_kept_apart_from_their_network(trial):
    assert results.variants("trial", trial) == ["resnet_18", "drn_a_18", "drn_a_18_128px"]
    assert results.metric("trial", "drn_a_18", "final.test.top1", trial).n == 3
    assert results.metric("trial", "drn_a_18_128px", "final.test.top1", trial).seeds == (0,)


def test_a_row_has_its_seeds_costs_and_intervals(trial):
    rows = summaries.summarize("trial", ["final.test.top1", "no.such.metric"], root=trial)
    assert [row.name for row in rows] == ["ResNet-18", "DRN-A-18", "DRN-A-18 at 128 px"]
    with torch.device("meta"):
        model = create_model("drn_a_18", 20, 0.25)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert [(row.n, row.parameters) for row in rows] == [(3, parameters), (3, parameters), (1, parameters)]
    assert 3.9 < rows[2].multiply_adds / rows[1].multiply_adds < 4.0  # four times the pixels, but one classifier
    ((name, error),) = rows[0].metrics.items()
    assert name == "final.test.top1" and error.low < 40 < error.high
    only = summaries.summarize("trial", [], ["drn_a_18", "drn_c_26"], trial)
    assert [row.variant for row in only] == ["drn_a_18"]


def test_a_mean_is_redrawn_over_seeds_and_images_where_their_outcomes_are_stored(trial):
    found = summaries.mean("trial", "drn_a_18", "final.test.top1", trial)
    wrong = results.wrong("trial", "drn_a_18", "final.test.top1", trial)
    (redrawn,) = intervals.redraw([wrong], 4000, 0)
    assert found.estimate == pytest.approx(100 * wrong.mean()) and found.n == 3 and math.isnan(found.p)
    assert (found.low, found.high) == pytest.approx(np.quantile(redrawn, [0.025, 0.975]), abs=0.2)
    energy = summaries.mean("trial", "drn_a_18", "lattice_energy.score_map", trial)
    assert energy == intervals.student_t(results.metric("trial", "drn_a_18", "lattice_energy.score_map", trial))
    assert summaries.mean("trial", "drn_a_18", "no.such.metric", trial) is None
    (trial / "trial" / "drn_a_18-s1.json").unlink()
    (trial / "trial" / "drn_a_18-s2.json").unlink()
    assert math.isnan(summaries.mean("trial", "drn_a_18", "final.test.top1", trial).low)  # one seed


def test_a_mean_of_confusion_matrices_is_redrawn_within_the_drives(tmp_path):
    for seed in range(3):
        stored_run(tmp_path, "drn_a_18", seed, 0.7)
    counts, options = results.outcomes_of("trial", "drn_a_18", "final.test.miou_present", tmp_path)
    found = summaries.mean("trial", "drn_a_18", "final.test.miou_present", tmp_path)
    (redrawn,) = intervals.redraw([counts], 4000, 0, **options)
    assert found.method == intervals.BOOTSTRAP and "groups" in options and found.low < found.estimate < found.high
    assert (found.low, found.high) == pytest.approx(np.quantile(redrawn, [0.025, 0.975]), abs=0.2)


def test_the_training_loss_is_the_last_one_of_each_curve(trial):
    for seed in range(3):
        file = trial / "trial" / f"drn_a_18-s{seed}.json"
        curve = [{"epoch": 1, "train_loss": 9.0}, {"epoch": 2, "train_loss": 0.1 * (seed + 1)}]
        file.write_text(json.dumps({**json.loads(file.read_text()), "curve": curve}))
    found = summaries.mean("trial", "drn_a_18", summaries.TRAINING_LOSS, trial)
    assert found == intervals.student_t(intervals.Sample((0, 1, 2), (0.1, 0.2, 0.1 * 3)))


def test_the_live_fraction_of_level_6_by_hand(trial):
    rows = summaries.summarize("trial", [], root=trial)
    # ResNet-18 at 64 px: a 2x2 map, of whose six taps a side four live; in the first convolution, of stride 2 on 4x4
    # cells, five do. DRN-A-18: 8x8 cells, of 24 taps a side 16 at dilation 4 and 20 at dilation 2: the same shares.
    assert rows[0].live_fraction == rows[1].live_fraction == pytest.approx((3 * (4 / 6) ** 2 + (5 / 6) ** 2) / 4)
    # 16x16 cells: 40 of 48 taps a side at dilation 4, 44 at dilation 2.
    assert rows[2].live_fraction == pytest.approx((3 * (40 / 48) ** 2 + (44 / 48) ** 2) / 4)


def test_differences_carry_both_intervals_and_holms_p(trial):
    pairs = [("drn_a_18", "resnet_18"), ("drn_c_26", "resnet_18"), ("drn_a_18_128px", "resnet_18")]
    rows = summaries.compare("trial", pairs, "final.test.top1", trial)
    assert [(row.left, row.right) for row in rows] == [pairs[0], pairs[2]]
    first = rows[0]
    assert "bootstrap" in first.difference.method and "Student" in first.over_seeds.method
    assert first.difference.estimate == pytest.approx(first.over_seeds.estimate)
    assert first.p_adjusted >= first.difference.p
    assert first.verdict("less") == "supported" and first.verdict("greater") == "contradicted"
    assert math.isnan(rows[1].difference.low) and rows[1].verdict("less") == "not resolved"


def test_the_studys_plan_names_its_variants():
    assert "ladder_a_22" in results.planned_variants("classification")
    assert results.planned_variants("no_such_study") == []


def test_the_committed_runs_of_the_classification_study_are_summarized():
    (row,) = summaries.summarize("classification", ["final.test.top1"], ["drn_a_18"])
    values = [run.metrics["final.test.top1"] for run in results.runs("classification", "drn_a_18")]
    assert row.n == len(values) == 5 and row.metrics["final.test.top1"].estimate == pytest.approx(np.mean(values))
    assert 0 < row.live_fraction < 1


def test_a_verdict_is_provisional_where_the_seeds_alone_hold_zero():
    def comparison(low, high):
        clear = Interval(-3.0, -4.0, -2.0, 3, "bootstrap over seeds and images", 0.001)
        alone = Interval(-3.0, low, high, 3, "Student's t over seeds", 0.2)
        return summaries.Comparison("drn_a_18", "resnet_18", clear, alone, 0.003)

    assert comparison(-5.0, -1.0).judged("less") == "supported"
    assert comparison(-7.0, 1.0).judged("less") == "supported (provisional)"
    assert comparison(-7.0, 1.0).judged("greater") == "contradicted (provisional)"
    assert comparison(-7.0, 1.0).verdict("less") == "supported"


def test_a_difference_has_one_p_wherever_it_is_printed(trial, monkeypatch):
    pairs = (("drn_a_18", "resnet_18"), ("drn_b_26", "resnet_18"), ("drn_c_26", "resnet_18"))
    monkeypatch.setattr(families, "FURTHER", {"trial": (pairs,)})
    together = summaries.compare("trial", pairs, "final.test.top1", trial)
    (alone,) = summaries.compare("trial", pairs[:1], "final.test.top1", trial)
    assert together[0] == alone and alone.p_adjusted == pytest.approx(3 * alone.difference.p)  # the others have no p
    monkeypatch.setattr(families, "FURTHER", {})
    (single,) = summaries.compare("trial", pairs[:1], "final.test.top1", trial)
    assert single.p_adjusted == single.difference.p


def test_the_primary_comparisons_of_a_plan_are_one_family():
    primary = families.family("classification", ("drn_a_18", "resnet_18"))
    assert primary == (("drn_a_18", "resnet_18"), ("drn_b_26", "drn_a_18"), ("drn_c_26", "drn_b_26"))
    assert families.family("classification", ("drn_a_18", "drn_d_22")) is None


def test_no_difference_is_in_two_families_and_all_variants_are_planned():
    for study, further in families.FURTHER.items():
        plan = plans.load_plan(study)
        pairs = [pair for together in (plan.primary_comparisons, *further) for pair in together]
        assert len(set(pairs)) == len(pairs) and {name for pair in pairs for name in pair} <= set(plan.variants)
