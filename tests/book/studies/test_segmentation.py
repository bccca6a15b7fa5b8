"""Runs of a study that trains segmentation networks: what one leaves, and what is computed from it. In seconds."""

import json
import os
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from book.studies import files, plans, pool, results, runs, segmentation
from drn_lib import paths
from drn_lib.checkpoints.weights import save_weights
from drn_lib.conversion import dilate
from drn_lib.datasets.base import InMemory
from drn_lib.datasets.catalog import open_dataset
from drn_lib.network import create_model
from drn_lib.segmentation.metrics import summarize
from drn_lib.segmentation.network import SegmentationNetwork, load_segmentation, make_backbone
from drn_lib.segmentation.scores import position_prior, score_segmentation
from drn_lib.segmentation.training import train_segmentation
from drn_lib.training.loop import RunOptions
from drn_lib.training.recipes import SegmentationRecipe
from tests.book.studies.test_results import a_run, write

REAL = os.environ.get("DRN_DATA", "")
TINY = SegmentationRecipe("tiny", "streets", crop=32, width=0.125, epochs=2, batch_size=4, lr=0.05, size=64)
PLAN = plans.Plan(
    "trial",
    {
        "drn_d_22": plans.Variant("drn_d_22", "drn_d_22", TINY),
        "resnet_18_dilated": plans.Variant("resnet_18_dilated", "drn_a_18", TINY, start="before/resnet_18"),
    },
    (plans.Wave(("drn_d_22", "resnet_18_dilated"), (0, 1), keep_weights=(0,)),),
)


