"""Tiny-ImageNet: 64x64 photographs with a class and one box, from the public archive or its unpacked folder.

    tiny-imagenet-200/wnids.txt, words.txt
    tiny-imagenet-200/train/<wnid>/images/<wnid>_<n>.JPEG
    tiny-imagenet-200/train/<wnid>/<wnid>_boxes.txt     name, xmin, ymin, xmax, ymax (tabs, inclusive pixels)
    tiny-imagenet-200/val/images/val_<n>.JPEG
    tiny-imagenet-200/val/val_annotations.txt           name, wnid, xmin, ymin, xmax, ymax

The boxes of the files are inclusive and become pixel edges here: xmax + 1, ymax + 1.
`python -m drn_lib.datasets.tiny_imagenet` writes the book's two splits, `data/splits/tiny-imagenet-20.csv` and
`tiny-imagenet-20-heldout.csv`, again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from drn_lib.checks import one_of
from drn_lib.datasets.archives import FileTree, open_tree, read_lines, require_samples
from drn_lib.datasets.base import FileDataset
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.splits import BOOK_PARTITIONS, PARTS, assign_parts, read_partition, write_partition

FOLDER = "tiny-imagenet-200"
SIZE = 64
BOOK_PARTITION = BOOK_PARTITIONS["tiny-imagenet"]
HELDOUT_PARTITION = "tiny-imagenet-20-heldout"
BOOK_CLASSES, BOOK_TRAIN, BOOK_TUNE = 20, 360, 40
FOLDS = {BOOK_PARTITION: 0, HELDOUT_PARTITION: BOOK_CLASSES}
"""The book's splits, and which class of the archive of 50 is the first of their 20. No split has the last 10."""


class TinyImageNet(FileDataset):
    """Tiny-ImageNet, or the part of it that a split names.

    Samples have `image` (3, 64, 64), `label`, `boxes` (1, 4) and `name`.

    Args:
        path: the folder `tiny-imagenet-200`, or the archive `tiny-imagenet-200.zip`.
        split: with a partition in `data/splits/` "train", "tune" or "test"; without one the archive's "train" or "val".
        classes: without a partition, the WordNet ids to use; by default all in `wnids.txt`.

    Raises:
        DataError: a wrong layout, an unknown split or class, or a file that the split names and that is missing.
    """

    def __init__(
        self, path: Path, split: str, partition: str | None = BOOK_PARTITION, classes: Sequence[str] | None = None
    ):
        self.tree = _open_layout(path)
        if partition is None:
            self.wnids, rows = _published(self.tree, split, classes)
        elif classes is not None:
            raise DataError("Classes come from the partition: give partition=None to choose classes yourself.")
        else:
            chosen = read_partition(partition)
            chosen.require_classes(_wnids(self.tree), self.tree.path)
            self.wnids, rows = list(chosen.classes), chosen.part(split)
        words = read_lines(self.tree, "words.txt") if "words.txt" in self.tree else []
        names = dict(line.split("\t", 1) for line in words if "\t" in line)
        self.split, self.partition = split, partition
        self.classes = [names.get(wnid, wnid).split(",")[0] for wnid in self.wnids]
        number = {wnid: label for label, wnid in enumerate(self.wnids)}
        self.labels = [number[wnid] for wnid, _ in rows]
        self.names = [f"val/images/{f}" if f.startswith("val_") else f"train/{w}/images/{f}" for w, f in rows]
        self.edges = _edges(self.tree, rows)  # (N, 4)
        require_samples(self.tree, self.names, split)

    def image(self, index: int) -> Tensor:
        image = super().image(index)
        if image.shape[1:] != (SIZE, SIZE):
            found = f"is {image.shape[2]}x{image.shape[1]} px where the boxes are of {SIZE}x{SIZE}"
            raise DataError(f"{self.names[index]} in {self.tree.path} {found}: fetch the dataset as it was published.")
        return image

    def read(self, index: int) -> dict:
        sample = {"image": self.image(index), "label": self.labels[index]}
        return {**sample, "boxes": self.edges[index : index + 1].clone(), "name": self.names[index]}

    def identity(self, index: int) -> bytes:
        return self.tree.read(self.names[index]) + repr(self.edges[index].tolist()).encode()


def _open_layout(path: Path) -> FileTree:
    for prefix in (f"{FOLDER}/", ""):
        tree = open_tree(path, prefix)
        if "wnids.txt" in tree:
            return tree
    raise DataError(f"{path} has no wnids.txt: it is not laid out as {FOLDER}.zip is published.")


def _wnids(tree: FileTree) -> list[str]:
    return [line.strip() for line in read_lines(tree, "wnids.txt")]


