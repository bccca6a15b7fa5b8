"""The base of every data set: samples by index, all of them as arrays, a fingerprint; and decoding of files."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from drn_lib.datasets.archives import FileTree
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.pictures import Unreadable, opened, rgb_pixels
from drn_lib.paths import shows_progress


class ImageDataset(Dataset):
    """Images with names. A subclass sets the attributes below and defines `read(index)` and `identity(index)`."""

    classes: list[str]  # readable; the position of a name is its label
    names: list[str]  # one per sample
    labels: list[int] | None = None  # one per sample, where samples have a class
    mask_classes: list[str] | None = None  # by the number of a pixel's label, where samples have a mask

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict:
        if not -len(self) <= index < len(self):
            raise IndexError(f"Sample {index} was asked for, but the dataset has {len(self)} samples.")
        return self.read(int(index) % len(self))

    def read(self, index: int) -> dict:
        """Read one sample; `index` is within 0 and `len(self) - 1`."""
        raise NotImplementedError

    def identity(self, index: int) -> bytes:
        """Bytes that change with the sample's files, as far as the subclass says; what `fingerprint` is made of."""
        raise NotImplementedError

    def image(self, index: int) -> Tensor:
        """Only the image, uint8 (3, H, W)."""
        return self.read(index)["image"]

    def arrays(self) -> tuple[Tensor, Tensor]:
        """All images, uint8 (N, 3, H, W), and labels, int64 (N,), decoded at the first call and kept in memory.

        Raises:
            DataError: the images differ in size, or the samples have no class.
        """
        return self._arrays

    @cached_property
    def _arrays(self) -> tuple[Tensor, Tensor]:
        labels = labels_of(self)
        images = torch.empty((len(self), *self.image(0).shape), dtype=torch.uint8)
        silent = not shows_progress()  # and what takes a second has no bar
        for index, name in enumerate(tqdm(self.names, "images", unit="image", delay=1, leave=False, disable=silent)):
            image = self.image(index)
            if image.shape != images.shape[1:]:
                raise DataError(
                    f"{name} is {image.shape[2]}x{image.shape[1]} px where {self.names[0]} is "
                    f"{images.shape[3]}x{images.shape[2]}: arrays() needs one size, so read the samples one by one."
                )
            images[index] = image
        return images, torch.tensor(labels, dtype=torch.int64)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) over the names, labels and `identity` of all samples, computed at first use."""
        digest = hashlib.sha256()
        for index, name in enumerate(self.names):
            label = "" if self.labels is None else self.labels[index]
            identity = hashlib.sha256(self.identity(index)).hexdigest()
            digest.update(f"{name}\t{label}\t{identity}\n".encode())
        return digest.hexdigest()


class FileDataset(ImageDataset):
    """Images in files: `names` below a folder or in an archive, `tree`."""

    tree: FileTree

    def image(self, index: int) -> Tensor:
        return decode_image(self.tree.read(self.names[index]), self.names[index])


class MaskedFiles(FileDataset):
    """Images in files with one label image each, whose name a subclass gives as `label_name(index)`."""

    def label_image(self, index: int, image: Tensor) -> np.ndarray:
        """The labels of the decoded `image` (3, H, W), int64 (H, W); a DataError where the sizes differ."""
        name = self.label_name(index)
        labels = decode_labels(self.tree.read(name), name)
        if labels.shape != image.shape[1:]:
            raise DataError(
                f"{name} is {labels.shape[1]}x{labels.shape[0]} px and its image {image.shape[2]}x{image.shape[1]}: "
                "both must have one size, so fetch the dataset again."
            )
        return labels

    def identity(self, index: int) -> bytes:
        """The image file's length and the whole label file: reading whole photographs would be slow."""
        length = (self.tree.path / self.names[index]).stat().st_size
        return str(length).encode() + self.tree.read(self.label_name(index))


class InMemory(ImageDataset):
    """A set with masks whose images, of any size, are read or rendered once and kept as bytes for many passes."""

    def __init__(self, dataset: ImageDataset):
        self.names, self.classes, self.mask_classes = dataset.names, dataset.classes, mask_classes_of(dataset)
        self.identity = dataset.identity
        samples = (dataset[index] for index in range(len(dataset)))
        self._kept = [(sample["image"], sample["mask"].byte()) for sample in samples]

    def read(self, index: int) -> dict:
        image, mask = self._kept[index]
        return {"image": image, "mask": mask.long(), "name": self.names[index]}


def labels_of(dataset: ImageDataset) -> list[int]:
    """The labels of a set's samples; a DataError where they have no class."""
    if dataset.labels is None:
        raise DataError(f"{type(dataset).__name__} has no image labels: choose a dataset whose images have a class.")
    return dataset.labels


def mask_classes_of(dataset: ImageDataset) -> list[str]:
    """The names of the labels of a set's pixels; a DataError where its samples have no masks."""
    if (classes := getattr(dataset, "mask_classes", None)) is None:
        raise DataError(f"{type(dataset).__name__} has no masks: choose a dataset whose pixels have labels.")
    return classes


def decode_image(data: bytes, name: str) -> Tensor:
    """The bytes of a JPEG or PNG file as uint8 (3, H, W), RGB, as `pictures.rgb_pixels` makes it; it is not turned.

    Raises:
        DataError: the bytes are not a whole image, or its numbers go beyond 16 bits.
    """
    with _opened(data, name) as picture:
        return torch.from_numpy(rgb_pixels(picture, name)).permute(2, 0, 1).contiguous()


def decode_labels(data: bytes, name: str) -> np.ndarray:
    """The bytes of a PNG file as one label per pixel, int64 (H, W); a palette image gives its palette indices.

    Raises:
        DataError: the bytes are not a whole image, or the image has color channels.
    """
    with _opened(data, name) as picture:
        if picture.mode not in ("1", "L", "P", "I", "I;16"):
            raise DataError(
                f"{name} is a color image (mode {picture.mode}) where one label per pixel is expected: "
                "use the files named *_labelIds.png, not the colored ones."
            )
        return np.array(picture).astype(np.int64)


@contextlib.contextmanager
def _opened(data: bytes, name: str) -> Iterator[Image.Image]:
    try:
        with opened(io.BytesIO(data)) as picture:
            yield picture
    except Unreadable as error:
        raise DataError(f"{name} is {error}: fetch the dataset again.") from error
