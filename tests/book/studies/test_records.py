"""What a stored run can hold, field by field at both sides of each limit; and what its outcomes must agree with."""

import json

import numpy as np
import pytest

from book.studies import files, metrics
from book.studies.reading import outcomes, records
from tests.book.studies.test_results import DATASET, a_run

STEPS = {"recipe": {"epochs": 2, "batch_size": 4}, "curve": [{"epoch": 1}, {"epoch": 2}]}


def checked(**changes):
    records.check(records.StoredRun(**a_run(**changes)))


def of_data(**changes):
    return {"dataset": {**DATASET, **changes}}


GOOD = [
    {},
    {"variant": "a_2", "head": "drop", "start_sha256": "0123456789abcdef" * 4},
    {"architecture": "drn_c_26", "tail": "fading"},
    {"seed": 0, "steps": 0, "threads": 1, "seconds": 0},
    {"seconds": metrics.LARGEST},
    of_data(counts={"train": 0}, sequences={"old": 1}, classes=["a", "b"], sha256={"train": "f" * 64}),
    {"metrics": {"a.top1": 0, "b.top5": 100, "c.pointing_error": 100.0, "d.gt_known_50": 0, "e.iou.traffic_sign": 100}},
    {"metrics": {"lattice_energy.level_6": 1, "a.mean_iou": 0, "b.mask_iou_own": 1.0}},
    {"metrics": {"a.loss": 1e9, "a.n": 0, "a.specks": 1e9, "memory.peak_mb": 5e8, "memory.peak_gpu_mb": 101}},
    {"metrics": {"a.threshold": -1e9, "b.threshold": 1e9}},
    {"curve": [{"epoch": 1, "train_loss": 0.0, "tune_top1": 100.0, "val_miou_present": None}]},
    {**STEPS, "steps": 6},  # 10 images by 4: three batches in each of two epochs
    {"recipe": "first", "curve": [{"epoch": 1}, {"epoch": 2}], "steps": 5},  # a name says nothing of epochs
    {"recipe": {"epochs": 1, "batch_size": 4}, **of_data(counts={}), "steps": 5},
]
BAD = [
    ({"study": "Trial"}, "study has lower-case letters, digits and _ only, not 'Trial'"),
    ({"architecture": "../drn"}, "architecture has lower-case"),
    ({"variant": "drn a"}, "variant has lower-case"),
    ({"architecture": "drn_z_18"}, "drn_z_18"),
    ({"dilation_rule": "exactly"}, "exactly"),
    ({"head": "tail"}, "no way to treat the head called 'tail'"),
    ({"tail": "drop"}, "no start of the tail 'drop'"),
    ({"tail": "identity"}, "drn_a_18 has no levels 7 and 8 without residual links"),
    ({"start_sha256": "0" * 63}, "start_sha256 is not 64"),
    ({"start_sha256": "G" * 64}, "start_sha256 is not 64"),
    ({"seed": -1}, "seed must be a whole number of 0 or more, not -1"),
    ({"steps": -1}, "steps must be"),
    ({"threads": 0}, "threads must be a whole number of 1 or more, not 0"),
    ({"seconds": -0.001}, r"seconds must be a number from 0 to 1e\+09, not -0.001"),
    ({"seconds": 1.1e9}, "seconds must be"),
    (of_data(name=3), "dataset.name must be text, not 3"),
    (of_data(counts={"train": -1}), "dataset.counts.train must be a whole number of 0 or more, not -1"),
    (of_data(counts=[10]), "dataset.counts must be a mapping"),
    (of_data(sequences={"old": 0}), "dataset.sequences.old must be a whole number of 1 or more, not 0"),
    (of_data(classes=["a", "b", "a"]), "dataset.classes has 'a' twice"),
    (of_data(classes=["a", 1]), "a class of dataset.classes must be text, not 1"),
    (of_data(sha256="0" * 65), "dataset.sha256 +is not 64"),
    (of_data(sha256={"tune": 64}), "dataset.sha256 tune is not 64"),
    ({"metrics": {"Top1": 1.0}}, "metrics has the name 'Top1'"),
    ({"metrics": {"a..top1": 1.0}}, "metrics has the name"),
    ({"metrics": {"a.top1": 100.1}}, "a.top1 must be a number from 0 to 100, not 100.1"),
    ({"metrics": {"a.top1": -0.1}}, "a.top1 must be"),
    ({"metrics": {"a.top1": True}}, "a.top1 must be a number .* not True"),
    ({"metrics": {"a.miou_thin": 101}}, "from 0 to 100"),
    ({"metrics": {"lattice_energy.level_6": 1.01}}, "from 0 to 1, not 1.01"),
    ({"metrics": {"a.mean_iou": -0.01}}, "from 0 to 1, not -0.01"),
    ({"metrics": {"a.loss": -1}}, "a.loss must be"),
    ({"metrics": {"a.n": 2e9}}, "a.n must be"),
    ({"metrics": {"a.threshold": -2e9}}, "a.threshold must be"),
    ({"metrics": {"a.threshold": 2e9}}, "a.threshold must be"),
    ({"curve": [{"epoch": 2}]}, "row 1 of curve is of epoch 2"),
    ({"curve": [{"train_loss": 1.0}]}, "row 1 of curve lacks epoch"),
    ({"curve": [{"epoch": 1, "train_loss": -1.0}]}, "train_loss in row 1 of curve must be"),
    ({"curve": [{"epoch": 1, "tune_top1": 101.0}]}, "tune_top1 in row 1 of curve must be a number from 0 to 100"),
    ({"curve": [{"epoch": 1}, {"epoch": 2}]}, "curve has 2 epochs, but the recipe 1"),
    ({**STEPS, "steps": 5}, "steps is 5, which is not 2 epochs of 10 images by 4"),
    ({**STEPS, "steps": 7}, "steps is 7"),
]


