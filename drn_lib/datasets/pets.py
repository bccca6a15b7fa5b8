"""Oxford-IIIT Pet: photographs of cats and dogs with a breed, a body box and a mask, in the published layout.

    oxford-iiit-pet/images/<breed>_<n>.jpg
    oxford-iiit-pet/annotations/trainval.txt, test.txt     name, class id, species, breed id
    oxford-iiit-pet/annotations/trimaps/<breed>_<n>.png    1 pet, 2 background, 3 border
    oxford-iiit-pet/annotations/body_boxes.csv             pixel edges; where absent, boxes come from the trimaps

Photographs differ in size. The class ids of the lists start at 1, labels at 0. `python -m drn_lib.datasets.pets` writes
the split of the book's experiments, `data/splits/pets-3.csv`, again.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, functional

from drn_lib.datasets.archives import FolderTree, read_lines, require_samples
from drn_lib.datasets.base import MaskedFiles
from drn_lib.datasets.contract import IGNORE, DataError
from drn_lib.datasets.splits import BOOK_PARTITIONS, rank, read_partition, write_partition

BOOK_PARTITION = BOOK_PARTITIONS["pets"]
BOOK_BREEDS = ("Abyssinian", "American Bulldog", "Bengal")
BOOK_TUNE = 20  # of the about 100 photographs of a breed in trainval; the others are for training
SIZE = 224  # pixels a side to which a photograph of a partition is resized
_TO_MASK = np.array([-1, 1, 0, IGNORE])  # by the trimap's number: pet, background, border


class Pets(MaskedFiles):
    """One split of Oxford-IIIT Pet, of as many breeds as the lists name.

    Samples have `image` (3, H, W), `label`, `boxes` (1, 4) around the body, `mask` (H, W) with 0 background,
    1 pet, 255 border, and `name`.

    Args:
        path: the folder `oxford-iiit-pet`.
        split: "trainval" or "test"; with a partition "train", "tune" or "test".
        partition: a split in `data/splits/`, of some of the breeds. Its photographs are resized whole to squares of
            `SIZE` px (a box must be able to reach the border), box and mask with them.

    The fingerprint knows neither the boxes of `annotations/body_boxes.csv` nor whether photographs are resized: stored
    results have it as it is.

    Raises:
        DataError: no such split, or a list that is not as published.
    """

    mask_classes = ["background", "pet"]

    def __init__(self, path: Path, split: str, partition: str | None = None):
        self.tree, self.split, self.partition = FolderTree(path), split, partition
        if partition is not None:
            chosen = read_partition(partition)
            chosen.require_classes(_breeds(self.tree), Path(path))
            self.classes = list(chosen.classes)
            rows = [(stem, self.classes.index(breed)) for breed, stem in chosen.part(split)]
        elif split in ("trainval", "test"):
            self.classes = _breeds(self.tree)
            rows = [(stem, number - 1) for stem, number in _list(self.tree, split)]
        else:
            raise DataError(f"The pets have no split '{split}': use trainval or test, or name a partition.")
        self.stems, self.labels = [stem for stem, _ in rows], [label for _, label in rows]
        self.names = [f"images/{stem}.jpg" for stem in self.stems]
        self.body_boxes = _body_boxes(self.tree)
        require_samples(self.tree, self.names, split)

    def image(self, index: int) -> Tensor:
        return self._sized(super().image(index))

    def _sized(self, image: Tensor) -> Tensor:
        return image if self.partition is None else functional.resize(image, [SIZE, SIZE], antialias=True)

    def read(self, index: int) -> dict:
        image, name = super().image(index), self.label_name(index)
        trimap = self.label_image(index, image)
        if trimap.min() < 1 or trimap.max() > 3:
            raise DataError(f"{name} has labels outside 1 (pet), 2 (background), 3 (border): fetch the dataset again.")
        box = self.body_boxes.get(self.stems[index]) or _box_around(trimap != 2, name)
        boxes, mask = torch.tensor([box], dtype=torch.float32), torch.from_numpy(_TO_MASK[trimap])
        if self.partition is not None:
            height, width = trimap.shape
            boxes = boxes * torch.tensor([SIZE / width, SIZE / height] * 2)
            mask = functional.resize(mask[None], [SIZE, SIZE], InterpolationMode.NEAREST)[0]
        sample = {"image": self._sized(image), "label": self.labels[index]}
        return {**sample, "boxes": boxes, "mask": mask, "name": self.names[index]}

    def label_name(self, index: int) -> str:
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
    """Write the split of the book's experiments: three breeds; of each about 80, 20 and 100 photographs.

    Within a breed the photographs of trainval in the folder `path` are ranked, and the last `BOOK_TUNE` are for tuning
    (validation); test is the published one. Returns the path of the CSV file, in `folder` or `data/splits/`.
    """
    tree = FolderTree(path)
    breeds, rows = _breeds(tree), []
    for breed in BOOK_BREEDS:
        number = breeds.index(breed) + 1
        trainval, test = ([stem for stem, n in _list(tree, split) if n == number] for split in ("trainval", "test"))
        own = sorted(trainval, key=rank)
        parts = [("train", own[:-BOOK_TUNE]), ("tune", own[-BOOK_TUNE:]), ("test", test)]
        rows += [(breed, stem, part) for part, stems in parts for stem in sorted(stems)]
    facts = {"rule": "datasets/pets.py: sha256 of the photograph's name ranks a breed's trainval; test as published"}
    return write_partition(BOOK_PARTITION, rows, facts, folder)


if __name__ == "__main__":
    from drn_lib.datasets.sources import locate

    print(make_book_partition(locate("pets")))
