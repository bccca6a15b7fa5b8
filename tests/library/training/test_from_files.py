"""Training from files: the paper's augmentation, its schedule, exact resume through the loader, logs."""

from __future__ import annotations

import csv
import shutil
import sys
from unittest import mock

import numpy as np
import pytest
import torch

from drn_lib import distributed, training
from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.contract import DataError
from drn_lib.distributed import Group
from drn_lib.training import RunOptions, augmentation, batches, classification, logs, loop
from drn_lib.training.recipes import recipe
from tests.library import fake_imagenet, same_weights

RECIPE = fake_imagenet.small_recipe()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fake_imagenet.make(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def parts(folder):
    return [open_dataset("imagenet", part, folder) for part in ("train", "val")]


@pytest.fixture(scope="module")
def whole(parts, tmp_path_factory):
    """An uninterrupted run and its folder."""
    place = tmp_path_factory.mktemp("whole")
    return training.train_from_files(RECIPE, "drn_d_22", 0, *parts, options=RunOptions(place)), place


# The recipe


def test_the_papers_schedule_drops_to_a_tenth_every_30_of_120_epochs():
    paper = recipe("imagenet")
    assert (paper.epochs, paper.batch_size, paper.lr, paper.momentum, paper.weight_decay) == (120, 256, 0.1, 0.9, 1e-4)
    steps = paper.steps_per_epoch(1_281_167)
    assert steps == 5005
    rate = [paper.learning_rate(epoch * steps, 120 * steps) for epoch in range(120)]
    assert rate == pytest.approx([0.1] * 30 + [0.01] * 30 + [0.001] * 30 + [0.0001] * 30)
    assert paper.learning_rate(30 * steps - 1, 120 * steps) == 0.1  # to the last step of the epoch
    assert recipe("imagenet-released").color is None and not paper.reduced


# The crops


def photograph(height, width, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8))


def test_a_training_crop_is_a_function_of_seed_epoch_and_index():
    image = photograph(50, 70)
    crop = augmentation.training_crop(image, 1, 2, 3, RECIPE)
    assert crop.shape == (3, 32, 32) and crop.dtype == torch.uint8
    np.random.seed(5)  # noqa: NPY002 - no global stream may matter
    torch.manual_seed(7)
    before = torch.get_rng_state()
    assert torch.equal(crop, augmentation.training_crop(image, 1, 2, 3, RECIPE))
    assert torch.equal(before, torch.get_rng_state())  # or be changed
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not torch.equal(crop, augmentation.training_crop(image, *other, RECIPE))


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (33, 20)])
def test_images_of_every_size_have_crops(size):
    crops = [augmentation.training_crop(photograph(*size), 0, 0, index, RECIPE) for index in range(20)]
    assert {tuple(crop.shape) for crop in crops} == {(3, 32, 32)}


def test_crops_spread_over_areas_ratios_and_places():
    """In an image whose channels hold a pixel's row and column, a crop shows where it was cut out."""
    places = torch.arange(256, dtype=torch.uint8)
    image = torch.stack([places[:, None].expand(256, 256), places.expand(256, 256), places.expand(256, 256)])
    plain = fake_imagenet.small_recipe(color=None, mirror=False)
    cuts = []
    for index in range(1000):
        crop = augmentation.training_crop(image, 0, 0, index, plain).double().numpy()
        for line in (crop[0, :, 0], crop[1, 0]):  # rows, then columns; the ends are smoothed
            side = 32 * (line[28] - line[3]) / 25
            cuts.append((line[3:29].mean() - side / 2 + 0.5, side))
    (top, height), (left, width) = np.array(cuts).reshape(-1, 2, 2).transpose(1, 2, 0)
    area, ratio = height * width / 256**2, np.log(width / height)
    assert 0.07 < area.min() < 0.1 and 0.9 < area.max() < 1.03 and abs(np.median(area) - 0.5) < 0.06
    assert abs(ratio.mean()) < 0.02 and np.log(0.7) < ratio.min() < np.log(0.78) and ratio.max() > np.log(1.28)
    assert min(top.min(), left.min()) > -3 and max((top + height).max(), (left + width).max()) < 259
    assert (top < 2).mean() < 0.25 and abs((top + height / 2).mean() - 128) < 5 > abs((left + width / 2).mean() - 128)


def test_half_of_the_crops_are_mirrored():
    # Dark on the left, bright on the right; a crop of it is dark on its left unless it was mirrored.
    image = torch.arange(64, dtype=torch.uint8).expand(3, 64, 64).contiguous() * 3
    plain = fake_imagenet.small_recipe(color=None)
    crops = [augmentation.training_crop(image, 0, 0, index, plain).float() for index in range(300)]
    assert 0.4 < np.mean([bool(crop[..., 0].mean() > crop[..., -1].mean()) for crop in crops]) < 0.6


