"""The committed split: sizes, disjointness, no copies across parts; and the rule that made it."""

import json
import os
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drn_lib.datasets import clutter, pets, tiny_imagenet
from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.pets import make_book_partition as make_pets
from drn_lib.datasets.sources import locate
from drn_lib.datasets.splits import PARTS, assign_parts, rank, read_partition, write_partition
from drn_lib.datasets.tiny_imagenet import make_book_partition as make_tiny_imagenet
from drn_lib.paths import splits_dir

NAME, HELDOUT = "tiny-imagenet-20", "tiny-imagenet-20-heldout"
needs_data = pytest.mark.skipif(not os.environ.get("DRN_DATA"), reason="DRN_DATA is not set")


@pytest.mark.parametrize("name", tiny_imagenet.FOLDS)
def test_the_committed_split_has_its_sizes_and_is_disjoint(name):
    split = read_partition(name)
    assert len(split.classes) == len(set(split.classes)) == 20
    assert [len(split.members[part]) for part in PARTS] == [7200, 800, 3000]
    for part, per_class in zip(PARTS, (360, 40, 150), strict=True):
        assert Counter(wnid for wnid, _ in split.members[part]) == dict.fromkeys(split.classes, per_class)
    files = [file for part in PARTS for _, file in split.members[part]]
    assert len(files) == len(set(files)) == 11000
    from_validation = {part: sum(f.startswith("val_") for _, f in split.members[part]) for part in PARTS}
    assert from_validation == {"train": 0, "tune": 0, "test": 1000}


@pytest.mark.parametrize("name", tiny_imagenet.FOLDS)
def test_a_class_name_stands_beside_every_class(name):
    described = json.loads((splits_dir() / f"{name}.json").read_text())
    assert tuple(described["classes"]) == read_partition(name).classes
    assert described["counts"] == {"train": 7200, "tune": 800, "test": 3000}


def test_ten_classes_are_learned_by_no_split():
    first, second = (set(read_partition(name).classes) for name in tiny_imagenet.FOLDS)
    beside = set(read_partition(clutter.TILES).classes)
    assert not first & second and second < beside and len(beside - second) == 10
    assert not (beside - second) & set(read_partition(clutter.HELDOUT_TILES).classes)


