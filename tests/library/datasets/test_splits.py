"""The committed split: sizes, disjointness, no copies across parts; and the rule that made it."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from drn_lib.datasets import splits
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.splits import PARTS, assign_parts, read_partition, write_partition

NAME = "tiny-imagenet-20"
needs_data = pytest.mark.skipif(not os.environ.get("DRN_DATA"), reason="DRN_DATA is not set")


def test_the_committed_split_has_its_sizes():
    split = read_partition(NAME)
    assert len(split.classes) == len(set(split.classes)) == 20
    assert [len(split.members[part]) for part in PARTS] == [7200, 800, 3000]
    for part, per_class in zip(PARTS, (360, 40, 150), strict=True):
        counts = Counter(wnid for wnid, _ in split.members[part])
        assert set(counts) == set(split.classes)
        assert set(counts.values()) == {per_class}


def test_the_committed_split_is_disjoint():
    split = read_partition(NAME)
    files = [file for part in PARTS for _, file in split.members[part]]
    assert len(files) == len(set(files)) == 11000
    from_validation = {part: sum(f.startswith("val_") for _, f in split.members[part]) for part in PARTS}
    assert from_validation == {"train": 0, "tune": 0, "test": 1000}


def test_a_class_name_stands_beside_every_class():
    described = json.loads((splits.splits_dir() / f"{NAME}.json").read_text())
    assert tuple(described["classes"]) == read_partition(NAME).classes
    assert described["counts"] == {"train": 7200, "tune": 800, "test": 3000}


@needs_data
def test_the_committed_split_follows_from_the_archive(tmp_path):
    from drn_lib.datasets.sources import locate
    from drn_lib.datasets.tiny_imagenet import make_book_partition

    made = make_book_partition(locate("tiny-imagenet"), tmp_path)
    for end in (".csv", ".json"):
        assert made.with_suffix(end).read_bytes() == (splits.splits_dir() / f"{NAME}{end}").read_bytes()


def test_the_split_of_the_pets_is_disjoint():
    split = read_partition("pets-3")
    assert split.classes == ("Abyssinian", "American Bulldog", "Bengal")
    assert [len(split.members[part]) for part in PARTS] == [240, 60, 298]
    files = [file for part in PARTS for _, file in split.members[part]]
    assert len(files) == len(set(files)) == 598
    assert set(Counter(breed for breed, _ in split.members["tune"]).values()) == {20}


@needs_data
def test_the_split_of_the_pets_follows_from_the_published_lists(tmp_path):
    from drn_lib.datasets.pets import make_book_partition
    from drn_lib.datasets.sources import locate

    made = make_book_partition(locate("pets"), tmp_path)
    for end in (".csv", ".json"):
        assert made.with_suffix(end).read_bytes() == (splits.splits_dir() / f"pets-3{end}").read_bytes()


@needs_data
def test_no_image_is_in_two_parts():
    from drn_lib.datasets.catalog import open_dataset

    pixels = {}
    for part in PARTS:
        images, _ = open_dataset("tiny-imagenet", part).arrays()
        pixels[part] = {image.numpy().tobytes() for image in images}
    # Five images stand twice in train, under two labels; nothing else is copied.
    assert [len(pixels[part]) for part in PARTS] == [7195, 800, 3000]
    assert len(set.union(*pixels.values())) == 7195 + 800 + 3000


def test_the_rule_ranks_by_the_hash_of_the_name():
    images = [(f"image_{i}.JPEG", f"pixels {i}") for i in range(10)]
    copies = Counter(digest for _, digest in images)
    parts = assign_parts(images, [], train=6, tune=2, copies=copies)
    assert Counter(parts.values()) == {"train": 6, "tune": 2, "test": 2}
    assert parts == assign_parts(images[::-1], [], train=6, tune=2, copies=copies)
    in_order = [parts[name] for name, _ in images]
    assert in_order != sorted(in_order, key=PARTS.index)  # not by position


def test_copies_go_to_train_and_copies_of_test_images_to_test():
    images = [(f"image_{i}.JPEG", f"pixels {i}") for i in range(10)]
    copies = Counter(digest for _, digest in images)
    for i in range(10):
        doubled = copies + Counter([f"pixels {i}"])
        assert assign_parts(images, [], 6, 2, doubled)[f"image_{i}.JPEG"] == "train"
        assert assign_parts(images, [f"pixels {i}"], 6, 2, doubled)[f"image_{i}.JPEG"] == "test"


def test_too_many_copies_are_refused():
    images = [(f"image_{i}.JPEG", f"pixels {i}") for i in range(10)]
    copies = Counter({digest: 2 for _, digest in images})
    with pytest.raises(DataError, match="copies"):
        assign_parts(images, [], 6, 2, copies)
    with pytest.raises(DataError, match="copies"):
        assign_parts(images, [digest for _, digest in images], 6, 2, copies)


def test_a_split_is_written_and_read_back(tmp_path):
    rows = [("n1", "n1_1.JPEG", "train"), ("n1", "n1_2.JPEG", "test"), ("n0", "n0_1.JPEG", "tune")]
    write_partition("small", rows, {"rule": "none"}, tmp_path)
    split = read_partition("small", tmp_path)
    assert split.classes == ("n1", "n0")
    assert split.members["train"] == (("n1", "n1_1.JPEG"),)
    assert split.members["tune"] == (("n0", "n0_1.JPEG"),)
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == ["small.csv", "small.json"]


def test_a_changed_list_is_noticed_but_line_ends_are_not(tmp_path):
    listed = write_partition("small", [("n1", "n1_1.JPEG", "train")], {}, tmp_path)
    text = listed.read_bytes()
    listed.write_bytes(text.replace(b"\n", b"\r\n"))
    assert read_partition("small", tmp_path).members["train"] == (("n1", "n1_1.JPEG"),)
    listed.write_bytes(text.replace(b"train", b"test"))
    with pytest.raises(DataError, match="sha256"):
        read_partition("small", tmp_path)


def test_an_unknown_split_is_named():
    with pytest.raises(DataError, match=f"no split 'nothing'.*{NAME}"):
        read_partition("nothing")