@pytest.mark.parametrize("changes", GOOD, ids=str)
def test_what_a_run_can_hold_is_accepted(changes):
    checked(**changes)


@pytest.mark.parametrize(("changes", "says"), BAD, ids=[says for _, says in BAD])
def test_what_no_run_can_hold_is_one_sentence(changes, says):
    with pytest.raises(ValueError, match=says):
        checked(**changes)


def test_defaults_of_the_fields_that_old_runs_lack():
    run = records.StoredRun(**a_run())
    assert (run.variant, run.name, run.head, run.steps, run.threads) == ("drn_a_18", "drn_a_18-s0", "strict", 0, 1)
    assert (run.dilation_rule, run.start, run.start_sha256, run.scored_commit, run.finished) == (None,) * 4 + ("",)
    assert records.StoredRun(**a_run(variant="wide", seed=7)).name == "wide-s7"


# Outcomes

SCORED = {"final.test.top1": 40.0, "final.test.top5": 20.0, "final.test.loss": 1.25}
CORRECT, TOP5 = np.array([1, 1, 1, 0, 0], bool), np.array([1, 1, 1, 1, 0], bool)
ARRAYS = {"correct": CORRECT, "top5_correct": TOP5, "loss": np.array([1, 1, 1, 1, 2.25])}
MATRIX = np.array([[[3, 1], [1, 3]], [[2, 2], [2, 2]], [[4, 0], [0, 4]]], np.int32)  # of drives 0, 0, 1
STREETS = {"name": "camvid", "counts": {"test": 3}, "classes": ["road", "pole"], "sequences": {"Old": 2, "New": 1}}
DRIVES = {"confusion": MATRIX, "sequence": np.array([0, 0, 1], np.uint8)}
PIXELS = {"final.test.pixel_accuracy": 75.0, "final.test.sequence.new.pixel_accuracy": 100.0}


def compare(arrays, stored=SCORED, dataset=DATASET):
    outcomes.check(records.StoredRun(**a_run(metrics=stored, dataset=dataset)), arrays, "the arrays")


def test_outcomes_that_agree_are_accepted():
    compare(ARRAYS)
    compare({**ARRAYS, "clutter.iou": np.array([100, 200, 0]), "clutter.curve": np.zeros((41, 4))})
    compare({**ARRAYS, "pets.iou": np.array([9]), "pets.mask_curve": np.zeros(7)}, {**SCORED, "pets.mean_iou": 0.04})
    compare(DRIVES, PIXELS, STREETS)
    compare({"iou": np.array([3])}, {"lattice_energy.level_6": 0.1})  # nothing of a part: of any number of images


@pytest.mark.parametrize(
    ("arrays", "stored", "says"),
    [
        ({**ARRAYS, "correct": CORRECT[:4]}, SCORED, "correct in the arrays has 4 images, not 5"),
        ({**ARRAYS, "more": np.ones(6)}, SCORED, "more in the arrays has 6 images, not 5"),
        (
            {**ARRAYS, "a.iou": np.ones(2), "a.cam_iou": np.ones(3)},
            SCORED,
            "a.cam_iou in the arrays has 3 images, not 2",
        ),
        ({"loss": ARRAYS["loss"], "correct": CORRECT}, SCORED, "the arrays lacks the outcomes of final.test.top5"),
        (ARRAYS, {**SCORED, "final.test.top1": 40.0002}, "final.test.top1 is 40.0002, but .* give 40"),
        (ARRAYS, {**SCORED, "final.test.loss": 1.2502}, "final.test.loss is 1.2502, but .* give 1.25"),
        (ARRAYS, {**SCORED, "final.tune.top1": 40.0}, "metrics are of test and tune, where a run is scored on one"),
        ({**ARRAYS, "a.iou": np.array([100])}, {**SCORED, "a.mean_iou": 0.506}, "a.mean_iou is 0.506, but .* give 0.5"),
        ({**ARRAYS, "a.mask_iou": np.array([100])}, {**SCORED, "a.mask_iou": 0.506}, "a.mask_iou is 0.506, .* 0.5"),
        ({**ARRAYS, "a.iou": np.array([100])}, {**SCORED, "a.mean_iou": 0.494}, "a.mean_iou is 0.494, but .* give 0.5"),
        ({**ARRAYS, "a.iou": np.array([100])}, {**SCORED, "a.gt_known_50": 0}, "a.gt_known_50 is 0, .* give 100"),
    ],
)
def test_outcomes_that_contradict_the_metrics_are_one_sentence(arrays, stored, says):
    with pytest.raises(ValueError, match=says):
        compare(arrays, stored)


