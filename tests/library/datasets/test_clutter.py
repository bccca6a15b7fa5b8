"""Images in clutter: places, boxes, tiles, and that a canvas depends on nothing but seed, part and index."""

import json
import os
from collections import Counter

import numpy as np
import pytest
import torch

from drn_lib.datasets import clutter, open_dataset
from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.clutter import Clutter, open_clutter, training_canvases
from drn_lib.datasets.contract import DataError, DatasetNotFound
from drn_lib.datasets.sources import locate
from drn_lib.datasets.splits import PARTS, read_partition
from drn_lib.paths import data_dir, splits_dir

needs_data = pytest.mark.skipif(not os.environ.get("DRN_DATA"), reason="DRN_DATA is not set")


class Plain(ImageDataset):
    """Images of one color, with a box."""

    def __init__(self, values, size, classes):
        self.values, self.size, self.classes = values, size, classes
        self.names, self.labels = [f"{value}.png" for value in values], [i % len(classes) for i in range(len(values))]

    def read(self, index):
        image = torch.full((3, self.size, self.size), self.values[index], dtype=torch.uint8)
        return {"image": image, "label": self.labels[index], "name": self.names[index], "boxes": self.boxes}

    boxes = torch.tensor([[2.0, 3.0, 7.0, 8.0]])

    def identity(self, index):
        return self.names[index].encode()


@pytest.fixture
def parts():
    return Plain(list(range(200, 240)), 8, ["a", "b"]), Plain(list(range(1, 31)), 6, ["c"])


def test_the_image_lies_where_its_box_says(parts):
    canvases, places = Clutter(*parts, "test", side=20), set()
    for index in range(len(canvases)):
        sample = canvases[index]
        assert sample["image"].shape == (3, 20, 20) and sample["image"].dtype == torch.uint8
        x0, y0 = (sample["boxes"][0, :2] - torch.tensor([2, 3])).int().tolist()
        here = sample["image"] == 200 + index
        assert here[:, y0 : y0 + 8, x0 : x0 + 8].all() and here.sum() == 3 * 64
        assert (sample["boxes"][0, 2:] - sample["boxes"][0, :2]).tolist() == [5, 5]
        assert sample["label"] == index % 2
        assert set(sample["image"].unique().tolist()) - {200 + index} <= set(range(1, 31))
        places.add((x0, y0))
    assert min(min(p) for p in places) <= 1 and max(max(p) for p in places) >= 11  # from edge to edge
    assert len(places) > 30


def test_tiles_stand_side_by_side(parts):
    canvases = Clutter(*parts, "test", side=14)
    chosen, left, top = canvases.layout(0)
    assert len(chosen) == 9
    image = canvases.image(0)[0].numpy()
    expected = np.repeat(np.repeat(np.array(chosen).reshape(3, 3) + 1, 6, axis=0), 6, axis=1)[:14, :14].copy()
    expected[top : top + 8, left : left + 8] = 200
    assert np.array_equal(image, expected)


def test_a_canvas_depends_on_seed_part_and_index_alone(parts):
    one, again = Clutter(*parts, "test", side=20), Clutter(*parts, "test", side=20)
    _ = again[7]  # what was asked for before does not matter
    assert torch.equal(one[3]["image"], again[3]["image"]) and one.fingerprint == again.fingerprint
    for other in (Clutter(*parts, "tune", side=20), Clutter(*parts, "test", seed=1, side=20)):
        assert other.fingerprint != one.fingerprint
        assert any(other.layout(i) != one.layout(i) for i in range(5))


