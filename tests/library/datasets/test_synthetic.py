"""The synthetic datasets: pure functions of their arguments, exact labels, learnable, quick."""

import hashlib
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.synthetic import sets
from drn_lib.datasets.synthetic.canvas import Canvas, _interpolation, disc, polygon, segment, smooth_noise
from drn_lib.datasets.synthetic.world import CLASSES


def canvas(side=32):
    return Canvas(np.zeros((side, side, 3)))


def same(a, b):
    return a.keys() == b.keys() and all(
        torch.equal(a[key], b[key]) if isinstance(a[key], torch.Tensor) else a[key] == b[key] for key in a
    )


# Drawing


@pytest.mark.parametrize("side", [64, 128, 500])
def test_the_area_of_an_outline_is_right(side):
    white = np.ones(3)
    for outline, area in [
        (disc(0.5, 0.5, 0.3), np.pi * 0.09),
        (disc(0.5, 0.5, 0.3).without(disc(0.5, 0.5, 0.2)), np.pi * 0.05),
        (polygon([(0.1, 0.2), (0.8, 0.2), (0.8, 0.6), (0.1, 0.6)]), 0.28),
        (polygon([(0.2, 0.2), (0.8, 0.2), (0.5, 0.4), (0.8, 0.8), (0.2, 0.8)]), 0.36 - 0.09),  # not convex
        (segment((0.2, 0.3), (0.7, 0.3), 0.1), 0.05 + np.pi * 0.0025),
    ]:
        drawn = canvas(side)
        drawn.fill(outline, white, label=1)
        assert drawn.colors.mean() == pytest.approx(area, abs=0.4 / side)
        assert drawn.labels.mean() == pytest.approx(area, abs=1.5 / side)
        # A pixel's label is set exactly where its centre is inside, that is where most of it is covered.
        assert np.array_equal(drawn.labels == 1, drawn.colors[..., 0] > 0.5)


def test_a_rectangle_on_pixel_edges_is_sharp():
    drawn = canvas(32)
    drawn.fill(polygon([(4 / 32, 8 / 32), (12 / 32, 8 / 32), (12 / 32, 10 / 32), (4 / 32, 10 / 32)]), np.ones(3), 1, 7)
    expected = np.zeros((32, 32))
    expected[8:10, 4:12] = 1
    assert np.array_equal(drawn.labels, expected) and np.array_equal(drawn.colors[..., 0], expected)
    assert drawn.box(7) == (4, 8, 12, 10) and drawn.box(8) is None


@pytest.mark.parametrize("turn", np.linspace(0, np.pi, 9))
def test_a_thin_wire_has_no_gaps(turn):
    drawn = canvas(64)
    dx, dy = 0.4 * np.cos(turn), 0.4 * np.sin(turn)
    drawn.fill(segment((0.5 - dx, 0.5 - dy), (0.5 + dx, 0.5 + dy), 0.0001), np.ones(3), 1)
    along = 1 if abs(dx) >= abs(dy) else 0
    covered = np.nonzero(drawn.labels.any(axis=1 - along))[0]
    assert np.array_equal(covered, np.arange(covered[0], covered[-1] + 1))
    assert len(covered) > 32


def test_outlines_outside_the_picture_are_harmless():
    drawn = canvas()
    drawn.fill(disc(5, 5, 1), np.ones(3), 1)
    drawn.fill(disc(-0.1, 0.5, 0.05), np.ones(3), 1)
    assert not drawn.labels.any()


def test_hills_are_the_same_at_every_size():
    small, large = (smooth_noise(np.random.default_rng(0), side, 4, 3) for side in (64, 256))
    averaged = large.reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(small - averaged).max() < 0.02


def test_knots_are_joined_by_smooth_steps():
    """Between two knots the weight goes from one to the other by 3 t^2 - 2 t^3; t is a pixel's centre."""
    early, late = (3 * t**2 - 2 * t**3 for t in (0.25, 0.75))
    expected = [[1 - early, early, 0], [1 - late, late, 0], [0, 1 - early, early], [0, 1 - late, late]]
    assert _interpolation(4, 2) == pytest.approx(np.array(expected))