@pytest.mark.parametrize("value", [40.000009, 39.999991])
def test_a_metric_may_differ_by_its_rounding(value):
    compare(ARRAYS, {**SCORED, "final.test.top1": value})
    compare({**ARRAYS, "a.iou": np.array([100])}, {**SCORED, "a.mean_iou": value / 80 + 0.0049})


def test_a_part_without_a_count_has_no_outcomes():
    dataset = {**DATASET, "counts": {"train": 10}}
    with pytest.raises(ValueError, match="correct in the arrays has 1 images, not 0"):
        compare({"correct": CORRECT[:1]}, {"final.test.top1": 0.0}, dataset)


@pytest.mark.parametrize("sequence", [[0, 0, 0], [0, 1, 1], [0, 0, 2], [1, 1, 0]])
def test_frames_of_other_drives_are_refused(sequence):
    with pytest.raises(ValueError, match="sequence in the arrays has other numbers of frames than dataset.sequences"):
        compare({**DRIVES, "sequence": np.array(sequence)}, PIXELS, STREETS)


def test_a_drives_score_is_of_its_own_frames():
    with pytest.raises(ValueError, match="sequence.new.pixel_accuracy is 75, but .* give 100"):
        compare(DRIVES, {**PIXELS, "final.test.sequence.new.pixel_accuracy": 75.0}, STREETS)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array(3.0), "other in a.npz is no list of numbers"),
        (np.array([], float), "no list of numbers"),
        (np.array(["a"]), "no list of numbers"),
        (np.array([1 + 2j]), "no list of numbers"),
        (np.array([1.0, np.nan]), "other in a.npz holds values that are not finite"),
        (np.array([np.inf]), "not finite"),
    ],
)
def test_arrays_are_finite_numbers(tmp_path, array, says):
    np.savez(tmp_path / "a.npz", good=np.array([1, 2]), other=array)
    with pytest.raises(ValueError, match=says):
        outcomes.read(tmp_path / "a.npz")


def test_arrays_come_back_as_they_were(tmp_path):
    kinds = {"b": np.array([True]), "i": np.array([-3]), "u": np.array([7], np.uint8), "f": np.array([[0.5, 2.0]])}
    np.savez(tmp_path / "a.npz", **kinds)
    found = outcomes.read(tmp_path / "a.npz")
    assert {name: (array.dtype, array.tolist()) for name, array in found.items()} == {
        name: (array.dtype, array.tolist()) for name, array in kinds.items()
    }
    assert list(outcomes.read(tmp_path / "a.npz", "f", "z")) == ["f"], "only what is asked for, and only what is there"


def test_the_part_that_was_scored():
    assert metrics.scored_part({"final.val.top1": 1, "final.val.loss": 1, "clutter.gt_known_50": 1}) == "val"
    assert metrics.scored_part({"finals.test.top1": 1, "lattice_energy.level_6": 1}) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": True}, "seed has the wrong type"),
        ({"seed": 1.0}, "seed has the wrong type"),
        ({"curve": {}}, "curve has the wrong type"),
        ({"metrics": []}, "metrics has the wrong type"),
        ({"recipe": 3}, "recipe has the wrong type"),
        ({"commit": 3}, "commit has the wrong type"),
        ({"seconds": "1"}, "seconds has the wrong type"),
        ({"secondz": 1}, "field of a run 'secondz'; did you mean seconds"),
        ({"study": "other"}, "it holds the run drn_a_18-s0 of the study other"),
        ({"seed": 1}, "it holds the run drn_a_18-s1 of the study trial"),
    ],
)
def test_a_file_with_other_fields_or_another_name_is_refused(tmp_path, change, says):
    (tmp_path / "trial").mkdir()
    file = tmp_path / "trial" / "drn_a_18-s0.json"
    file.write_text(json.dumps(a_run(seconds=2, parameters=5, recipe="first")))
    assert files.load_run(file).seconds == 2  # a whole number of seconds, a named recipe, a field of the first runs
    file.write_text(json.dumps(a_run(**change)))
    with pytest.raises(files.ResultsError, match=f"drn_a_18-s0.json is not a run as its study left it: .*{says}"):
        files.load_run(file)