def test_color_changes_keep_to_their_strength():
    axes = augmentation.COLOR_AXES
    assert torch.allclose(axes.T @ axes, torch.eye(3), atol=1e-3)  # principal axes: orthonormal
    grey = torch.full((3, 40, 40), 100, dtype=torch.uint8)
    means, tints = [], []
    for index in range(300):
        changed = augmentation.training_crop(grey, 0, 0, index, RECIPE)
        assert changed.dtype == torch.uint8 and changed.flatten(1).unique(dim=1).shape[1] == 1  # grey has no contrast
        means.append(changed.float().mean().item())
        tints.append(changed[:, 0, 0].float().std().item())
    assert abs(np.mean(means) - 100) < 5
    assert 50 < min(means) < 70 and 130 < max(means) < 150  # brightness by 0.6 to 1.4, and a few levels of lighting
    assert 0 < np.mean(tints) < 2  # lighting is the only thing that colors grey


# The loop


def test_the_loader_gives_the_same_batches_with_and_without_workers(parts):
    plan = batches.BatchPlan(len(parts[0]), RECIPE.batch_size, 1, seed=0)
    here, there = (list(batches.from_files(RECIPE, *parts, workers=n).batches(plan)) for n in (0, 2))
    assert [len(labels) for _, labels in here] == [5, 5, 2]
    for (crops, labels), (other_crops, other_labels) in zip(here, there, strict=True):
        assert torch.equal(crops, other_crops) and torch.equal(labels, other_labels)
    assert sorted(torch.cat([labels for _, labels in here]).tolist()) == sorted(parts[0].labels)


@pytest.mark.parametrize("step", [2, 4])
def test_stopped_in_the_middle_of_an_epoch_it_ends_bit_identical(step, parts, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "STATE_EVERY_SECONDS", 0.0)
    interrupted = mock.Mock(side_effect=[*[mock.DEFAULT] * step, KeyboardInterrupt], wraps=loop.batch_loss)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "batch_loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            training.train_from_files(RECIPE, "drn_d_22", 0, *parts, options=RunOptions(tmp_path))
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == step
    resumed = training.train_from_files(RECIPE, "drn_d_22", 0, *parts, options=RunOptions(tmp_path))
    assert same_weights(resumed.model, whole[0].model) and resumed.curve == whole[0].curve
    assert (tmp_path / "log.csv").read_text() == (whole[1] / "log.csv").read_text()


