"""Scores of a classifier against counting by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from drn_lib import evaluation


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


@pytest.mark.parametrize(
    ("labels", "k", "message"),
    [([0, 3], 1, "0..2"), ([0], 1, "as many labels"), ([0, 1], 4, "k must")],
)
def test_bad_input_is_refused(labels, k, message):
    with pytest.raises(ValueError, match=message):
        evaluation.topk_error(torch.zeros(2, 3), torch.tensor(labels), k)


def test_normalize_is_the_usual_formula_and_wants_bytes():
    images = one_color([1])
    expected = (images.numpy()[0, 1, 0, 0] / 255 - 0.456) / 0.224
    assert np.isclose(evaluation.normalize(images)[0, 1, 0, 0].item(), expected)
    with pytest.raises(ValueError, match="uint8"):
        evaluation.normalize(images.float())


def test_predict_leaves_the_mode_as_it_was():
    model = Mean().train()
    evaluation.predict(model, one_color([0, 1]), batch_size=1)
    assert model.training