@needs_data
@pytest.mark.parametrize(
    ("make", "dataset", "name"),
    [
        (make_tiny_imagenet, "tiny-imagenet", NAME),
        (partial(make_tiny_imagenet, partition=HELDOUT), "tiny-imagenet", HELDOUT),
        (make_pets, "pets", "pets-3"),
    ],
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
    assert (tmp_path / "small.json").read_text().splitlines()[:3] == ["{", ' "name": "small",', ' "rule": "none",']


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


# The splits are made again here from small sets in the published layouts.


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A Tiny-ImageNet of three classes, five training and two validation images each; images of one color are copies.

    n02_0 and n01_4 are copies of each other, and n02_1 is one of val_0; val_5, of n00, is one of n00_3.
    """
    top = tmp_path_factory.mktemp("archive") / "tiny-imagenet-200"
    wnids, boxes = ["n02", "n01", "n00"], []
    colors = {f"{wnid}_{i}": 10 * k + i for k, wnid in enumerate(wnids) for i in range(5)}
    colors |= {f"val_{i}": 50 + i for i in range(6)}
    colors |= {"n01_4": colors["n02_0"], "n02_1": colors["val_0"], "val_5": colors["n00_3"]}
    for name, color in colors.items():
        wnid = name.partition("_")[0]
        folder = top / ("val/images" if wnid == "val" else f"train/{wnid}/images")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((64, 64, 3), color, np.uint8)).save(folder / f"{name}.JPEG", "PNG")
    (top / "wnids.txt").write_text("\n".join(wnids))
    (top / "words.txt").write_text("n01\ttench, Tinca\nn02\tgoldfish\nn00\tshark\n")
    for wnid in wnids:
        boxes = [f"{wnid}_{i}.JPEG\t0\t0\t9\t9\n" for i in range(5)]
        (top / f"train/{wnid}/{wnid}_boxes.txt").write_text("".join(boxes))
    lines = [f"val_{i}.JPEG\t{wnids[i // 2]}\t0\t0\t9\t9\n" for i in range(6)]
    (top / "val/val_annotations.txt").write_text("".join(lines))
    return top


def by_part(partition, wnid):
    return {part: [file for code, file in partition.members[part] if code == wnid] for part in PARTS}


def first_by_rank(*files):
    return sorted(files, key=rank)


def test_the_books_split_of_a_small_archive(archive, tmp_path, monkeypatch):
    for name, value in {"BOOK_CLASSES": 2, "BOOK_TRAIN": 2, "BOOK_TUNE": 1}.items():
        monkeypatch.setattr(tiny_imagenet, name, value)
    file = make_tiny_imagenet(archive, tmp_path)
    partition, facts = read_partition(NAME, tmp_path), json.loads(file.with_suffix(".json").read_text())
    assert file == tmp_path / f"{NAME}.csv" and partition.classes == ("n02", "n01")
    # n02_0 has a copy, so it is for training; n02_1 is a copy of a test image. The others are ranked.
    others = first_by_rank("n02_2.JPEG", "n02_3.JPEG", "n02_4.JPEG")
    assert by_part(partition, "n02") == {
        "train": sorted(["n02_0.JPEG", others[0]]),
        "tune": [others[1]],
        "test": [*sorted(["n02_1.JPEG", others[2]]), "val_0.JPEG", "val_1.JPEG"],
    }
    others = first_by_rank(*(f"n01_{i}.JPEG" for i in range(4)))
    assert by_part(partition, "n01") == {
        "train": sorted([others[0], "n01_4.JPEG"]),
        "tune": [others[1]],
        "test": [*sorted(others[2:]), "val_2.JPEG", "val_3.JPEG"],
    }
    assert facts["classes"] == {"n02": "goldfish", "n01": "tench"} and facts["counts"]["test"] == 8
    copied = ["train/n01/images/n01_4.JPEG", "train/n02/images/n02_0.JPEG", "train/n02/images/n02_1.JPEG"]
    assert facts["copies"] == [*copied, "val/images/val_0.JPEG"] and "sha256 of the file name" in facts["rule"]


def test_tiles_of_a_small_archive_are_of_other_classes_and_no_copies(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(clutter, "BOOK_CLASSES", 1)
    monkeypatch.setattr(clutter, "TILES_PER_CLASS", {"train": 2, "tune": 1, "test": 1})
    file = clutter.make_tile_partition(archive, tmp_path)
    partition, facts = read_partition(clutter.TILES, tmp_path), json.loads(file.with_suffix(".json").read_text())
    assert file.name == "tiny-imagenet-clutter.csv" and facts["classes"] == {"n01": "tench", "n00": "shark"}
    for wnid, copied in (("n01", 4), ("n00", 3)):
        ranked = first_by_rank(*(f"{wnid}_{i}.JPEG" for i in range(5) if i != copied))
        assert by_part(partition, wnid) == {"train": ranked[:2], "tune": ranked[2:3], "test": ranked[3:]}


def test_the_books_split_of_a_few_pets(tmp_path, monkeypatch):
    breeds = ["Abyssinian", "american_bulldog", "beagle", "Bengal"]
    monkeypatch.setattr(pets, "BOOK_TUNE", 1)
    (tmp_path / "annotations").mkdir()
    for split, numbers in (("trainval", (1, 2, 3, 10)), ("test", (4, 5))):
        lines = [f"{breed}_{n} {k} 1 1\n" for k, breed in enumerate(breeds, 1) for n in numbers]
        (tmp_path / f"annotations/{split}.txt").write_text("#Image CLASS-ID\n" + "".join(lines))
    file = make_pets(tmp_path, tmp_path / "splits")
    partition = read_partition("pets-3", tmp_path / "splits")
    assert file.name == "pets-3.csv" and partition.classes == ("Abyssinian", "American Bulldog", "Bengal")
    for breed, stem in zip(partition.classes, ("Abyssinian", "american_bulldog", "Bengal")):
        *train, tune = first_by_rank(*(f"{stem}_{n}" for n in (1, 2, 3, 10)))
        expected = {"train": sorted(train), "tune": [tune], "test": [f"{stem}_4", f"{stem}_5"]}
        assert by_part(partition, breed) == expected
