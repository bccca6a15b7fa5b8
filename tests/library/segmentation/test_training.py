"""Training of a segmentation network: crops, schedules, the loss, exact resume, several processes."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drn_lib.datasets.base import InMemory
from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.contract import IGNORE, DataError
from drn_lib.distributed import Group
from drn_lib.network import create_model
from drn_lib.segmentation import training
from drn_lib.segmentation.network import NORMALIZATION, SegmentationNetwork, make_backbone
from drn_lib.segmentation.training import train_segmentation, training_crop
from drn_lib.training.loop import RunOptions
from drn_lib.training.recipes import SegmentationRecipe, list_recipes, recipe
from tests.library import run_check, same_weights

TINY = SegmentationRecipe("tiny", "streets", crop=32, width=0.125, epochs=2, batch_size=4, lr=0.05)
EMPTY = [round(255 * value) for value in NORMALIZATION["imagenet"][0]]


@cache
def streets(part="train", count=6):
    return InMemory(open_dataset("streets", part, count=count, size=64))


def backbone(name="drn_d_22", seed=0):
    torch.manual_seed(seed)
    return make_backbone(name, TINY.width)


def numbered(height, width):
    """An image whose three channels hold a pixel's row, column and mask, and that mask."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    mask = (rows + 3 * columns) % 19
    return torch.stack([rows, columns, mask]).byte(), mask


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(0, 10**6))
def test_a_crop_is_a_window_and_its_mask_lies_on_it(height, width, index):
    image, mask = numbered(height, width)
    crop, labels = training_crop(image, mask, 0, 0, index, TINY)
    assert crop.shape == (3, 32, 32) and labels.shape == (32, 32)
    inside = labels != IGNORE
    assert inside.sum() == min(height, 32) * min(width, 32)
    assert torch.equal(crop[2][inside].long(), labels[inside])
    assert (crop[:, ~inside] == torch.tensor(EMPTY, dtype=torch.uint8)[:, None]).all()
    columns = crop[1][inside].reshape(min(height, 32), -1).int()
    assert set(columns.diff(dim=1).flatten().tolist()) in ({1}, {-1}, set())  # as it was, or mirrored


def test_crops_are_pure_functions_and_come_from_everywhere():
    image, mask = numbered(48, 64)
    plan = replace(TINY, scale=1.5, rotation=10.0)
    first, again, other = (training_crop(image, mask, 0, epoch, 7, plan) for epoch in (2, 2, 3))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    corners, mirrored = set(), 0
    for index in range(400):
        rows, columns = training_crop(image, mask, 0, 0, index, TINY)[0][:2].int()
        corners.add((int(rows.min()), int(columns.min())))
        mirrored += bool(columns[0, 0] > columns[0, 1])
    assert {top for top, _ in corners} == set(range(17)) and {left for _, left in corners} == set(range(33))
    assert 150 < mirrored < 250
    unmirrored = [training_crop(image, mask, 0, 0, i, replace(TINY, mirror=False))[0][1, 0].int() for i in range(40)]
    assert all((row.diff() == 1).all() for row in unmirrored)


def middle(weight):
    """The centre of mass of a map, (row, column)."""
    places = torch.arange(len(weight), dtype=torch.float64)
    return [(weight.sum(1 - axis) * places).sum() / weight.sum() for axis in (0, 1)]


def test_scales_lie_evenly_about_one_and_masks_stay_classes():
    mask = torch.zeros(40, 40, dtype=torch.int64)
    mask[10:30, 10:30] = 5
    image = (40 * mask)[None].repeat(3, 1, 1).byte()
    plan = replace(TINY, crop=90, scale=2.0)
    sides, apart = [], []
    for index in range(300):
        crop, labels = training_crop(image, mask, 0, 0, index, plan)
        assert set(labels.unique().tolist()) <= {0, 5, IGNORE}
        sides.append(int((labels != IGNORE).sum()) ** 0.5)
        square, drawn = (labels == 5).double(), crop[0].double() * (labels != IGNORE)
        apart += [middle(square)[axis] - middle(drawn)[axis] for axis in (0, 1)]
    assert max(map(abs, apart)) < 0.6 and abs(np.mean(apart)) < 0.05  # the mask lies on the square
    assert 20 <= min(sides) < 23 and 72 < max(sides) <= 80
    assert 35 < np.exp(np.mean(np.log(sides))) < 45


