"""Oxford-IIIT Pet: photographs of cats and dogs with a breed, a body box and a mask, in the published layout.

    oxford-iiit-pet/images/<breed>_<n>.jpg
    oxford-iiit-pet/annotations/trainval.txt, test.txt     name, class id, species, breed id
    oxford-iiit-pet/annotations/trimaps/<breed>_<n>.png    1 pet, 2 background, 3 border
    oxford-iiit-pet/annotations/body_boxes.csv             pixel edges; where absent, boxes come from the trimaps

Photographs differ in size. The class ids of the lists start at 1, labels at 0.

The book's experiments take three breeds by a split of its own, `data/splits/pets-3.csv`, and see each photograph whole,
as a square of 224 px. `python -m drn_lib.datasets.pets` writes that split again.
"""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, functional

from drn_lib.datasets.archives import FolderTree, read_lines
from drn_lib.datasets.base import ImageDataset, decode_image, decode_labels
from drn_lib.datasets.contract import IGNORE, DataError
from drn_lib.datasets.splits import PARTS, read_partition, write_partition

BOOK_PARTITION = "pets-3"
BOOK_BREEDS = ("Abyssinian", "American Bulldog", "Bengal")
BOOK_TUNE = 20
"""Of the about 100 photographs of a breed in trainval; the others are for training."""
SIZE = 224
"""Pixels a side to which a photograph of a partition is resized, whole: a box must be able to reach the border."""
_TO_MASK = np.array([-1, 1, 0, IGNORE])  # by the trimap's number: pet, background, border


class Pets(ImageDataset):
    """One split of Oxford-IIIT Pet, of as many breeds as the lists name.

    Samples have `image` (3, H, W), `label`, `boxes` (1, 4) around the body, `mask` (H, W) with 0 background,
    1 pet, 255 border, and `name`.

    Args:
        path: The folder `oxford-iiit-pet`.
        split: "trainval" or "test"; with a partition "train", "tune" or "test".
        partition: A split in `data/splits/`, of some of the breeds. Its photographs are squares of `SIZE` px: resized
            whole, the aspect ratio not kept, box and mask with them.

    Raises:
        DataError: no such split, or a list that is not as published.
    """

    mask_classes = ["background", "pet"]

    def __init__(self, path: Path, split: str, partition: str | None = None):
        self.tree, self.split, self.partition = FolderTree(path), split, partition
        if partition is not None:
            if split not in PARTS:
                raise DataError(f"The partition {partition} has no split '{split}': use one of {', '.join(PARTS)}.")
            chosen = read_partition(partition)
            self.classes = list(chosen.classes)
            rows = [(stem, self.classes.index(breed)) for breed, stem in chosen.members[split]]
        elif split in ("trainval", "test"):
            self.classes = _breeds(self.tree)
            rows = [(stem, number - 1) for stem, number in _list(self.tree, split)]
        else:
            raise DataError(f"The pets have no split '{split}': use trainval or test, or name a partition.")
        self.stems, self.labels = [stem for stem, _ in rows], [label for _, label in rows]
        self.names = [f"images/{stem}.jpg" for stem in self.stems]
        self.body_boxes = _body_boxes(self.tree)
        missing = next((name for name in self.names if name not in self.tree), None)
        if missing:
            raise DataError(
                f"{path} has no {missing}, which the split '{split}' needs: unpack images.tar.gz there again."
            )

    def image(self, index: int) -> Tensor:
        image = self._photograph(index)
        return image if self.partition is None else functional.resize(image, [SIZE, SIZE], antialias=True)

    def read(self, index: int) -> dict:
        sample = self._read_whole(index)
        if self.partition is None:
            return sample
        height, width = sample["image"].shape[1:]
        scale = torch.tensor([SIZE / width, SIZE / height] * 2)
        mask = functional.resize(sample["mask"][None], [SIZE, SIZE], InterpolationMode.NEAREST)[0]
        return {**sample, "image": self.image(index), "boxes": sample["boxes"] * scale, "mask": mask}

    def _photograph(self, index: int) -> Tensor:
        return decode_image(self.tree.read(self.names[index]), self.names[index])

    def _read_whole(self, index: int) -> dict:
        """The sample at the photograph's own size."""
        image, name = self._photograph(index), self._trimap(index)
        trimap = decode_labels(self.tree.read(name), name)
        if trimap.shape != image.shape[1:]:
            raise DataError(
                f"{name} is {trimap.shape[1]}x{trimap.shape[0]} px and its image {image.shape[2]}x{image.shape[1]}: "
                "both must have one size, so fetch the dataset again."
            )
        if trimap.min() < 1 or trimap.max() > 3:
            raise DataError(f"{name} has labels outside 1 (pet), 2 (background), 3 (border): fetch the dataset again.")
        box = self.body_boxes.get(self.stems[index]) or _box_around(trimap != 2, name)
        return {
            "image": image,
            "label": self.labels[index],
            "boxes": torch.tensor([box], dtype=torch.float32),
            "mask": torch.from_numpy(_TO_MASK[trimap]),
            "name": self.names[index],
        }

    def identity(self, index: int) -> bytes:
        length = (self.tree.path / self.names[index]).stat().st_size
        return str(length).encode() + self.tree.read(self._trimap(index))

    def _trimap(self, index: int) -> str:
        return f"annotations/trimaps/{self.stems[index]}.png"


