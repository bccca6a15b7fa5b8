"""Scores of a segmentation: by hand, by brute force, and by the official evaluator of Cityscapes."""

import itertools
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from book.studies.files import results_dir
from drn_lib.datasets import open_dataset
from drn_lib.datasets.base import InMemory
from drn_lib.datasets.contract import IGNORE, DataError
from drn_lib.datasets.sources import locate
from drn_lib.datasets.street_scenes import TRAIN_ID_OF_ID, label_file, label_ids, write_prediction
from drn_lib.evaluation.confusion import class_iou, confusion_matrix, miou, miou_official, pixel_accuracy
from drn_lib.network import create_model
from drn_lib.segmentation.inference import predict_labels
from drn_lib.segmentation.metrics import grid_ceiling, outcome, summarize
from drn_lib.segmentation.network import SegmentationNetwork, load_segmentation
from drn_lib.segmentation.scores import (
    boundary_band,
    find_specks,
    images_by_sequence,
    position_prior,
    score_image,
    score_segmentation,
)
from drn_lib.segmentation.training import train_segmentation
from drn_lib.training.recipes import SegmentationRecipe, recipe

REAL = os.environ.get("DRN_DATA", "")
needs_data = pytest.mark.skipif(not REAL, reason="DRN_DATA is not set: no real data here")

MAPS = st.integers(0, 2**32 - 1).map(
    lambda seed: [np.random.default_rng(seed).choice([0, 1, 2, IGNORE], (7, 9)) for _ in range(2)]
)


def tensor(rows) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.int64)