# Both sets

DRAWN = {  # streets that together run every line that draws, and every class
    "shapes": (range(20), range(3)),
    "streets": ((0, 16, 18, 23, 29), (3,)),
}
PICTURES = {
    "shapes": "7372cf92319664961fb4ad56fe58cdea344912715a5bf79b46231b428ee38669",
    "streets": "db5829a60189e1bd0d41d3f82a97f350690c4c4e44534b8eeef4b0d193909ef4",
}
"""SHA-256 of what is drawn by the rules of DRAWING, which weights and results that are stored are of."""


@pytest.mark.parametrize("name", DRAWN)
def test_the_drawing_rules_are_those_of_the_stored_results(name):
    digest = hashlib.sha256()
    for size, places in zip((64, 100), DRAWN[name]):
        drawn = open_dataset(name, "train", count=30, size=size)
        for sample in map(drawn.__getitem__, places):
            for key in ("image", "mask", "boxes", "box_labels"):
                digest.update(sample[key].numpy().tobytes() if key in sample else b"")
    assert (sets.DRAWING, digest.hexdigest()) == (1, PICTURES[name]), "pictures changed: raise DRAWING, train anew"


@pytest.mark.parametrize("name", ["shapes", "streets"])
def test_a_sample_depends_on_its_arguments_alone(name):
    def sample(index=3, split="train", count=8, size=64, seed=0):
        return open_dataset(name, split, count=count, size=size, seed=seed)[index]

    first = sample()
    assert same(first, sample()) and same(first, sample(count=4))
    for other in (sample(index=2), sample(split="tune"), sample(split="test"), sample(seed=1)):
        assert not torch.equal(first["image"], other["image"])


@pytest.mark.parametrize("name", ["shapes", "streets"])
@pytest.mark.parametrize("size", [64, 100, 256, 512])
def test_another_size_is_the_same_scene(name, size):
    small, large = (open_dataset(name, "train", count=2, size=side)[1] for side in (64, size))
    assert large["image"].shape == (3, size, size) and large["image"].dtype == torch.uint8
    assert large["mask"].shape == (size, size) and large["mask"].dtype == torch.int64
    assert small.get("label") == large.get("label")
    rows = (torch.arange(64) + 0.5) * size // 64
    picked = large["mask"][rows.long()][:, rows.long()]
    assert (picked == small["mask"]).float().mean() > (0.98 if name == "shapes" else 0.9)
    assert large["image"].any()


@pytest.mark.parametrize("name", ["shapes", "streets"])
def test_wrong_arguments_get_a_sentence(name):
    wrong = [("size", value, "from 64 to 512") for value in (63, 513, 64.0, "64", None)]
    wrong += [("count", value, "of 1 or more") for value in (0, 2.5, None, "3", [4])]
    wrong += [("seed", value, "of 0 or more") for value in (-1, 0.5, None, "0")]
    for option, value, message in wrong:
        with pytest.raises(DataError, match=f"{option}.* must be a whole number {message}, not"):
            open_dataset(name, "train", **{option: value})
    with pytest.raises(ValueError, match=f"the set {name} is drawn and lies in no folder: leave out the root, here"):
        open_dataset(name, "train", "here")
    with pytest.raises(DataError, match="train, tune, test"):
        open_dataset(name, "val")
    with pytest.raises(IndexError, match="4 samples"):
        open_dataset(name, "train", count=4)[4]


@pytest.mark.parametrize("name", ["shapes", "streets"])
def test_the_fingerprint_tells_sets_apart(name):
    def fingerprint(split="train", count=3, **options):
        return open_dataset(name, split, count=count, **options).fingerprint

    others = [{"count": 4}, {"seed": 1}, {"size": 72}, {"split": "test"}]
    assert fingerprint() == fingerprint() not in [fingerprint(**other) for other in others]


# Shapes


