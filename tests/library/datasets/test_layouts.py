"""Public layouts that are not as published: read rightly, or refused in a sentence that names the file."""

import shutil

import numpy as np
import pytest
import torch

from drn_lib.datasets import open_dataset
from tests.library.datasets.layouts import WNIDS, encoded, make_tiny, noise, open_tiny, refuses, street, write

pytestmark = pytest.mark.usefixtures("nowhere")


@pytest.fixture
def tiny(tmp_path):
    return make_tiny(tmp_path / "data")


@pytest.mark.parametrize("list_file", ["wnids.txt", "words.txt", "train/n02/n02_boxes.txt", "val/val_annotations.txt"])
def test_a_byte_order_mark_is_no_part_of_a_name(tiny, list_file):
    plain = [open_tiny(tiny, split) for split in ("train", "val")]
    write(tiny / list_file, b"\xef\xbb\xbf" + (tiny / list_file).read_bytes())
    for before, split in zip(plain, ("train", "val")):
        marked = open_tiny(tiny, split)
        assert marked.classes == before.classes and marked.fingerprint == before.fingerprint


@pytest.mark.parametrize("between", ["", "images/"])
@pytest.mark.parametrize("kept", [True, False])
def test_validation_images_in_class_folders_are_refused(tiny, between, kept):
    for index, wnid in enumerate(WNIDS * 2):
        folder = tiny / f"val/{wnid}/{between}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.move(tiny / f"val/images/val_{index}.JPEG", folder)
    if not kept:
        (tiny / "val/val_annotations.txt").unlink()
    lacks = "val/images/val_0.JPEG, which the split 'val' needs" if kept else "file val/val_annotations.txt"
    refuses(f"has no {lacks}.*fetch", "tiny-imagenet", "val", tiny, partition=None)
    assert len(open_tiny(tiny)) == 6  # the training images are as published


def test_a_repack_without_boxes_is_refused(tiny):
    (tiny / "train/n01/n01_boxes.txt").unlink()
    refuses("has no file train/n01/n01_boxes.txt", "tiny-imagenet", "train", tiny, partition=None)
    write(tiny / "val/val_annotations.txt", "val_0.JPEG\tn02\n")
    refuses(
        "val/val_annotations.txt in .* has the line .* where 6 fields", "tiny-imagenet", "val", tiny, partition=None
    )


@pytest.mark.parametrize("side", [224, 32])
def test_images_that_the_boxes_are_not_of_are_refused(tiny, side):
    write(tiny / "train/n02/images/n02_1.JPEG", encoded(noise(0, side, side, 3), "JPEG"))
    data = open_tiny(tiny)
    for read in (data.image, data.__getitem__, lambda _: data.arrays()):
        with pytest.raises(ValueError, match=rf"n02_1.JPEG in .* is {side}x{side} px where the boxes are of 64x64"):
            read(1)


@pytest.mark.parametrize("list_file", ["wnids.txt", "train/n01/n01_boxes.txt", "val/val_annotations.txt"])
def test_what_a_list_names_twice_is_refused(tiny, list_file):
    lines = (tiny / list_file).read_text().splitlines()
    write(tiny / list_file, "\n".join([*lines, lines[-1]]) + "\n")
    split = "val" if list_file.startswith("val") else "train"
    refuses("The lists of .* name .*JPEG 2 times", "tiny-imagenet", split, tiny, partition=None)


def test_train_ids_in_the_place_of_ids_are_refused(tmp_path):
    ids = np.array([[0, 7, 8, 11, 18, 10, 255, 2]] * 6, np.uint8)
    path = street(tmp_path / "cityscapes", ids=ids)
    says = f"{path.name} has 255 and numbers of 0 to 18 only, which are train ids"
    refuses(says, "cityscapes", "train", tmp_path, index=0)
    for other in (26, 19):  # a car, whose plate is 255; a traffic light
        path = street(tmp_path / "cityscapes", ids=np.where(ids == 2, other, ids).astype(np.uint8))
        assert open_dataset("cityscapes", "train", tmp_path)[0]["mask"].max() == 255
    for only in (0, 255):  # nothing is labelled
        street(tmp_path / "cityscapes", ids=np.full((6, 8), only, np.uint8))
        assert bool(torch.all(open_dataset("cityscapes", "train", tmp_path)[0]["mask"] == 255))


def test_a_partition_of_another_dataset_is_refused(tiny, tmp_path):
    for partition, missing in (("pets-3", "Abyssinian"), ("tiny-imagenet-20", "n[0-9]+")):
        says = f"tiny-imagenet-200 has no class {missing}, which the partition {partition} names: choose another"
        refuses(says, "tiny-imagenet", "train", tiny, partition=partition)
    for path in ("../splits/pets-3", "./pets-3", "pets-3.csv", ""):
        refuses(f"There is no split '{path}' in", "tiny-imagenet", "train", tiny, partition=path)