def test_what_rotation_brings_in_is_ignored():
    image, mask = numbered(64, 64)
    plan = replace(TINY, crop=64, rotation=30.0)
    shares = [(training_crop(image, mask, 0, 0, i, plan)[1] == IGNORE).float().mean() for i in range(30)]
    assert 0.0 < min(shares) + 0.02 and 0.1 < max(shares) < 0.4
    image = torch.full((3, 64, 64), 7, dtype=torch.uint8)
    crop, labels = training_crop(image, mask, 0, 0, 1, plan)
    assert (crop[:, 20:44, 20:44] == 7).all() and (labels[20:44, 20:44] != IGNORE).all()


def test_schedules():
    poly, epochs = (replace(TINY, epochs=10, schedule=name) for name in ("poly", "poly-epochs"))
    step = replace(TINY, epochs=10, schedule="step", drop_every=4)
    assert poly.learning_rate(30, 100) == pytest.approx(0.05 * 0.7**0.9)
    assert [epochs.learning_rate(s, 100) for s in (30, 39)] == [pytest.approx(0.05 * 0.7**0.9)] * 2
    assert [step.learning_rate(s, 100) for s in (0, 39, 40, 80)] == pytest.approx([0.05, 0.05, 0.005, 0.0005])
    for wrong in ({"schedule": "cosine"}, {"schedule": "step"}, {"drop_every": 3}, {"scale": 0.5}, {"rotation": -1.0}):
        with pytest.raises(ValueError):
            replace(TINY, **wrong)


def test_recipes_are_named_and_say_what_the_released_code_does():
    assert json.dumps([recipe(name).as_dict() for name in list_recipes(SegmentationRecipe)])
    fixed = recipe("camvid-reduced")
    assert (fixed.crop, fixed.width, fixed.epochs, fixed.batch_size, fixed.schedule) == (224, 0.25, 100, 8, "poly")
    released = recipe("cityscapes")
    assert (released.crop, released.epochs, released.batch_size, released.drop_every) == (896, 250, 32, 100)
    assert not released.reduced and recipe("cityscapes", epochs=1).epochs == 1
    with pytest.raises(ValueError, match="camvid-reduced"):
        recipe("camvid", SegmentationRecipe)


class Pointwise(torch.nn.Module):
    """Logits from a pixel's own color."""

    prepare = SegmentationNetwork.prepare

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("std", torch.ones(1, 3, 1, 1))

    def forward(self, x):
        return 5.0 * x


class Half(Group):
    """One of two processes, whose mean over both is known."""

    def mean(self, value):
        return torch.tensor(30.0)


def test_the_loss_is_the_mean_over_the_labelled_pixels_of_all_processes():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, 3, 5, 5), generator=generator, dtype=torch.uint8)
    masks = torch.randint(0, 3, (4, 5, 5), generator=generator)
    masks[0] = IGNORE
    masks[1, :3] = IGNORE  # 60 labelled pixels, 10 of them in the first half
    model = Pointwise()

    def loss(group, part):
        return training.mean_over_labelled(model(model.prepare(images[part])), masks[part], group)

    cpu = torch.device("cpu")
    whole = loss(Group(0, 1, cpu), slice(0, 4))
    expected = torch.nn.functional.cross_entropy(model(model.prepare(images)), masks, ignore_index=IGNORE)
    assert torch.allclose(whole, expected)
    halves = [loss(Half(0, 2, cpu), part) for part in (slice(0, 2), slice(2, 4))]
    assert torch.allclose(sum(halves) / 2, expected)
    assert loss(Group(0, 1, cpu), slice(0, 1)) == 0  # nothing labelled: no NaN


def test_training_learns_and_the_same_seed_gives_the_same_weights():
    plan = recipe("streets-live", crop=32, epochs=4, batch_size=4)
    train_set, val_set = streets(count=12), streets("tune", 2)
    first, again = (train_segmentation(plan, backbone(), 0, train_set, val_set, val_every=2) for _ in range(2))
    assert same_weights(first.model, again.model) and first.curve == again.curve
    losses = [row["train_loss"] for row in first.curve]
    assert losses[-1] < 0.75 * losses[0]
    assert [row["epoch"] for row in first.curve if "val_miou_present" in row] == [2, 4]
    assert first.model.classes == train_set.mask_classes and not first.model.training
    other = train_segmentation(replace(plan, epochs=1), backbone(), 1, train_set)
    assert not same_weights(first.model, other.model)


