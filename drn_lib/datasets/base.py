"""The base of every data set: samples by index, all of them as arrays, a fingerprint; and decoding of files."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset

from drn_lib.datasets.contract import DataError


class ImageDataset(Dataset):
    """Images with names; the base of every dataset in the book.

    A subclass sets the attributes below and defines `read(index)` and `identity(index)`.

    Attributes:
        classes: Readable class names; the position of a name is its label.
        names: One name per sample.
        labels: One int per sample, or None where samples have no class.
    """

    classes: list[str]
    names: list[str]
    labels: list[int] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict:
        if not -len(self) <= index < len(self):
            raise IndexError(f"Sample {index} was asked for, but the dataset has {len(self)} samples.")
        return self.read(int(index) % len(self))

    def read(self, index: int) -> dict:
        """Reads one sample; `index` is within 0 and `len(self) - 1`."""
        raise NotImplementedError

    def identity(self, index: int) -> bytes:
        """Bytes that change when a sample changes; what `fingerprint` is made of."""
        raise NotImplementedError

    def image(self, index: int) -> Tensor:
        """Only the image, uint8 (3, H, W)."""
        return self.read(index)["image"]

    def arrays(self) -> tuple[Tensor, Tensor]:
        """All images and labels at once, decoded at the first call and kept in memory.

        Returns:
            Images, uint8 (N, 3, H, W), and labels, int64 (N,).

        Raises:
            DataError: the images differ in size, or the samples have no class.
        """
        if getattr(self, "_arrays", None) is None:
            if self.labels is None:
                raise DataError(f"{type(self).__name__} has no image labels: read its samples one by one instead.")
            self._arrays = (self._stack_images(), torch.tensor(self.labels, dtype=torch.int64))
        return self._arrays

    def _stack_images(self) -> Tensor:
        first = self.image(0)
        images = torch.empty((len(self), *first.shape), dtype=torch.uint8)  # (N, 3, H, W)
        for index, name in enumerate(self.names):
            image = self.image(index)
            if image.shape != first.shape:
                raise DataError(
                    f"{name} is {image.shape[2]}x{image.shape[1]} px where {self.names[0]} is "
                    f"{first.shape[2]}x{first.shape[1]}: arrays() needs one size, so read the samples one by one."
                )
            images[index] = image
        return images

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over the names, labels and `identity` of all samples, computed at first use."""
        if getattr(self, "_fingerprint", None) is None:
            digest = hashlib.sha256()
            for index, name in enumerate(self.names):
                label = "" if self.labels is None else self.labels[index]
                identity = hashlib.sha256(self.identity(index)).hexdigest()
                digest.update(f"{name}\t{label}\t{identity}\n".encode())
            self._fingerprint = digest.hexdigest()
        return self._fingerprint


class InMemory(ImageDataset):
    """A set with masks whose images are read or rendered once and kept as bytes, for many passes over it.

    Args:
        dataset: its images may have any size.
    """

    def __init__(self, dataset: ImageDataset):
        self.names, self.classes, self.mask_classes = dataset.names, dataset.classes, dataset.mask_classes
        self.identity = dataset.identity
        samples = (dataset[index] for index in range(len(dataset)))
        self._kept = [(sample["image"], sample["mask"].byte()) for sample in samples]

    def read(self, index: int) -> dict:
        image, mask = self._kept[index]
        return {"image": image, "mask": mask.long(), "name": self.names[index]}


def decode_image(data: bytes, name: str) -> Tensor:
    """Decodes a JPEG or PNG file; grey and palette images become RGB, and 16 bits 8.

    Args:
        data: The file's bytes.
        name: The file's name, for the error.

    Returns:
        uint8 (3, H, W), RGB.

    Raises:
        DataError: the bytes are not a whole image, or its numbers go beyond 16 bits.
    """
    with _open(data, name) as picture:
        pixels = rgb_pixels(_loaded(picture, name), name)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def rgb_pixels(picture: Image.Image, name: str) -> np.ndarray:
    """The pixels of a picture of any mode as bytes; Pillow's own conversion turns grey values of 16 bits white.

    Args:
        picture: An open image.
        name: The file's name, for the error.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        DataError: grey values that are no whole numbers from 0 to 65535.
    """
    if not picture.mode.startswith(("I", "F")):
        return np.array(picture.convert("RGB"))
    values = np.array(picture)  # (H, W)
    if picture.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise DataError(f"{name} has grey values that 16 bits do not hold: save it as a picture of 8 or 16 bits")
    grey = ((values.astype(np.int32) + 128) // 257).astype(np.uint8)  # 65535 becomes 255
    return np.repeat(grey[:, :, None], 3, axis=2)


def decode_labels(data: bytes, name: str) -> np.ndarray:
    """Decodes a label image: one number per pixel, never colours.

    Args:
        data: The PNG file's bytes.
        name: The file's name, for the error.

    Returns:
        int64 (H, W). A palette image gives its palette indices.

    Raises:
        DataError: the bytes are not a whole image, or the image has colour channels.
    """
    with _open(data, name) as picture:
        _loaded(picture, name)
        if picture.mode not in ("1", "L", "P", "I", "I;16"):
            raise DataError(
                f"{name} is a colour image (mode {picture.mode}) where one label per pixel is expected: "
                "use the files named *_labelIds.png, not the coloured ones."
            )
        return np.array(picture).astype(np.int64)


def _open(data: bytes, name: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"{name} is not an image that can be read: fetch the dataset again.") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{name} has more pixels than are read safely: fetch the dataset again.") from error


def _loaded(picture: Image.Image, name: str) -> Image.Image:
    try:
        picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name} is damaged or cut short ({error}): fetch the dataset again.") from error
    return picture
