"""Scores of a classifier against counting by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from drn_lib import evaluation
from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.catalog import open_dataset
from drn_lib.evaluation import classification
from drn_lib.images import cut_crops, normalize
from tests.library import fake_imagenet


class Mean(nn.Module):
    """Scores that a hand can follow: the mean color, red, green, blue."""

    def __init__(self):
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        assert not self.training
        return x.mean(dim=(2, 3)) + self.nothing


def one_color(channels):
    images = torch.zeros(len(channels), 3, 4, 4, dtype=torch.uint8)
    for row, channel in enumerate(channels):
        images[row, channel] = 255
    return images


def test_errors_count_wrong_images():
    images, labels = one_color([0, 1, 2, 2]), torch.tensor([0, 1, 2, 0])
    metrics, per_image = evaluation.evaluate(Mean(), images, labels)
    assert metrics["top1"] == 25.0 and metrics["top5"] == 0.0
    assert per_image["prediction"].tolist() == [0, 1, 2, 2]
    assert per_image["correct"].tolist() == [True, True, True, False]
    assert metrics["loss"] == pytest.approx(per_image["loss"].mean(), rel=1e-6)


def test_topk_by_hand():
    logits = torch.tensor([[0.1, 0.9, 0.5], [0.8, 0.1, 0.3]])
    labels = torch.tensor([2, 1])
    assert [evaluation.topk_error(logits, labels, k) for k in (1, 2, 3)] == [100.0, 50.0, 0.0]


def test_top5_takes_the_five_best_and_all_of_fewer_classes():
    scores = torch.arange(7.0).repeat(2, 1)  # best: 6, 5, 4, 3, 2
    metrics, per_image = classification._score(scores, torch.tensor([2, 1]))
    assert metrics["top1"] == 100.0 and metrics["top5"] == 50.0
    assert per_image["top5_correct"].tolist() == [True, False]
    assert classification._score(scores[:, :3], torch.tensor([0, 1]))[0]["top5"] == 0.0


@pytest.mark.parametrize(
    ("labels", "k", "message"), [([0, 3], 1, "0..2"), ([0], 1, "as many labels"), ([0, 1], 4, "k must")]
)
def test_bad_input_is_refused(labels, k, message):
    pytest.raises(ValueError, evaluation.topk_error, torch.zeros(2, 3), torch.tensor(labels), k).match(message)


def test_normalize_is_the_usual_formula_and_wants_bytes():
    images = one_color([1])
    expected = (images.numpy()[0, 1, 0, 0] / 255 - 0.456) / 0.224
    assert np.isclose(normalize(images)[0, 1, 0, 0].item(), expected)
    pytest.raises(ValueError, normalize, images.float()).match("uint8")


def test_predict_leaves_the_mode_as_it_was():
    model = Mean().train()
    evaluation.predict(model, one_color([0, 1]), batch_size=1)
    assert model.training


@pytest.mark.parametrize("training", [True, False])
def test_scoring_files_leaves_the_mode_as_it_was(training):
    model = Mean().train(training)
    evaluation.evaluate_files(model, Squares(one_color([0, 1, 2]), [0, 1, 2]), 4, 4)
    assert model.training is training


# Photographs from files


class Squares(ImageDataset):
    """Images of one size, so that reading them one by one can be compared with having them all."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels
        self.names = self.classes = [str(index) for index in range(len(labels))]

    def image(self, index):
        return self.images[index]


def test_one_crop_is_the_centre_of_the_resized_image():
    image = torch.arange(80, dtype=torch.uint8).expand(3, 40, 80).contiguous()  # columns tell their place
    (crop,) = cut_crops(image, 40, 32)  # nothing to resize: the shorter side is 40
    assert torch.equal(crop, image[:, 4:36, 24:56])
    half = cut_crops(image, 20, 20)[0]  # 20 x 40, then the central 20 columns
    assert half.shape == (3, 20, 20)
    assert half[0, 10].float().sub(torch.arange(20.5, 60, 2)).abs().max() <= 1