def test_shapes_have_a_class_a_box_and_a_mask():
    data = open_dataset("shapes", "test", count=40)
    images, labels = data.arrays()
    assert images.shape == (40, 3, 64, 64)
    for index in range(40):
        sample = data[index]
        assert torch.equal(sample["image"], images[index]) and sample["label"] == labels[index]
        rows, columns = torch.nonzero(sample["mask"] == 1, as_tuple=True)
        edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert sample["boxes"].tolist() == [[float(edge) for edge in edges]]
        assert 0.02 < (sample["mask"] == 1).float().mean() < 0.5


def test_every_ten_shapes_hold_each_class_once():
    labels = open_dataset("shapes", "train", count=100).labels
    for ten in range(10):
        assert sorted(labels[10 * ten : 10 * ten + 10]) == list(range(10))
    assert labels[:10] != labels[10:20]


def test_a_shape_stands_out_from_its_ground():
    apart = []
    for sample in open_dataset("shapes", "train", count=60):
        pixels, inside = sample["image"].float() / 255, sample["mask"] == 1
        apart.append((pixels[:, inside].mean(1) - pixels[:, ~inside].mean(1)).norm().item())
    assert np.median(apart) > 0.3


def test_shapes_are_drawn_quickly():
    data = open_dataset("shapes", "train", count=100)
    data[0]
    start = time.process_time()
    list(data)
    # About 500 a second on an idle core; the bound allows for a busy machine.
    assert 100 / (time.process_time() - start) > 100


def _train(images, labels, steps=150):
    torch.manual_seed(0)

    def block(inputs, outputs):
        return [nn.Conv2d(inputs, outputs, 3, 1, 1), nn.BatchNorm2d(outputs), nn.ReLU()]

    pooled = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
    model = nn.Sequential(*block(3, 12), nn.MaxPool2d(2), *block(12, 24), nn.MaxPool2d(2), *block(24, 32), *pooled)
    optimizer = torch.optim.Adam(model.parameters(), 4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    for _ in range(steps):
        batch = torch.randint(len(images), (32,))
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@pytest.mark.slow
def test_shapes_can_be_learned_but_not_from_shuffled_labels():
    def arrays(split, count):
        images, labels = open_dataset("shapes", split, count=count).arrays()
        return F.avg_pool2d(images.float() / 127.5 - 1, 2), labels

    images, labels = arrays("train", 800)
    unseen, truth = arrays("test", 300)
    errors = []
    for given in (labels, labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]):
        guessed = _train(images, given)(unseen).argmax(1)
        errors.append((guessed != truth).float().mean().item())
    assert errors[0] < 0.5  # a constant guess: 0.9
    assert errors[1] > 0.8


# Streets


def test_streets_use_the_cityscapes_classes():
    data = open_dataset("streets", "train", count=30, size=96)
    assert data.classes == list(CLASSES) and len(CLASSES) == 19
    pixels = torch.cat([sample["mask"].flatten() for sample in data]).bincount(minlength=19)
    fraction = dict(zip(CLASSES, (pixels / pixels.sum()).tolist(), strict=True))
    assert min(fraction[name] for name in ("road", "building", "sky")) > 0.1
    assert 0.002 < fraction["pole"] < 0.03  # thin, and there
    for name in ("sidewalk", "fence", "traffic light", "traffic sign", "vegetation", "person", "car", "bus"):
        assert fraction[name] > 0.0005


@pytest.mark.slow
def test_every_street_class_occurs():
    data = open_dataset("streets", "train", count=60, size=64)
    assert {label for sample in data for label in sample["mask"].unique().tolist()} == set(range(19))


def test_street_boxes_are_tight_around_road_users():
    names = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
    users, total = {CLASSES.index(name) for name in names}, 0
    for sample in open_dataset("streets", "train", count=12, size=128):
        assert len(sample["boxes"]) == len(sample["box_labels"])
        for (x0, y0, x1, y1), label in zip(sample["boxes"].int().tolist(), sample["box_labels"].tolist(), strict=True):
            assert label in users
            window = sample["mask"][y0:y1, x0:x1] == label
            assert window[0].any() and window[-1].any() and window[:, 0].any() and window[:, -1].any()
            total += 1
    assert total > 40


def test_streets_have_no_image_labels():
    with pytest.raises(DataError, match="no image labels"):
        open_dataset("streets", "train", count=2).arrays()
