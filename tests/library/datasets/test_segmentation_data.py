"""Street scenes for segmentation: torchvision's reading of the same layout, ids both ways, prediction files."""

import os
import re

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from drn_lib.datasets import open_dataset
from drn_lib.datasets.contract import IGNORE, DataError
from drn_lib.datasets.sources import locate
from drn_lib.datasets.street_scenes import (
    CLASS_COLORS,
    TRAIN_ID_OF_ID,
    CamVid,
    Cityscapes,
    label_ids,
    train_ids,
    write_prediction,
)

REAL = os.environ.get("DRN_DATA", "")
needs_data = pytest.mark.skipif(not REAL, reason="DRN_DATA is not set: no real data here")


def same_as_torchvisions(name, split, count):
    ours = open_dataset(name, split)
    theirs = torchvision.datasets.Cityscapes(str(locate(name)), split=split, mode="fine", target_type="semantic")
    assert len(ours) == len(theirs)
    by_file = {os.path.relpath(file, locate(name)): place for place, file in enumerate(theirs.images)}
    for index in range(0, len(ours), max(1, len(ours) // count)):
        image, target = theirs[by_file[ours.names[index]]]
        sample = ours[index]
        assert np.array_equal(sample["image"].permute(1, 2, 0), np.array(image))
        assert np.array_equal(sample["mask"], train_ids(np.array(target).astype(int), "its label file"))


def test_torchvision_reads_the_same_files(tmp_path, monkeypatch):
    monkeypatch.setenv("DRN_DATA", str(tmp_path))
    for end, pixels in [
        ("leftImg8bit", np.random.default_rng(0).integers(0, 256, (6, 8, 3))),
        ("gtFine_labelIds", np.arange(48).reshape(6, 8) % 34),  # every kind of label
    ]:
        file = tmp_path / f"cityscapes/{end.split('_')[0]}/val/aachen/aachen_000000_000019_{end}.png"
        file.parent.mkdir(parents=True)
        Image.fromarray(pixels.astype(np.uint8)).save(file)
    same_as_torchvisions("cityscapes", "val", 1)


@needs_data
def test_torchvision_reads_the_same_camvid(monkeypatch):
    monkeypatch.setenv("DRN_DATA", REAL)
    same_as_torchvisions("camvid", "test", 3)


@given(st.lists(st.sampled_from([*range(19), IGNORE]), min_size=1, max_size=40))
def test_ids_go_there_and_back(values):
    there = label_ids(torch.tensor([values]))
    assert there.dtype == np.uint8
    assert train_ids(there.astype(np.int64), "a.png")[0].tolist() == values


def test_the_ids_colors_and_names_are_the_official_ones():
    helpers = pytest.importorskip("cityscapesscripts.helpers.labels")
    official = {label.id: label for label in helpers.labels if label.id >= 0}
    assert {key: label.trainId for key, label in official.items() if label.trainId != 255} == TRAIN_ID_OF_ID
    assert {key for key, label in official.items() if not label.ignoreInEval} == set(TRAIN_ID_OF_ID)
    for key, train_id in TRAIN_ID_OF_ID.items():
        assert tuple(CLASS_COLORS[train_id]) == official[key].color
        assert Cityscapes.classes[train_id] == official[key].name


@pytest.mark.parametrize("end", ["_leftImg8bit.png", "_leftImg8bit.jpg", ".png"])
def test_a_prediction_is_named_as_the_evaluator_looks_for_it(tmp_path, end):
    labels = torch.tensor([[0, 18], [IGNORE, 5]])
    file = write_prediction(tmp_path / "new", f"leftImg8bit/test/aachen/aachen_000000_000019{end}", labels)
    assert re.fullmatch(r"aachen_000000_000019.*\.png", file.name)
    picture = Image.open(file)
    assert picture.mode == "L" and np.array(picture).tolist() == [[7, 33], [0, 17]]
    with pytest.raises(ValueError, match="19 is no train id: they go from 0 to 18"):
        write_prediction(tmp_path, "a.png", torch.tensor([[19]]))


@pytest.mark.parametrize(
    ("reader", "says", "does_not_say"),
    [
        (Cityscapes, "unpack gtFine_trainvaltest.zip beside leftImg8bit", "camvid"),
        (CamVid, "python -m drn_lib data camvid", "gtFine_trainvaltest"),
    ],
)
def test_missing_labels_are_answered_as_the_set_is_published(reader, says, does_not_say, tmp_path):
    image = tmp_path / "leftImg8bit" / "val" / "0016E5" / "0016E5_000000_007959_leftImg8bit.png"
    image.parent.mkdir(parents=True)
    Image.new("RGB", (2, 2)).save(image)
    with pytest.raises(DataError, match=says) as caught:
        reader(tmp_path, "val")
    assert does_not_say not in str(caught.value) and "_gtFine_labelIds.png" in str(caught.value)


def test_the_embedded_streets_have_the_same_classes():
    assert open_dataset("streets", "train", count=1, size=64).mask_classes == Cityscapes.mask_classes
