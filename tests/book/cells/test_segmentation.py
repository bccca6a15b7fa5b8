"""The live training of chapter 07 learns what it says, and would not on masks of other images."""

import pytest
import torch

from book.cells import segmentation
from drn_lib.datasets.base import InMemory
from drn_lib.datasets.contract import IGNORE
from drn_lib.segmentation.network import make_backbone
from drn_lib.segmentation.training import train_segmentation
from drn_lib.training.recipes import recipe


class Shuffled(InMemory):
    """Each image with the mask of the next one."""

    def read(self, index):
        return {**super().read(index), "mask": super().read((index + 1) % len(self))["mask"]}


def trained_on(train_set):
    """The network, trained as in the chapter's cell."""
    plan = recipe("streets-live")
    torch.manual_seed(0)
    return train_segmentation(plan, make_backbone("drn_a_18", plan.width), 0, train_set).model


@pytest.fixture(scope="module")
def seen():
    return segmentation.scenes("train")


@pytest.fixture(scope="module")
def unseen():
    return segmentation.scenes("test")


@pytest.mark.slow
def test_it_beats_the_position_prior_on_unseen_scenes(seen, unseen):
    assert segmentation.points_over_prior(trained_on(seen), seen, unseen) > segmentation.MARGIN


@pytest.mark.slow
def test_masks_of_other_scenes_fail_the_margin(seen, unseen):
    train_set = Shuffled(seen)
    points = segmentation.points_over_prior(trained_on(train_set), train_set, unseen)
    assert points < segmentation.MARGIN


def test_points_are_counted_over_all_labelled_pixels(monkeypatch):
    train_set, unseen = segmentation.scenes("train", 4), segmentation.scenes("test", 3)
    truths = {sample["image"].numpy().tobytes(): sample["mask"] for sample in unseen}
    monkeypatch.setattr(segmentation, "predict_labels", lambda model, image: truths[image.numpy().tobytes()])
    prior = segmentation.position_prior(train_set)
    wrong = sum(((prior != mask) & (mask != IGNORE)).sum().item() for mask in truths.values())
    total = sum((mask != IGNORE).sum().item() for mask in truths.values())
    assert segmentation.points_over_prior(None, train_set, unseen) == pytest.approx(100 * wrong / total)


def test_without_real_data_a_shrunk_full_run_takes_synthetic_streets(monkeypatch):
    monkeypatch.delenv("DRN_DATA", raising=False)
    train_set, val_set = segmentation.real_scenes(5)
    assert len(train_set) == len(val_set) == 5 and train_set[0]["image"].shape == (3, 128, 128)