def test_canvases_to_train_on_are_drawn_anew_for_every_seed_and_epoch(parts):
    canvases = Clutter(*parts, "train", side=20)
    drawn = [training_canvases(canvases, seed)(epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert all(images.shape == (len(canvases), 3, 20, 20) for images in drawn)
    assert not any(torch.equal(drawn[one], drawn[other]) for one, other in ((0, 1), (0, 2), (1, 2)))
    assert torch.equal(drawn[1], training_canvases(canvases, 0)(1))  # whatever was drawn before
    assert not any(torch.equal(images, canvases.arrays()[0]) for images in drawn)  # seed 0 is measured on
    assert set(canvases[0]) == {"image", "label", "name"}  # no boxes


def test_what_cannot_be_is_refused(parts):
    source, tiles = parts
    with pytest.raises(DataError, match="no part 'val'"):
        Clutter(source, tiles, "val")
    with pytest.raises(DataError, match="does not fit"):
        Clutter(source, tiles, "test", side=7)
    with pytest.raises(DataError, match="b is a class of the images and of the tiles"):
        Clutter(source, Plain([1], 6, ["b"]), "test")


def test_the_committed_tiles_are_disjoint_and_of_other_classes():
    tiles, images = read_partition(clutter.TILES), read_partition("tiny-imagenet-20")
    assert len(tiles.classes) == 30 and not set(tiles.classes) & set(images.classes)
    files = [file for part in PARTS for _, file in tiles.members[part]]
    assert len(files) == len(set(files)) and not any(file.startswith("val_") for file in files)
    for part, count in clutter.TILES_PER_CLASS.items():
        assert set(Counter(wnid for wnid, _ in tiles.members[part]).values()) == {count}


def test_the_held_out_tiles_are_of_the_first_20_classes_and_as_many():
    tiles, images = read_partition(clutter.HELDOUT_TILES), read_partition("tiny-imagenet-20-heldout")
    assert set(tiles.classes) == set(read_partition("tiny-imagenet-20").classes)
    assert not set(tiles.classes) & set(images.classes)
    for part, count in clutter.HELDOUT_TILES_PER_CLASS.items():
        assert set(Counter(wnid for wnid, _ in tiles.members[part]).values()) == {count}
        assert len(tiles.members[part]) == len(read_partition(clutter.TILES).members[part])


def test_canvases_of_an_unknown_split_are_refused():
    with pytest.raises(ValueError, match="split with canvases called 'tiny-imagenet-20-held'; did you mean tiny-im"):
        open_clutter("test", partition="tiny-imagenet-20-held")


def test_without_data_the_error_says_what_to_do(nowhere):
    with pytest.raises(DatasetNotFound, match="DRN_DATA"):
        open_clutter("test")


def test_all_committed_results_were_measured_on_these_canvases():
    runs = [json.loads(file.read_text()) for file in (data_dir() / "results/classification").glob("*-s*.json")]
    assert len(runs) >= 22
    assert {run["dataset"]["sha256"]["clutter"] for run in runs} == {clutter.FINGERPRINTS["test"]}


@needs_data
def test_the_real_canvases_are_the_committed_ones():
    canvases = open_clutter("tune")
    assert len(canvases) == 800
    assert canvases.fingerprint == clutter.FINGERPRINTS["tune"]
    sample, (left, top) = canvases[5], canvases.layout(5)[1:]
    assert torch.equal(sample["image"][:, top : top + 64, left : left + 64], canvases.source[5]["image"])
    assert sample["boxes"].min() >= 0 and sample["boxes"].max() <= 128


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("tiles", clutter.TILES_OF.values())
def test_the_committed_tiles_follow_from_the_archive(tmp_path, tiles):
    made = clutter.make_tile_partition(locate("tiny-imagenet"), tmp_path, tiles)
    for end in (".csv", ".json"):
        assert made.with_suffix(end).read_bytes() == (splits_dir() / f"{tiles}{end}").read_bytes()


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize(("images", "tiles"), clutter.TILES_OF.items())
def test_no_tile_shows_an_image_of_the_book(images, tiles):
    seen = {}
    for partition in (images, tiles):
        sets = [open_dataset("tiny-imagenet", part, partition=partition) for part in ("tune", "test")]
        seen[partition] = {image.numpy().tobytes() for data in sets for image in data.arrays()[0]}
    assert not seen[images] & seen[tiles]