def test_ten_crops_are_centre_and_corners_and_their_mirror_images():
    image = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8)
    crops = cut_crops(image, 40, 32, 10)
    corners = [image[:, y : y + 32, x : x + 32] for y in (0, 8) for x in (0, 28)]
    expected = [*corners, image[:, 4:36, 14:46]]
    found = {crop.numpy().tobytes() for crop in crops}
    assert crops.shape == (10, 3, 32, 32) and len(found) == 10
    for crop in expected:
        assert {crop.contiguous().numpy().tobytes(), crop.flip(2).contiguous().numpy().tobytes()} <= found


@pytest.mark.parametrize(
    ("shorter_side", "size", "crops", "says"), [(40, 32, 5, "1 or 10"), (30, 32, 1, "cannot be cut")]
)
def test_bad_crops_are_refused(shorter_side, size, crops, says):
    with pytest.raises(ValueError, match=says):
        cut_crops(torch.zeros(3, 40, 40, dtype=torch.uint8), shorter_side, size, crops)


def test_files_score_as_the_same_images_in_memory(monkeypatch):
    monkeypatch.setattr("drn_lib.evaluation.classification.BATCH_SIZE", 3)
    images = torch.randint(0, 256, (7, 3, 16, 16), dtype=torch.uint8)
    labels = [0, 1, 2, 0, 1, 2, 0]
    in_memory, outcomes = evaluation.evaluate(Mean(), images, torch.tensor(labels))
    one_by_one, same = evaluation.evaluate_files(Mean(), Squares(images, labels), 16, 16)
    assert one_by_one == pytest.approx(in_memory)
    assert all(np.allclose(outcomes[key], same[key], atol=1e-6) for key in outcomes)


def test_ten_crops_average_the_logits(tmp_path):
    dataset = open_dataset("imagenet", "val", fake_imagenet.make(tmp_path))
    metrics, outcomes = evaluation.evaluate_files(Mean(), dataset, 36, 32, crops=10, workers=1)
    losses = []
    for index in range(len(dataset)):
        crops = cut_crops(dataset.image(index), 36, 32, 10)
        logits = Mean().eval()(normalize(crops)).mean(dim=0)
        losses.append(nn.functional.cross_entropy(logits, torch.tensor(dataset.labels[index])).item())
    assert np.allclose(outcomes["loss"], losses, atol=1e-5)
    assert metrics["top1"] == 0.0 and metrics["loss"] == pytest.approx(np.mean(losses), abs=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_not_finite_are_no_result(value):
    logits, labels = torch.zeros(4, 6), torch.zeros(4, dtype=torch.long)
    logits[2, 1] = value
    with pytest.raises(ValueError, match="the network's output holds values that are not finite"):
        evaluation.topk_error(logits, labels, 5)
    model = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 6))
    model[2].bias.data[1] = value
    with pytest.raises(ValueError, match="the network's output holds values that are not finite"):
        evaluation.evaluate(model, torch.zeros(4, 3, 8, 8, dtype=torch.uint8), labels)


@pytest.mark.parametrize("wrong", [np.array([[0.5]]), np.array([[np.nan]]), np.array([[True]])])
def test_classes_are_whole_numbers(wrong):
    with pytest.raises(ValueError, match="classes are whole numbers"):
        evaluation.confusion_matrix(wrong, np.array([[0]]), 2)
    with pytest.raises(ValueError, match="classes are whole numbers"):
        evaluation.confusion_matrix(np.array([[0]]), wrong, 2)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_a_confusion_matrix_holds_counts(wrong):
    for score in (evaluation.miou, evaluation.class_iou, evaluation.miou_official):
        with pytest.raises(ValueError, match="holds counts"):
            score(np.array([[1.0, wrong], [0.0, 2.0]]))


class Frozen(torch.nn.Module):
    """A network in training whose normalization is kept in evaluation mode, as fine-tuning often has it."""

    def __init__(self):
        super().__init__()
        self.norm, self.head = torch.nn.BatchNorm2d(3).eval(), torch.nn.Linear(3, 4)

    def forward(self, x):
        return self.head(self.norm(x).mean((2, 3)))


@pytest.mark.parametrize("fails", [False, True])
def test_each_part_gets_its_mode_back(fails):
    model, images = Frozen(), torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    if fails:
        model.head = torch.nn.Linear(5, 4)
        with pytest.raises(RuntimeError):
            evaluation.predict(model, images)
    else:
        evaluation.predict(model, images)
    assert model.training and model.head.training and not model.norm.training