@cache
def few(part):
    """Six drawn streets, drawn once for all tests."""
    return InMemory(open_dataset("streets", part, count=6, size=TINY.size))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Results, weights and working folders under tmp_path; six drawn streets a part. Gives the parts as they open."""
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path / "results")
    monkeypatch.setattr(paths, "checkpoints_dir", lambda: tmp_path / "checkpoints")
    monkeypatch.setenv("DRN_CACHE", str(tmp_path / "cache"))
    opened = []
    monkeypatch.setattr(segmentation, "open_dataset", lambda name, part, **options: opened.append(part) or few(part))
    return opened


def test_one_run_leaves_json_counts_and_weights(elsewhere):
    file = runs.run_one(PLAN, "drn_d_22", 0)
    run = json.loads(file.read_text())
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(run, json.loads((paths.data_dir() / "results" / "schema.json").read_text()))
    assert run["dataset"]["counts"] == {"train": 6, "tune": 6, "test": 6} and run["steps"] == 4
    assert [set(row) for row in run["curve"]] == [{"epoch", "train_loss", "val_miou_present", "val_pixel_accuracy"}] * 2
    # The test part is there before the training, and is read once that is over; then the prior's.
    assert elsewhere[:4] == ["test", "train", "tune", "test"]
    assert elsewhere.count("test") == 2 and "memory.peak_mb" in run["metrics"]

    with np.load(file.with_suffix(".npz")) as stored:
        per_image = dict(stored)
    assert per_image["confusion"].shape == (6, 19, 19) and per_image["sequence"].tolist() == [0] * 6
    for name, value in summarize(per_image, run["dataset"]["classes"]).items():
        assert run["metrics"][f"final.test.{name.replace(' ', '_')}"] == pytest.approx(value, abs=1e-4)

    model = load_segmentation(PLAN.weights_file("drn_d_22-s0"))
    assert model.classes == run["dataset"]["classes"]
    found, _ = score_segmentation(model, few("test"))
    assert found["pixel_accuracy"] == pytest.approx(run["metrics"]["final.test.pixel_accuracy"], abs=1)  # 16 bits


def test_the_dilated_resnet_begins_as_the_trained_resnet_read_densely(elsewhere):
    torch.manual_seed(5)
    resnet = create_model("resnet_18", 3, TINY.width)
    save_weights(resnet, paths.checkpoints_dir() / "before" / "resnet_18-s0.safetensors")
    run = json.loads(runs.run_one(PLAN, "resnet_18_dilated", 0).read_text())
    assert (run["architecture"], run["start"], run["dilation_rule"]) == ("drn_a_18", "before/resnet_18", "exact")
    begun = make_backbone("drn_a_18", TINY.width, "before/resnet_18-s0").eval()
    twin = dilate(resnet).eval()
    x = torch.randn(1, 3, 64, 64)
    assert torch.allclose(begun.last_map(x), twin.last_map(x), atol=0.02 * twin.last_map(x).abs().max().item())


@pytest.mark.parametrize(("epochs", "every"), [(1, 1), (2, 1), (7, 1), (8, 2), (11, 2), (40, 10)])
def test_a_study_trains_in_float32_and_looks_four_times(elsewhere, monkeypatch, tmp_path, epochs, every):
    asked = []
    monkeypatch.setattr(segmentation, "train_segmentation", lambda *args: asked.extend(args))
    known = replace(PLAN.variants["drn_d_22"], recipe=replace(TINY, epochs=epochs))
    given = RunOptions(tmp_path, "cuda:1", full_precision=True)
    _, about = segmentation.train(known, 7, given)
    recipe, backbone, seed, train_set, watched, val_every, options = asked
    assert (recipe, seed, val_every) == (known.recipe, 7, every) and backbone.table.name == "drn_d_22"
    assert isinstance(train_set, InMemory) and watched is few("tune") and elsewhere == ["train", "tune"]
    assert options is given
    assert about["name"] == "streets" and about["sha256"]["tune"] == few("tune").fingerprint


def test_drawn_parts_have_the_scenes_that_studies_take(monkeypatch):
    monkeypatch.setattr(segmentation, "open_dataset", lambda *names, **options: (names, options))
    assert segmentation.open_part(TINY, "tune") == (("streets", "tune"), {"count": 40, "size": 64})
    assert (
        segmentation.open_part(TINY, "train")[1]["count"] == 400
        and segmentation.open_part(TINY, "test")[1]["count"] == 100
    )
    assert segmentation.open_part(replace(TINY, dataset="camvid", size=None), "val") == (("camvid", "val"), {})


def test_without_the_weights_to_start_from_one_sentence_says_which_study_makes_them(elsewhere):
    with pytest.raises(FileNotFoundError, match="run the study before first"):
        runs.run_one(PLAN, "resnet_18_dilated", 1)


def test_an_interrupted_run_ends_as_an_uninterrupted_one(elsewhere, tmp_path, monkeypatch):
    whole = json.loads(runs.run_one(PLAN, "drn_d_22", 1).read_text())
    monkeypatch.setenv("DRN_CACHE", str(tmp_path / "other_cache"))
    PLAN.result_file("drn_d_22-s1").unlink()
    folder = PLAN.work_folder("drn_d_22-s1")
    torch.manual_seed(1)
    stopped = RunOptions(folder, max_steps=3)
    train_segmentation(TINY, make_backbone("drn_d_22", TINY.width), 1, few("train"), few("tune"), options=stopped)
    state = next(item for item in pool.status(PLAN) if item.name == "drn_d_22-s1")
    assert (state.step, state.total_steps, state.done) == (3, 4, False)
    again = json.loads(runs.run_one(PLAN, "drn_d_22", 1).read_text())
    assert again["curve"] == whole["curve"]
    for result in (whole, again):
        result["metrics"].pop("memory.peak_mb")
    assert again["metrics"] == whole["metrics"]


def test_a_pilot_opens_no_test_image(elsewhere):
    run = json.loads(runs.run_one(replace(PLAN, scored_part="tune"), "drn_d_22", 0).read_text())
    assert "test" not in elsewhere and "final.tune.miou_present" in run["metrics"]
    assert not [key for key in run["metrics"] if ".test." in key]


def test_kept_in_memory_a_set_gives_the_same_samples():
    drawn = open_dataset("streets", "train", count=3, size=64)
    kept = InMemory(drawn)
    assert len(kept) == 3 and kept.mask_classes == drawn.mask_classes
    for sample, again in zip(drawn, kept):
        assert torch.equal(sample["image"], again["image"]) and torch.equal(sample["mask"], again["mask"])
        assert again["mask"].dtype == torch.int64 and sample["name"] == again["name"]


def two_drives():
    """Synthetic streets whose names say that the first two are of one drive and the last of another."""
    streets = open_dataset("streets", "test", count=3, size=64)
    streets.names = [f"leftImg8bit/test/{drive}/{i}.png" for i, drive in enumerate(("Seq0", "Seq0", "0001TP"))]
    return streets


def test_each_drive_has_its_own_scores_and_the_prior_its(monkeypatch):
    monkeypatch.setattr(segmentation, "open_dataset", lambda name, part, **options: two_drives())
    torch.manual_seed(0)
    model = SegmentationNetwork(make_backbone("drn_d_22", TINY.width), 19)
    about = {"classes": two_drives().mask_classes, "counts": {}, "sha256": {}}
    metrics, per_image = segmentation.score(PLAN.variants["drn_d_22"], 0, model, about, "test")
    assert about["sequences"] == {"Seq0": 2, "0001TP": 1} and per_image["sequence"].tolist() == [0, 0, 1]
    last = {name: counts[2:] for name, counts in per_image.items() if name != "sequence"}
    expected = summarize(last, about["classes"])
    assert metrics["final.test.sequence.0001tp.miou_present"] == pytest.approx(expected["miou_present"])
    assert metrics["final.test.sequence.seq0.pixel_accuracy"] != metrics["final.test.pixel_accuracy"]
    drawn = two_drives()
    prior = position_prior(drawn)
    right = [(prior == drawn[i]["mask"]).sum() / (drawn[i]["mask"] != 255).sum() for i in range(3)]
    assert metrics["prior.test.sequence.0001tp.pixel_accuracy"] == pytest.approx(100 * right[2].item(), abs=1e-3)


def stored_run(root, name, seed, share, frames=40):
    """A run with made-up confusion matrices of two classes: `share` of the pixels right, a little more in drive 1."""
    random = np.random.default_rng([seed, round(100 * share)])
    right = np.clip(random.normal(share + 0.1 * (np.arange(frames) >= 30), 0.03), 0, 1)
    confusion = np.zeros((frames, 2, 2), dtype=np.int32)
    for frame, hits in enumerate(np.rint(1000 * right).astype(int)):
        confusion[frame] = [[hits, 1000 - hits], [1000 - hits, hits]]
    per_image = {"confusion": confusion, "band_confusion": confusion, "sequence": (np.arange(frames) >= 30).astype(int)}
    per_image.update({specks: random.poisson(20 * (1 - share), frames) for specks in ("specks", "wrong_specks")})
    per_image["true_specks"] = np.full(frames, 3)
    scores = summarize(per_image, ["road", "pole"])
    dataset = {"name": "camvid", "counts": {"test": frames}, "classes": ["road", "pole"]}
    metrics = {f"final.test.{key}": value for key, value in scores.items()}
    run = a_run(architecture=name, seed=seed, recipe={"crop": 224, "width": 0.25}, dataset=dataset, metrics=metrics)
    write(root, run, **per_image)
    return scores


@pytest.mark.parametrize("score", ["miou_present", "pixel_accuracy", "iou.pole", "band_miou_present", "specks"])
def test_differences_are_bootstrapped_over_seeds_and_frames(tmp_path, score):
    left, right = (
        np.mean([stored_run(tmp_path, name, seed, fraction)[score] for seed in range(3)])
        for name, fraction in (("drn_c_26", 0.8), ("drn_a_18", 0.7))
    )
    found = results.difference("trial", "drn_c_26", "drn_a_18", f"final.test.{score}", root=tmp_path)
    assert found.method == "bootstrap over seeds and images" and found.n == 3
    assert found.estimate == pytest.approx(left - right)
    assert found.low < found.estimate < found.high and found.high - found.low < 8
    assert (found.low > 0, found.high < 0) == ((False, True) if score == "specks" else (True, False))


def test_one_seed_resolves_nothing_and_a_drive_has_students_t_alone(tmp_path):
    stored_run(tmp_path, "drn_c_26", 0, 0.8)
    stored_run(tmp_path, "drn_a_18", 0, 0.7)
    found = results.difference("trial", "drn_c_26", "drn_a_18", "final.test.miou_present", root=tmp_path)
    assert found.method == "Student's t over seeds" and np.isnan(found.low)


@pytest.mark.skipif(not REAL, reason="DRN_DATA is not set: no real data here")
def test_a_few_real_frames_go_through_a_whole_run(elsewhere, monkeypatch):
    """CamVid's own frames and drives: two steps, then whole frames of both test drives."""

    class Few(InMemory):
        fingerprint = ""

        def __init__(self, dataset):
            places = [0, len(dataset) - 1]
            self.names, self.mask_classes = [dataset.names[place] for place in places], dataset.mask_classes
            self.classes, self.fingerprint = dataset.classes, "0" * 64
            self.identity = lambda index: dataset.identity(places[index])
            self._kept = [(dataset[place]["image"], dataset[place]["mask"].byte()) for place in places]

    monkeypatch.setattr(segmentation, "open_dataset", lambda name, part, **options: Few(open_dataset(name, part)))
    recipe = replace(TINY, dataset="camvid", crop=64, epochs=2, size=None)
    plan = replace(PLAN, variants={"drn_d_22": plans.Variant("drn_d_22", "drn_d_22", recipe)})
    run = json.loads(runs.run_one(plan, "drn_d_22", 0).read_text())
    assert run["steps"] == 2 and run["dataset"]["sequences"] == {"0001TP": 1, "Seq05VD": 1}
    assert {"final.test.sequence.0001tp.miou_present", "prior.test.sequence.seq05vd.miou_thin"} <= set(run["metrics"])