def test_the_log_has_a_line_an_epoch(whole):
    trained, place = whole
    rows = list(csv.DictReader((place / "log.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert list(rows[0]) == ["epoch", "train_loss", "val_top1", "val_top5", "val_loss"]
    assert float(rows[1]["val_loss"]) == trained.curve[1]["val_loss"]


def test_it_learns_the_color_of_a_class(parts):
    longer = fake_imagenet.small_recipe(epochs=8, color=None, lr=0.05, drop_every=6)
    trained = training.train_from_files(longer, "drn_a_18", 0, *parts)
    assert trained.curve[-1]["train_loss"] < 0.5 * trained.curve[0]["train_loss"]


def test_errors_are_one_sentence(parts, tmp_path):
    with pytest.raises(ValueError, match="no shorter_side and smallest_area"):
        training.train_from_files(recipe("shapes-live"), "drn_a_18", 0, *parts)
    fewer = fake_imagenet.make(tmp_path, val=1)
    shutil.rmtree(fewer / "imagenet/val" / fake_imagenet.WNIDS[0])
    with pytest.raises(ValueError, match="different classes"):
        training.train_from_files(RECIPE, "drn_a_18", 0, parts[0], open_dataset("imagenet", "val", fewer))


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (None, "which have not one label each"),
        ([0], "which have not one label each"),
        ([-1] * 12, "must lie in 0.."),
        ([99] * 12, "must lie in 0.."),
        ([0.5] * 12, "must be whole numbers"),
    ],
)
@pytest.mark.parametrize("part", [0, 1])
def test_labels_of_another_form_are_refused_before_training(labels, says, part, parts, monkeypatch):
    monkeypatch.setattr(loop, "run", lambda *_: pytest.fail("trained"))
    labels = labels if labels is None or len(labels) == 1 else labels[:1] * len(parts[part])
    monkeypatch.setattr(parts[part], "labels", labels)
    with pytest.raises(ValueError, match=says):
        training.train_from_files(RECIPE, "drn_a_18", 0, *parts)


def test_too_few_validation_images_are_found_before_the_first_epoch(parts, monkeypatch):
    monkeypatch.setattr(classification, "join", lambda device: Group(0, 99, torch.device("cpu")))
    with pytest.raises(ValueError, match="cannot be shared by 99 processes"):
        training.train_from_files(RECIPE, "drn_a_18", 0, *parts)


def test_a_state_of_other_classes_is_another_run(tmp_path):
    place = fake_imagenet.make(tmp_path / "data")
    once = fake_imagenet.small_recipe(epochs=1)
    first = open_dataset("imagenet", "train", place)
    training.train_from_files(once, "drn_d_22", 0, first, options=RunOptions(tmp_path / "run"))
    before = (tmp_path / "run/state.pt").read_bytes()
    for part in ("train", "val"):
        folder = place / "imagenet" / part
        (folder / fake_imagenet.WNIDS[0]).rename(folder / "n99999999")
    other = open_dataset("imagenet", "train", place)
    with pytest.raises(ValueError, match="another run .different classes, data"):
        training.train_from_files(once, "drn_d_22", 0, other, options=RunOptions(tmp_path / "run"))
    assert (tmp_path / "run/state.pt").read_bytes() == before


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_one_sentence_from_a_worker_too(workers, tmp_path):
    place = fake_imagenet.make(tmp_path)
    dataset = open_dataset("imagenet", "train", place)
    (place / "imagenet" / dataset.names[7]).write_bytes(b"not an image")
    with pytest.raises(DataError) as caught:
        training.train_from_files(RECIPE, "drn_a_18", 0, dataset, options=RunOptions(workers=workers))
    assert str(caught.value) == f"{dataset.names[7]} is not an image that can be read: fetch the dataset again."


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sync_batch_norm": True}, "batch normalization can be synchronized only on GPUs"),
        ({"sync_batch_norm": True, "device": torch.device("cpu")}, "synchronized only on GPUs"),
        ({"workers": -1}, "workers must be a whole number of 0 or more, not -1"),
        ({"workers": 1.0}, "workers must be a whole number of 0 or more"),
        ({"max_steps": -1}, "max_steps must be a whole number of 0 or more, not -1"),
        ({"max_steps": 2.5}, "max_steps must be a whole number of 0 or more"),
        ({"folder": 3}, "folder must be a path, not 3"),
    ],
    ids=str,
)
def test_what_cannot_be_carried_out_is_said_before_data_are_opened(options, says):
    with pytest.raises(ValueError, match=says):
        RunOptions(**options)
    assert RunOptions(sync_batch_norm=True, device="cuda:1", max_steps=0, folder="here").sync_batch_norm


@pytest.mark.parametrize(
    ("said", "shown", "silent"), [("0", True, True), ("1", True, False), ("1", False, True), ("0", False, True)]
)
def test_a_bar_is_shown_unless_it_is_silenced(said, shown, silent, monkeypatch, capsys):
    monkeypatch.setenv("DRN_PROGRESS", said)
    bar = logs.progress_bar("drn_a_18 seed 3", 2, 5, shown)
    hidden = bar.disable
    bar.close()
    assert hidden == silent and (capsys.readouterr().err == "") == silent
    if not silent:
        assert (bar.n, bar.total, bar.unit, bar.desc) == (2, 5, "step", "drn_a_18 seed 3")


# TensorBoard


def test_tensorboard_gets_every_column_and_the_rate(parts, tmp_path, monkeypatch):
    module = mock.Mock()
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    once = fake_imagenet.small_recipe(epochs=1)
    trained = training.train_from_files(once, "drn_a_18", 0, *parts, options=RunOptions(tmp_path, tensorboard=True))
    module.SummaryWriter.assert_called_once_with(str(tmp_path / "tensorboard"), purge_step=1)
    writer = module.SummaryWriter.return_value
    assert writer.mock_calls[-1] == mock.call.close()
    written = [call.args for call in writer.add_scalar.call_args_list]
    scalars = {name: value for name, value, epoch in written if epoch == 1}
    assert scalars == {**{k: v for k, v in trained.curve[0].items() if k != "epoch"}, "learning_rate": 0.01}


def test_without_tensorboard_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match="pip install tensorboard"):
        RunOptions(tmp_path, tensorboard=True)
    with pytest.raises(ValueError, match="TensorBoard's files need a folder"):
        RunOptions(tensorboard=True)


@pytest.mark.parametrize("device", ["gpu", "mps", "cuda:a"])
def test_a_device_that_is_none_is_said_before_data_are_opened(device):
    with pytest.raises(ValueError, match="the book's code runs on cpu or cuda"):
        RunOptions(device=device)


def test_a_gpu_that_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device 'cuda': torch sees no CUDA GPU here"):
        distributed.join("cuda")
