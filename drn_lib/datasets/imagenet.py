"""ImageNet (ILSVRC 2012) as torchvision lays it out: one folder of images per class.

    train/<wnid>/*.JPEG, val/<wnid>/*.JPEG
    Annotations/CLS-LOC/train/<wnid>/*.xml, Annotations/CLS-LOC/val/*.xml    boxes, where they were downloaded

Any folder of class folders can be read in this way; nothing but the names of the classes is ImageNet's own.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import torch
from torch import Tensor

from drn_lib.datasets.archives import FolderTree
from drn_lib.datasets.base import ImageDataset, decode_image
from drn_lib.datasets.contract import DataError

IMAGE_ENDS = (".jpeg", ".jpg", ".png")
BOXES = "Annotations/CLS-LOC"


class ImageNet(ImageDataset):
    """A folder of images per class, in the alphabetical order of the folders.

    Samples have `image` (3, H, W), `label`, `boxes` (N, 4) where the annotations are there, and `name`.

    Args:
        path: the folder that holds `train` and `val`.
        split: "train" or "val".

    Raises:
        DataError: no such split, or no class folders with images in it.
    """

    def __init__(self, path: Path, split: str):
        folder = Path(path) / split
        if split not in ("train", "val") or not folder.is_dir():
            raise DataError(f"{path} has no split '{split}': ImageNet has a folder train and a folder val.")
        self.tree, self.split = FolderTree(path), split
        self.wnids = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        self.names, self.labels = [], []
        for label, wnid in enumerate(self.wnids):
            files = sorted(f.name for f in (folder / wnid).iterdir() if f.suffix.lower() in IMAGE_ENDS)
            if not files:
                raise DataError(f"{folder / wnid} has no images: every folder below {split} is a class, with images.")
            self.names += [f"{split}/{wnid}/{file}" for file in files]
            self.labels += [label] * len(files)
        if not self.names:
            raise DataError(
                f"{folder} has no class folders: sort its images into one folder per class, "
                "as torchvision.datasets.ImageNet does."
            )
        self.classes = _readable(self.wnids)
        self.has_boxes = (Path(path) / BOXES / split).is_dir()

    def image(self, index: int) -> Tensor:
        return decode_image(self.tree.read(self.names[index]), self.names[index])

    def read(self, index: int) -> dict:
        sample = {"image": self.image(index), "label": self.labels[index], "name": self.names[index]}
        if self.has_boxes:
            sample["boxes"] = self._boxes(self.names[index])
        return sample

    def identity(self, index: int) -> bytes:
        """The image file's length; the boxes' annotations are not in it."""
        return str((self.tree.path / self.names[index]).stat().st_size).encode()

    def _boxes(self, image: str) -> Tensor:
        """The boxes of an image as pixel edges; (0, 4) where it has no annotation, as most training images."""
        split, wnid, file = image.split("/")
        stem = file.rsplit(".", 1)[0]
        name = f"{BOXES}/{split}/{wnid}/{stem}.xml" if split == "train" else f"{BOXES}/{split}/{stem}.xml"
        if name not in self.tree:
            return torch.zeros((0, 4))
        try:
            found = ElementTree.fromstring(self.tree.read(name)).findall("object/bndbox")
            edges = [[int(box.find(edge).text) for edge in ("xmin", "ymin", "xmax", "ymax")] for box in found]
        except (ElementTree.ParseError, AttributeError, TypeError, ValueError) as error:
            raise DataError(f"{name} in {self.tree.path} is not a box annotation: fetch the boxes again.") from error
        inclusive = torch.tensor(edges, dtype=torch.float32).reshape(-1, 4)
        return inclusive + torch.tensor([0.0, 0.0, 1.0, 1.0])


def _readable(wnids: list[str]) -> list[str]:
    """torchvision's names for the full set of 1000 classes; the folder names for any other."""
    if len(wnids) != 1000:
        return list(wnids)
    from torchvision.models import ResNet18_Weights

    return list(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])
