"""The live trainings of chapters 04 and 05 learn what they say, and would not on labels that mean nothing."""

import pytest
import torch

from book.cells import classification
from drn_lib.training.classification import train
from drn_lib.training.recipes import recipe

LIVE = [("drn_d_22", {}), ("drn_a_18", {"epochs": 6})]
"""What the cells of chapters 04 and 05 train."""


def points(network, changes, images, labels, unseen):
    """Points of the network over a constant answer after the training of the chapter's cell on these labels."""
    model = train(recipe("shapes-live", **changes), network, 0, (images, labels), len(classification.SHAPES)).model
    return classification.points_over_constant(model, *unseen)


@pytest.fixture(scope="module")
def seen():
    return classification.pictures("train")


@pytest.fixture(scope="module")
def unseen():
    return classification.pictures("test")


@pytest.mark.slow
def test_it_beats_a_constant_answer_on_unseen_pictures(seen, unseen):
    assert points(*LIVE[0], *seen, unseen) > classification.MARGIN


@pytest.mark.slow
@pytest.mark.parametrize(("network", "changes"), LIVE)
def test_shuffled_labels_fail_the_margin(seen, unseen, network, changes):
    images, labels = seen
    shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    assert points(network, changes, images, shuffled, unseen) < classification.MARGIN


def test_a_constant_answer_has_no_points(unseen):
    class Constant(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scores = torch.nn.Parameter(torch.tensor([0.0, 2.0, 1.0]))

        def forward(self, x):
            return self.scores.expand(len(x), 3)

    images, labels = unseen
    worst = 100 * (labels.bincount().max() - (labels == 1).sum()).item() / len(labels)
    assert classification.points_over_constant(Constant(), images, labels) == pytest.approx(-worst)


def test_the_parts_share_no_picture_and_hold_every_class(seen, unseen):
    (train_images, train_labels), (test_images, test_labels) = classification.pictures("train", 60), unseen
    assert train_images.dtype == torch.uint8 and train_images.shape == (60, 3, 64, 64)
    assert torch.equal(train_images, seen[0][:60])
    assert set(train_labels.tolist()) == set(test_labels.tolist()) == {0, 1, 2}
    assert not {image.numpy().tobytes() for image in seen[0]} & {image.numpy().tobytes() for image in test_images}


def test_without_real_data_a_shrunk_full_run_takes_synthetic_pictures(monkeypatch):
    monkeypatch.delenv("DRN_DATA", raising=False)
    (images, labels), (val_images, _), classes = classification.real_pictures(64)
    assert len(images) == len(labels) == len(val_images) == 64 and classes == 3
