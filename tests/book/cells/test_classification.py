"""The live trainings of chapters 04 and 05 learn what they say, and would not on labels that mean nothing."""

import pytest
import torch

from book.cells import classification
from drn_lib.training.classification import train
from drn_lib.training.recipes import recipe

LIVE = [("drn_d_22", {}), ("drn_a_18", {"epochs": 6})]
"""What the cells of chapters 04 and 05 train."""


def trained_on(labels_of, network, changes):
    """The network, trained as in the chapter's cell, on the labels that `labels_of` makes of the true ones."""
    images, labels = classification.pictures("train")
    plan = recipe("shapes-live", **changes)
    return train(plan, network, 0, (images, labels_of(labels)), len(classification.SHAPES)).model


def shuffled(labels):
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]


@pytest.fixture(scope="module")
def unseen():
    return classification.pictures("test")


@pytest.mark.slow
def test_it_beats_a_constant_answer_on_unseen_pictures(unseen):
    model = trained_on(lambda labels: labels, *LIVE[0])
    assert classification.points_over_constant(model, *unseen) > classification.MARGIN


@pytest.mark.slow
@pytest.mark.parametrize(("network", "changes"), LIVE)
def test_shuffled_labels_fail_the_margin(unseen, network, changes):
    model = trained_on(shuffled, network, changes)
    assert classification.points_over_constant(model, *unseen) < classification.MARGIN


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


def test_the_parts_share_no_picture_and_hold_every_class():
    seen = []
    for images, labels in (classification.pictures("train", 60), classification.pictures("test", 60)):
        assert images.dtype == torch.uint8 and images.shape == (60, 3, 64, 64) and set(labels.tolist()) == {0, 1, 2}
        seen.append({image.numpy().tobytes() for image in images})
    assert seen[0].isdisjoint(seen[1])


def test_without_real_data_a_shrunk_full_run_takes_drawn_pictures(monkeypatch):
    monkeypatch.delenv("DRN_DATA", raising=False)
    (images, labels), (val_images, _), classes = classification.real_pictures(64)
    assert len(images) == len(labels) == len(val_images) == 64 and classes == 3