def _published(tree: FileTree, split: str, classes: Sequence[str] | None) -> tuple[list[str], list[tuple[str, str]]]:
    listed = _wnids(tree)
    wnids = listed if classes is None else list(classes)
    if unknown := next((wnid for wnid in wnids if wnid not in listed), None):
        raise DataError(f"{unknown} is not a class of {tree.path}: choose from its wnids.txt.")
    if split == "train":
        return wnids, [(wnid, row[0]) for wnid in wnids for row in _rows(tree, _box_file(wnid), 5)]
    if split != "val":
        raise DataError(f"Tiny-ImageNet itself has no split '{split}': use train or val, or name a partition.")
    rows = [(row[1], row[0]) for row in _rows(tree, "val/val_annotations.txt", 6)]
    if strange := next((row for row in rows if row[0] not in listed), None):
        raise DataError(f"{strange[1]} in {tree.path} has the label {strange[0]}, which wnids.txt does not list.")
    return wnids, [row for row in rows if row[0] in set(wnids)]


def _rows(tree: FileTree, name: str, fields: int) -> list[list[str]]:
    rows = [line.split("\t") for line in read_lines(tree, name)]
    if wrong := next((row for row in rows if len(row) != fields), None):
        raise DataError(f"{name} in {tree.path} has the line {wrong!r} where {fields} fields between tabs belong.")
    return rows


def _box_file(wnid: str) -> str:
    return f"train/{wnid}/{wnid}_boxes.txt"


def _edges(tree: FileTree, rows: Sequence[tuple[str, str]]) -> Tensor:
    """The boxes of the rows as pixel edges, float32 (N, 4)."""
    inclusive = {}
    for wnid in dict.fromkeys(wnid for wnid, file in rows if not file.startswith("val_")):
        inclusive.update({row[0]: row[1:] for row in _rows(tree, _box_file(wnid), 5)})
    if any(file.startswith("val_") for _, file in rows):
        inclusive.update({row[0]: row[2:] for row in _rows(tree, "val/val_annotations.txt", 6)})
    edges = []
    for _, file in rows:
        if file not in inclusive:
            raise DataError(f"{tree.path} has no box for {file}: its annotation files are incomplete, fetch it again.")
        try:
            x0, y0, x1, y1 = (int(field) for field in inclusive[file])
        except ValueError as error:
            raise DataError(f"The box of {file} in {tree.path} is not four whole numbers.") from error
        if not (0 <= x0 <= x1 < SIZE and 0 <= y0 <= y1 < SIZE):
            raise DataError(f"The box of {file} in {tree.path} is ({x0}, {y0}, {x1}, {y1}), outside 0 to {SIZE - 1}.")
        edges.append((x0, y0, x1 + 1, y1 + 1))
    return torch.tensor(edges, dtype=torch.float32).reshape(-1, 4)


def make_book_partition(path: Path, folder: Path | None = None, partition: str = BOOK_PARTITION) -> Path:
    """Write a split of the Tiny-ImageNet experiments in the book: 20 classes; 360, 40 and 150 images each.

    The classes are the first 20 lines of `wnids.txt` in the archive of 50 classes, or its folder, at `path`, or for
    `HELDOUT_PARTITION` the next 20; the 50 validation images of a class are in test. Returns the path of the CSV file,
    in `folder` or `data/splits/`.
    """
    first = FOLDS[one_of("split of the book called", partition, FOLDS)]
    wnids = _wnids(_open_layout(path))[first : first + BOOK_CLASSES]
    train, val = (TinyImageNet(path, split, partition=None, classes=wnids) for split in ("train", "val"))
    digests = pixel_digests(train, val)
    copies = Counter(digests.values())
    fixed = [digests[name] for name in val.names]
    rows = []
    for label, wnid in enumerate(wnids):
        own, tested = ([n for n, m in zip(data.names, data.labels) if m == label] for data in (train, val))
        parts = assign_parts([(Path(n).name, digests[n]) for n in own], fixed, BOOK_TRAIN, BOOK_TUNE, copies)
        parts.update({Path(name).name: "test" for name in tested})
        order = [
            (PARTS.index(part), f.startswith("val_"), int(Path(f).stem.split("_")[1]), f) for f, part in parts.items()
        ]
        rows += [(wnid, file, parts[file]) for *_, file in sorted(order)]
    facts = {
        "rule": "datasets/splits.py: sha256 of the file name ranks the images of a class; copies stay in one part",
        "classes": dict(zip(wnids, train.classes, strict=True)),
        "copies": sorted(name for name, digest in digests.items() if copies[digest] > 1),
    }
    return write_partition(partition, rows, facts, folder)


def pixel_digests(*sets: TinyImageNet) -> dict[str, str]:
    """The sha256 of every image's pixels, by its name: what tells copies."""
    images = ((name, data.image(index)) for data in sets for index, name in enumerate(data.names))
    return {name: hashlib.sha256(image.numpy().tobytes()).hexdigest() for name, image in images}


if __name__ == "__main__":
    from drn_lib.datasets.sources import locate

    for fold in FOLDS:
        print(make_book_partition(locate("tiny-imagenet"), partition=fold))