def _list(tree: FolderTree, split: str) -> list[tuple[str, int]]:
    name = f"annotations/{split}.txt"
    rows = []
    for line in read_lines(tree, name):
        fields = line.split()
        if fields[0].startswith("#"):
            continue
        if len(fields) != 4 or not fields[1].isdigit() or int(fields[1]) < 1:
            raise DataError(f"{name} in {tree.path} has the line {line!r}: expected a name and three numbers from 1.")
        rows.append((fields[0], int(fields[1])))
    return rows


def _breeds(tree: FolderTree) -> list[str]:
    """Breed names by label, from both lists; "american_bulldog_12" is an image of the American Bulldog."""
    breeds = {number: stem.rsplit("_", 1)[0] for split in ("trainval", "test") for stem, number in _list(tree, split)}
    if sorted(breeds) != list(range(1, len(breeds) + 1)):
        raise DataError(f"The class ids in {tree.path}/annotations do not run from 1 without gaps: fetch it again.")
    return [breeds[number].replace("_", " ").title() for number in sorted(breeds)]


def _body_boxes(tree: FolderTree) -> dict[str, tuple[float, ...]]:
    name = "annotations/body_boxes.csv"
    if name not in tree:
        return {}
    rows = csv.DictReader(io.StringIO("\n".join(read_lines(tree, name))))
    try:
        return {row["image"]: tuple(float(row[edge]) for edge in ("xmin", "ymin", "xmax", "ymax")) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{name} in {tree.path} is not a table with image, xmin, ymin, xmax, ymax.") from error


def _box_around(inside: np.ndarray, name: str) -> tuple[float, ...]:
    rows, columns = np.nonzero(inside)
    if rows.size == 0:
        raise DataError(f"{name} has no pixel of a pet: fetch the dataset again.")
    return float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)


def make_book_partition(path: Path, folder: Path | None = None) -> Path:
    """Writes the split of the book's experiments: three breeds; of each about 80, 20 and 100 photographs.

    Within a breed the photographs of trainval are ranked by the sha256 of their name, and the last `BOOK_TUNE` are for
    tuning; test is the published one.

    Args:
        path: The folder `oxford-iiit-pet`, of all breeds or of some.
        folder: Where to write; by default `data/splits/`.

    Returns:
        The path of the CSV file.
    """
    tree = FolderTree(path)
    breeds = _breeds(tree)
    listed = {
        split: [(stem, breeds[number - 1]) for stem, number in _list(tree, split)] for split in ("trainval", "test")
    }
    rows = []
    for breed in BOOK_BREEDS:
        own = sorted(
            (s for s, b in listed["trainval"] if b == breed), key=lambda s: hashlib.sha256(s.encode()).hexdigest()
        )
        parts = [("train", own[:-BOOK_TUNE]), ("tune", own[-BOOK_TUNE:])]
        parts.append(("test", [stem for stem, other in listed["test"] if other == breed]))
        rows += [(breed, stem, part) for part, stems in parts for stem in sorted(stems)]
    facts = {"rule": "datasets/pets.py: sha256 of the photograph's name ranks a breed's trainval; test as published"}
    return write_partition(BOOK_PARTITION, rows, facts, folder)


if __name__ == "__main__":
    from drn_lib.datasets.sources import locate

    print(make_book_partition(locate("pets")))