def test_a_recipe_may_enlarge_what_the_network_sees():
    plain, large = (train_segmentation(replace(TINY, enlarge=e), backbone(), 0, streets()).model for e in (None, 2))
    assert (plain.enlarge, large.enlarge) == (1, 2) and large.output_stride == plain.output_stride // 2
    assert not same_weights(plain, large)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, True, "0", None])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number from 0 to 18446744073709551615, not"):
        train_segmentation(TINY, backbone(), seed, streets())


@pytest.mark.parametrize("every", [0, -1, 1.5, True])
def test_scores_come_after_whole_epochs(every):
    with pytest.raises(ValueError, match="val_every must be a whole number of 1 or more"):
        train_segmentation(TINY, backbone(), 0, streets(), val_every=every)


def test_a_run_goes_on_where_it_stopped(tmp_path):
    plan, data = replace(TINY, head_lr=0.2), streets()
    whole = train_segmentation(plan, backbone(), 0, data)
    part = train_segmentation(plan, backbone(), 0, data, options=RunOptions(tmp_path, max_steps=3))
    assert not same_weights(whole.model, part.model)
    rest = train_segmentation(plan, backbone(), 0, data, options=RunOptions(tmp_path))
    assert same_weights(whole.model, rest.model) and rest.curve == whole.curve
    assert (tmp_path / "log.csv").read_text().count("\n") == 3
    before = (tmp_path / "state.pt").stat().st_mtime_ns
    assert same_weights(whole.model, train_segmentation(plan, backbone(), 0, data, options=RunOptions(tmp_path)).model)
    assert (tmp_path / "state.pt").stat().st_mtime_ns == before
    for change, named in (({"seed": 1}, "seed"), ({"backbone": backbone(seed=1)}, "beginning")):
        arguments = {"recipe": plan, "backbone": backbone(), "seed": 0, "train_set": data, **change}
        with pytest.raises(ValueError, match=f"another run .different {named}"):
            train_segmentation(**arguments, options=RunOptions(tmp_path))


@pytest.mark.slow
def test_killed_at_8_random_moments_ends_bit_identical(tmp_path):
    assert "killed 8 times" in run_check("segmentation.kill_and_resume", tmp_path / "run", 8, 7)


def test_the_head_has_its_own_rate():
    model = SegmentationNetwork(backbone(), 5)
    rest, head = training._optimizer(model, replace(TINY, head_lr=0.5)).param_groups
    assert (rest["factor"], head["factor"]) == (1.0, 10.0)
    assert [tuple(parameter.shape) for parameter in head["params"]] == [(5, 64, 1, 1), (5,)]
    assert len(rest["params"]) + 2 == len(list(model.parameters()))


def test_what_cannot_be_trained_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="the recipe must be of type SegmentationRecipe, not str"):
        train_segmentation("camvid-reduced", backbone(), 0, streets())
    for wrong in ("drn_c_26", SegmentationNetwork(backbone(), 5)):
        with pytest.raises(ValueError, match=f"the backbone must be of type Network, not {type(wrong).__name__}"):
            train_segmentation(TINY, wrong, 0, streets())

    class Damaged:
        mask_classes = ["a"]

        def __len__(self):
            return 4

        def __getitem__(self, index):
            raise DataError("a.png is damaged.")

    with pytest.raises(DataError, match=r"^a.png is damaged.$"):
        train_segmentation(TINY, backbone(), 0, Damaged())
    (tmp_path / "state.pt").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="delete it to start this run again"):
        train_segmentation(TINY, backbone(), 0, streets(), options=RunOptions(tmp_path))


@pytest.mark.slow
def test_two_processes_end_with_one_set_of_weights_and_one_score(tmp_path):
    run_check("segmentation.two_processes", tmp_path)
    curves = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert curves[0] == curves[1] and curves[0][-1]["val_pixel_accuracy"] > 0
    left, right = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_the_backbone_has_the_width_of_the_recipe():
    wide = create_model("resnet_18", 5, 0.5)
    with pytest.raises(ValueError, match="the backbone has width 0.5, and .* trains width"):
        train_segmentation(TINY, wide, 0, streets())
