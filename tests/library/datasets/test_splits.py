"""The committed split: sizes, disjointness, no copies across parts; and the rule that made it."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.pets import make_book_partition as make_pets
from drn_lib.datasets.sources import locate
from drn_lib.datasets.splits import PARTS, assign_parts, read_partition, write_partition
from drn_lib.datasets.tiny_imagenet import make_book_partition as make_tiny_imagenet
from drn_lib.paths import splits_dir

NAME = "tiny-imagenet-20"
needs_data = pytest.mark.skipif(not os.environ.get("DRN_DATA"), reason="DRN_DATA is not set")


def test_the_committed_split_has_its_sizes_and_is_disjoint():
    split = read_partition(NAME)
    assert len(split.classes) == len(set(split.classes)) == 20
    assert [len(split.members[part]) for part in PARTS] == [7200, 800, 3000]
    for part, per_class in zip(PARTS, (360, 40, 150), strict=True):
        assert Counter(wnid for wnid, _ in split.members[part]) == dict.fromkeys(split.classes, per_class)
    files = [file for part in PARTS for _, file in split.members[part]]
    assert len(files) == len(set(files)) == 11000
    from_validation = {part: sum(f.startswith("val_") for _, f in split.members[part]) for part in PARTS}
    assert from_validation == {"train": 0, "tune": 0, "test": 1000}


def test_a_class_name_stands_beside_every_class():
    described = json.loads((splits_dir() / f"{NAME}.json").read_text())
    assert tuple(described["classes"]) == read_partition(NAME).classes
    assert described["counts"] == {"train": 7200, "tune": 800, "test": 3000}


@needs_data
@pytest.mark.parametrize(
    ("make", "dataset", "name"), [(make_tiny_imagenet, "tiny-imagenet", NAME), (make_pets, "pets", "pets-3")]
)
def test_the_committed_splits_follow_from_the_published_sets(make, dataset, name, tmp_path):
    made = make(locate(dataset), tmp_path)
    for end in (".csv", ".json"):
        assert made.with_suffix(end).read_bytes() == (splits_dir() / f"{name}{end}").read_bytes()


def test_the_split_of_the_pets_is_disjoint():
    split = read_partition("pets-3")
    assert split.classes == ("Abyssinian", "American Bulldog", "Bengal")
    assert [len(split.members[part]) for part in PARTS] == [240, 60, 298]
    files = [file for part in PARTS for _, file in split.members[part]]
    assert len(files) == len(set(files)) == 598
    assert set(Counter(breed for breed, _ in split.members["tune"]).values()) == {20}


@needs_data
def test_no_image_is_in_two_parts():
    pixels = {}
    for part in PARTS:
        pixels[part] = {image.numpy().tobytes() for image in open_dataset("tiny-imagenet", part).arrays()[0]}
    # Five images stand twice in train, under two labels; nothing else is copied.
    assert [len(pixels[part]) for part in PARTS] == [7195, 800, 3000]
    assert len(set.union(*pixels.values())) == 7195 + 800 + 3000


IMAGES = [(f"image_{i}.JPEG", f"pixels {i}") for i in range(10)]
COPIES = Counter(digest for _, digest in IMAGES)


def test_the_rule_ranks_by_the_hash_of_the_name():
    parts = assign_parts(IMAGES, [], train=6, tune=2, copies=COPIES)
    assert Counter(parts.values()) == {"train": 6, "tune": 2, "test": 2}
    assert parts == assign_parts(IMAGES[::-1], [], train=6, tune=2, copies=COPIES)
    in_order = [parts[name] for name, _ in IMAGES]
    assert in_order != sorted(in_order, key=PARTS.index)  # not by position


def test_copies_go_to_train_and_copies_of_test_images_to_test():
    for name, digest in IMAGES:
        doubled = COPIES + Counter([digest])
        assert assign_parts(IMAGES, [], 6, 2, doubled)[name] == "train"
        assert assign_parts(IMAGES, [digest], 6, 2, doubled)[name] == "test"


def test_too_many_copies_are_refused():
    for fixed in ([], list(COPIES)):
        with pytest.raises(DataError, match="copies"):
            assign_parts(IMAGES, fixed, 6, 2, COPIES + COPIES)


def test_a_split_is_written_and_read_back(tmp_path):
    rows = [("n1", "n1_1.JPEG", "train"), ("n1", "n1_2.JPEG", "test"), ("n0", "n0_1.JPEG", "tune")]
    write_partition("small", rows, {"rule": "none"}, tmp_path)
    split = read_partition("small", tmp_path)
    assert split.classes == ("n1", "n0")
    assert split.members["train"] == (("n1", "n1_1.JPEG"),) and split.members["tune"] == (("n0", "n0_1.JPEG"),)
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
