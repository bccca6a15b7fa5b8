"""Oxford-IIIT Pet: photographs of cats and dogs with a breed, a body box and a mask, in the published layout.

    oxford-iiit-pet/images/<breed>_<n>.jpg
    oxford-iiit-pet/annotations/trainval.txt, test.txt     name, class id, species, breed id
    oxford-iiit-pet/annotations/trimaps/<breed>_<n>.png    1 pet, 2 background, 3 border
    oxford-iiit-pet/annotations/body_boxes.csv             pixel edges; where absent, boxes come from the trimaps

Photographs differ in size. The class ids of the lists start at 1, labels at 0.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drn_lib.file_trees import FolderTree, read_lines
from drn_lib.samples import IGNORE, DataError, ImageDataset, decode_image, decode_labels

_TO_MASK = np.array([-1, 1, 0, IGNORE])  # by the trimap's number: pet, background, border


class Pets(ImageDataset):
    """One split of Oxford-IIIT Pet, of as many breeds as the lists name.

    Samples have `image` (3, H, W), `label`, `boxes` (1, 4) around the body, `mask` (H, W) with 0 background,
    1 pet, 255 border, and `name`.

    Args:
        path: The folder `oxford-iiit-pet`.
        split: "trainval" or "test".

    Raises:
        DataError: no such split, or a list that is not as published.
    """

    mask_classes = ["background", "pet"]

    def __init__(self, path: Path, split: str):
        if split not in ("trainval", "test"):
            raise DataError(f"The pets have no split '{split}': use trainval or test.")
        self.tree, self.split = FolderTree(path), split
        self.classes = _breeds(self.tree)
        rows = _list(self.tree, split)
        self.stems = [stem for stem, _ in rows]
        self.names = [f"images/{stem}.jpg" for stem in self.stems]
        self.labels = [number - 1 for _, number in rows]
        self.body_boxes = _body_boxes(self.tree)
        missing = next((name for name in self.names if name not in self.tree), None)
        if missing:
            raise DataError(f"{path} has no {missing}, which {split}.txt names: unpack images.tar.gz there again.")

    def image(self, index: int) -> Tensor:
        return decode_image(self.tree.read(self.names[index]), self.names[index])

    def read(self, index: int) -> dict:
        image, name = self.image(index), self._trimap(index)
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