def test_scores_by_hand():
    truth = tensor([[0, 0, 1], [1, IGNORE, 1]])
    labels = tensor([[0, 2, 1], [1, 2, 0]])
    confusion = confusion_matrix(labels, truth, 4)
    assert confusion.tolist() == [[1, 0, 1, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert np.allclose(class_iou(confusion), [100 / 3, 200 / 3, 0, np.nan], equal_nan=True)
    assert miou(confusion) == pytest.approx(50)  # classes 0 and 1 alone are there
    assert miou_official(confusion) == pytest.approx(100 / 3)  # class 2 was said where it never is
    assert miou(confusion, [1, 3]) == pytest.approx(200 / 3)
    assert np.isnan(miou(confusion, [3])) and np.isnan(pixel_accuracy(0 * confusion))
    assert pixel_accuracy(confusion) == pytest.approx(60)


@settings(max_examples=30, deadline=None)
@given(MAPS)
def test_confusion_is_what_counting_pixel_by_pixel_gives(maps):
    truth, labels = (torch.from_numpy(values) for values in maps)
    labels[labels == IGNORE] = 0
    expected = np.zeros((3, 3), dtype=int)
    for real, said in zip(truth.flatten().tolist(), labels.flatten().tolist()):
        if real != IGNORE:
            expected[real, said] += 1
    found = confusion_matrix(labels, truth, 3)
    assert np.array_equal(found, expected)
    assert np.array_equal(found, confusion_matrix(labels.byte(), truth, 3))
    assert miou_official(found) <= miou(found) + 1e-9 or np.isnan(miou(found))


def test_what_cannot_be_scored_is_one_sentence():
    with pytest.raises(ValueError, match="both need one size"):
        confusion_matrix(torch.zeros(2, 3), torch.zeros(3, 2), 2)
    with pytest.raises(ValueError, match="the true classes must lie in 0..1; found 0..5"):
        confusion_matrix(tensor([[0, 0]]), tensor([[0, 5]]), 2)
    with pytest.raises(ValueError, match="the predicted classes must lie in 0..1; found 0..255"):
        confusion_matrix(tensor([[0, 255]]), tensor([[0, 0]]), 2)


@settings(max_examples=30, deadline=None)
@given(MAPS, st.integers(0, 3))
def test_the_band_is_what_looking_around_every_pixel_gives(maps, radius):
    truth = maps[0]
    band = boundary_band(torch.from_numpy(truth), radius).numpy()
    for row, column in np.ndindex(truth.shape):
        top, left = max(0, row - radius), max(0, column - radius)
        around = truth[top : row + radius + 1, left : column + radius + 1]
        classes = set(around[around != IGNORE].tolist())
        assert band[row, column] == (truth[row, column] != IGNORE and len(classes) > 1)


def test_specks_by_hand():
    labels = torch.zeros(20, 20, dtype=torch.int64)
    labels[2, 2] = labels[3, 3] = 1  # one part, through the corner
    labels[10:19, 10:19] = 2  # 81 pixels: no speck
    labels[12, 12] = 3  # a speck in it
    labels[0, 10] = IGNORE
    numbers, count = find_specks(labels)
    assert count == 2 and numbers.max() == 2
    assert (numbers > 0).sum() == 3 and numbers[2, 2] == numbers[3, 3] != numbers[12, 12]
    assert find_specks(labels, size=2)[1] == 1
    assert find_specks(labels, size=10**6)[1] == 4  # now the ground and the square as well
    assert find_specks(torch.full((4, 4), IGNORE))[1] == 0


def test_a_wrong_speck_is_one_that_is_mostly_not_there():
    truth = torch.zeros(20, 20, dtype=torch.int64)
    truth[5, 5] = 1
    truth[15, 15] = IGNORE
    labels = truth.clone()
    labels[15, 15] = 2  # a speck on a pixel without a label: neither right nor wrong
    labels[1, 1] = 2
    counts = score_image(labels, truth, 3)
    assert {name: int(counts[name]) for name in ("specks", "wrong_specks", "true_specks")} == {
        "specks": 3,
        "wrong_specks": 1,
        "true_specks": 1,
    }


def test_parts_of_a_set_add_up_and_names_follow_their_classes():
    data = open_dataset("streets", "test", count=4, size=64)
    masks = [data[index]["mask"] for index in range(4)]
    rows = [score_image(torch.roll(mask, 2, 1), mask, 19) for mask in masks]
    per_image = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    metrics = summarize(per_image, data.mask_classes)
    wide = confusion_matrix(torch.roll(torch.cat(masks), 2, 1), torch.cat(masks), 19)
    iou = class_iou(wide)
    assert metrics["iou.road"] == iou[0] and metrics["miou_official"] == miou_official(wide)
    assert metrics["miou_thin"] == miou(wide, [5, 7, 11])
    assert metrics["band_accuracy"] < metrics["pixel_accuracy"] < 100
    assert {name for name in metrics if name.startswith("iou.")} == {
        f"iou.{name}" for name, value in zip(data.mask_classes, iou) if np.isfinite(value)
    }
    half = summarize({name: rows[:2] for name, rows in per_image.items()}, data.mask_classes)
    assert half["specks"] == per_image["specks"][:2].mean()


def test_a_perfect_segmentation_has_all_points_and_no_wrong_specks():
    mask = open_dataset("streets", "test", count=1, size=64)[0]["mask"]
    row = {name: value[None] for name, value in score_image(mask, mask, 19).items()}
    metrics = summarize(row, open_dataset("streets", "test", count=1).mask_classes)
    for name in ("miou_present", "miou_official", "pixel_accuracy", "band_accuracy", "miou_thin"):
        assert metrics[name] == pytest.approx(100)
    assert metrics["wrong_specks"] == 0 and metrics["specks"] == metrics["true_specks"]


class Masks:
    """A dataset of given masks."""

    mask_classes = ["a", "b", "c"]

    def __init__(self, *masks):
        self.masks = [tensor(mask) for mask in masks]

    def __len__(self):
        return len(self.masks)

    def __getitem__(self, index):
        mask = self.masks[index]
        return {"image": torch.zeros(3, *mask.shape, dtype=torch.uint8), "mask": mask}


def test_the_position_prior_is_the_most_frequent_class_at_each_pixel():
    data = Masks([[0, 1, IGNORE]], [[0, 2, IGNORE]], [[1, 2, IGNORE]], [[0, IGNORE, IGNORE]])
    assert position_prior(data).tolist() == [[0, 2, 0]]


def test_a_set_is_scored_image_by_image():
    torch.manual_seed(0)
    model = SegmentationNetwork(create_model("drn_d_22", 3, 0.125), 3)
    metrics, per_image = score_segmentation(model, Masks([[0, 1], [2, 0]], [[IGNORE] * 5] * 3))
    assert per_image["confusion"].shape == (2, 3, 3) and per_image["confusion"].sum((1, 2)).tolist() == [4, 0]
    assert 0 <= metrics["miou_present"] <= 100
    with pytest.raises(DataError, match="no pixel of these images has a label"):
        score_segmentation(model, Masks([[IGNORE]]))
    with pytest.raises(ValueError, match="knows 3 classes and the dataset has 19"):
        score_segmentation(model, open_dataset("streets", "test", count=1))


def test_images_belong_to_the_drive_of_their_folder():
    names = [f"leftImg8bit/test/{name}_leftImg8bit.png" for name in ("B/B_000000_000001", "A/A_0_1", "B/B_000000_2")]
    assert {drive: places.tolist() for drive, places in images_by_sequence(names).items()} == {"B": [0, 2], "A": [1]}


def official(predictions: list[str], truths: list[str]) -> dict:
    """What the official evaluator of Cityscapes says; it prints nothing and writes nothing."""
    evaluator = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    args = SimpleNamespace(**vars(evaluator.args))
    args.evalInstLevelScore, args.JSONOutput, args.quiet = False, False, True
    return evaluator.evaluateImgLists(predictions, truths, args)


def agrees_with_the_official(labels, masks, names, truth_files, folder, classes):
    """Write, have the official evaluator read, compare: matrix and class scores exactly, the mean to 1e-9."""
    files = [write_prediction(folder, name, one) for name, one in zip(names, labels)]
    theirs = official([str(file) for file in files], [str(file) for file in truth_files])
    rows = [score_image(one, mask, 19) for one, mask in zip(labels, masks)]
    per_image = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    ours, metrics = per_image["confusion"].sum(0), summarize(per_image, classes)
    ids = [label for label, _ in sorted(TRAIN_ID_OF_ID.items(), key=lambda item: item[1])]
    assert np.array_equal(np.array(theirs["confMatrix"])[np.ix_(ids, ids)], ours)
    for name in classes:
        score = theirs["classScores"][name]
        assert np.isnan(score) == (f"iou.{name}" not in metrics)
        assert np.isnan(score) or score == pytest.approx(metrics[f"iou.{name}"] / 100, abs=1e-12)
    assert metrics["miou_official"] / 100 == pytest.approx(theirs["averageScoreClasses"], abs=1e-9)
    return metrics


def test_the_official_evaluator_agrees_on_drawn_streets(tmp_path):
    data = open_dataset("streets", "test", count=3, size=96)
    masks = [data[index]["mask"] for index in range(3)]
    masks[0][:9] = IGNORE
    for mask in masks:
        mask[mask == 16] = IGNORE  # no trains in the truth
    labels = [torch.roll(mask.masked_fill(mask == IGNORE, 16), 3, 0) for mask in masks]  # but trains are predicted
    names = [f"leftImg8bit/val/drawn/drawn_000000_{index:06d}_leftImg8bit.png" for index in range(3)]
    truths = []
    for mask, name in zip(masks, names):
        truths.append(tmp_path / label_file(name))
        truths[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(label_ids(mask)).save(truths[-1])
    metrics = agrees_with_the_official(labels, masks, names, truths, tmp_path / "results", data.mask_classes)
    assert metrics["iou.train"] == 0 and metrics["miou_official"] < metrics["miou_present"]


@needs_data
def test_the_official_evaluator_agrees_on_a_networks_predictions_of_camvid(tmp_path, monkeypatch):
    monkeypatch.setenv("DRN_DATA", REAL)
    data = open_dataset("camvid", "test")
    model = load_segmentation("first_streets/drn_a_18-s0")  # of drawn streets: often wrong on real ones
    samples = [data[index] for index in range(0, len(data), 40)]
    masks, names = [sample["mask"] for sample in samples], [sample["name"] for sample in samples]
    labels = [predict_labels(model, sample["image"]).clone() for sample in samples]
    labels[0][100:140, 50:90] = 15  # buses: CamVid has none
    truths = [locate("camvid") / label_file(name) for name in names]
    metrics = agrees_with_the_official(labels, masks, names, truths, tmp_path, data.mask_classes)
    assert metrics["iou.bus"] == 0 and metrics["iou.road"] > 0
    found = {name for name in data.mask_classes if f"iou.{name}" in metrics}
    present = {data.mask_classes[index] for mask in masks for index in mask.unique().tolist() if index != IGNORE}
    assert len(found) > len(present)  # what is predicted and not there counts for the official mean alone
    assert metrics["miou_official"] == pytest.approx(metrics["miou_present"] * len(present) / len(found))


@needs_data
@pytest.mark.slow
def test_the_official_evaluator_gives_the_studys_score_of_a_network(tmp_path, monkeypatch):
    """On every twelfth frame against the counts that the study stored for these frames; on all with DRN_WEEKLY=1."""
    monkeypatch.setenv("DRN_DATA", REAL)
    data, taken = open_dataset("camvid", "test"), slice(None, None, 1 if os.environ.get("DRN_WEEKLY") else 12)
    model, truth = load_segmentation("segmentation/drn_c_26-s0"), locate("camvid")
    samples = [data[index] for index in range(len(data))[taken]]
    labels = [predict_labels(model, sample["image"]).clone() for sample in samples]
    names, masks = ([sample[key] for sample in samples] for key in ("name", "mask"))
    truths = [truth / label_file(name) for name in names]
    metrics = agrees_with_the_official(labels, masks, names, truths, tmp_path, data.mask_classes)
    with np.load(results_dir() / "segmentation" / "drn_c_26-s0.npz") as arrays:
        stored = summarize({key: arrays[key][taken] for key in arrays}, data.mask_classes)
    for key in ("miou_official", "iou.pole", "pixel_accuracy"):  # the shipped weights are of half precision
        assert metrics[key] == pytest.approx(stored[key], abs=0.1)


@needs_data
@pytest.mark.slow
def test_without_looking_the_position_prior_is_right_on_61_percent_of_camvid(monkeypatch):
    monkeypatch.setenv("DRN_DATA", REAL)
    prior = position_prior(open_dataset("camvid", "train"))
    counts = sum(confusion_matrix(prior, sample["mask"], 19) for sample in open_dataset("camvid", "test"))
    assert pixel_accuracy(counts) == pytest.approx(61.5, abs=0.05)
    assert miou(counts) == pytest.approx(17.0, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_best_mask_of_whole_cells_is_the_best_of_all_masks_of_whole_cells(seed):
    random = np.random.default_rng(seed)
    truth = random.random((2, 5, 4)) < random.random()  # cells of 3 px are cut at the right and below
    found, mask = grid_ceiling(truth, 3)
    corners = list(itertools.product(range(2), (0, 3), (0, 3)))
    best = 0.0
    for taken in itertools.product((False, True), repeat=len(corners)):
        tried = np.zeros_like(truth)
        for (image, top, left), chosen in zip(corners, taken):
            tried[image, top : top + 3, left : left + 3] = chosen
        best = max(best, 100 * (tried & truth).sum() / max(1, (tried | truth).sum()))
    if truth.any():
        assert found == pytest.approx(best)
        assert 100 * (mask & truth).sum() / (mask | truth).sum() == pytest.approx(best)
    else:
        assert np.isnan(found) and not mask.any()


def test_scores_of_many_matrices_at_once_and_by_name():
    random = np.random.default_rng(0)
    classes = ["road", "traffic sign", "pole"]
    counts = random.integers(0, 9, (4, 6, 3, 3))
    per_image = {"confusion": counts[0], "band_confusion": counts[1]}
    per_image.update({name: random.integers(0, 5, 6) for name in ("specks", "wrong_specks", "true_specks")})
    for name, value in summarize(per_image, classes).items():
        array, function = outcome(name.replace(" ", "_"), classes)
        assert function(per_image[array].mean(axis=0)) == pytest.approx(value)
        many = function(np.stack([per_image[array].mean(axis=0)] * 2)[:, None])
        assert many.shape == (2, 1) and many.ravel().tolist() == pytest.approx([value] * 2)
    assert outcome("top1", classes) is None and outcome("iou.sky", classes) is None


@pytest.mark.parametrize("classes", [256, 300])
def test_no_class_may_be_the_label_of_ignored_pixels(classes, monkeypatch):
    """From 256 classes on, class 255 would be ignored: in counts, in the prior and in a training's loss."""
    says = "255 marks pixels without a label, so at most 255 classes can be told apart, not "
    labels = tensor([[0, 255]])
    pytest.raises(ValueError, confusion_matrix, labels, labels, classes).match(f"{says}{classes}")
    pytest.raises(ValueError, score_image, labels, labels, classes).match(says)
    data = Masks([[0, 1]])
    monkeypatch.setattr(Masks, "mask_classes", [str(number) for number in range(classes)])
    monkeypatch.setattr(Masks, "__getitem__", lambda *_: pytest.fail("an image was read"))
    model = SegmentationNetwork(create_model("drn_d_22", 3, 0.125), classes)
    pytest.raises(ValueError, score_segmentation, model, data).match(says)
    pytest.raises(ValueError, position_prior, data).match(says)
    plan = recipe("camvid-reduced", SegmentationRecipe)
    pytest.raises(ValueError, train_segmentation, plan, model.backbone, 0, data).match(says)


def test_as_many_classes_as_labels_can_tell_apart():
    labels = tensor([[0, 254], [254, IGNORE]])
    counts = confusion_matrix(tensor([[0, 254], [1, 0]]), labels, 255)
    assert counts.shape == (255, 255) and counts[254, 254] == counts[254, 1] == counts[0, 0] == 1 and counts.sum() == 3


def test_predictions_are_written_for_the_classes_of_cityscapes_alone(tmp_path):
    """Another set's numbers would be read as ids of Cityscapes."""
    model = SegmentationNetwork(create_model("drn_d_22", 3, 0.125), 3)
    with pytest.raises(ValueError, match="predictions are written in the 19 classes of Cityscapes"):
        score_segmentation(model, Masks([[0, 1]]), predictions=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("truth", [np.full((1, 4, 4), 255, np.uint8), np.ones((4, 4), bool)], ids=["bytes", "one"])
def test_a_ceiling_is_of_masks(truth):
    with pytest.raises(ValueError, match=r"the truth must be bool \(N, H, W\)"):
        grid_ceiling(truth, 2)
    with pytest.raises(ValueError, match="cell must be a whole number of 1 or more"):
        grid_ceiling(np.ones((1, 4, 4), bool), 0)


def test_a_set_without_masks_is_one_sentence():
    class Photographs:
        mask_classes = None

    for work in (position_prior, InMemory, lambda dataset: score_segmentation(None, dataset)):
        with pytest.raises(DataError, match="Photographs has no masks"):
            work(type("Photographs", (Photographs,), {"names": [], "classes": []})())
