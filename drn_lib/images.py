"""Images on their way into a network: read, resize, crop, normalize. torch is imported when a function runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drn_lib.checks import require_type, whole_number
from drn_lib.datasets.contract import DataError

if TYPE_CHECKING:
    from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's colors, in 0..1, by which every classifier's input is normalized."""
NORMALIZATION = {
    "imagenet": (MEAN, STD),
    "cityscapes": ((0.290101, 0.328081, 0.286964), (0.182954, 0.186566, 0.184475)),
}
"""Mean and standard deviation of colors in 0..1 by which an image is normalized, by name; the authors' segmentation
networks were trained with Cityscapes' (fyu/drn, info.json), ours with those of the classifier they start from."""
CROPS = (1, 10)
"""The numbers of crops by which Table 1 scores."""
MOST_PIXELS = 4_000_000
"""The most pixels that a photograph may grow to when it is resized, so that memory stays bounded."""
MOST_SIDE = 16_384
"""Pixels of a side that can be asked for."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""What is taken from a folder that is given in place of an image."""


def normalize(images: Tensor, mean: Sequence[float] | Tensor = MEAN, std: Sequence[float] | Tensor = STD) -> Tensor:
    """A network's float32 input from uint8 (N, 3, H, W), else ValueError; `mean`, `std`: of colors in 0..1."""
    import torch

    require_type(images, torch.Tensor, "the images")
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3:
        raise ValueError(f"expected uint8 images (N, 3, H, W), got {images.dtype} {tuple(images.shape)}")
    mean, std = (torch.as_tensor(values, device=images.device).view(1, 3, 1, 1) for values in (mean, std))
    return images.float().div_(255.0).sub_(mean).div_(std)


def enlarge(images: Tensor, size: int | None) -> Tensor:
    """Bytes (N, 3, H, W) bilinearly resized to `size` pixels a side, rounded to bytes; as they are where it is None."""
    from torch import Tensor
    from torch.nn.functional import interpolate

    require_type(images, Tensor, "the images")
    if size is not None:
        whole_number("size", size, 1, MOST_SIDE)
    if size is None or tuple(images.shape[2:]) == (size, size):
        return images
    return interpolate(images, (size, size), mode="bilinear", align_corners=False)


def cut_crops(image: Tensor, shorter_side: int, size: int, crops: int = 1) -> Tensor:
    """What a network sees of a photograph: its center, or center, four corners and the mirror images of these five.

    Args:
        image: uint8 (3, H, W), of any size.
        shorter_side: pixels to which its shorter side is resized first, bilinearly with antialiasing.
        size, crops: pixels a side of a crop, at most `shorter_side`; 1 or 10 crops.

    Returns:
        uint8 (crops, 3, size, size).

    Raises:
        ValueError: `crops` is neither 1 nor 10, a size is out of range, or `size` is above `shorter_side`.

    Source: Table 1, "1 crop" and "10 crops"; the corners are those of the whole resized image, as in fb.resnet.torch.
    """
    import torch
    from torchvision.transforms import functional

    if crops not in CROPS:
        raise ValueError(f"crops must be 1 or 10, not {crops}")
    whole_number("size", size, 1, MOST_SIDE)
    whole_number("shorter_side", shorter_side, 1, MOST_SIDE)
    if size > shorter_side:
        raise ValueError(f"crops of {size} pixels cannot be cut from images resized to {shorter_side}")
    resized = functional.resize(image, [shorter_side], antialias=True)
    if crops == 1:
        return functional.center_crop(resized, [size, size])[None]
    return torch.stack(functional.ten_crop(resized, [size, size]))


def list_images(paths: Sequence[Path]) -> list[Path]:
    """The files themselves, and the images, at least one, in each folder among them, sorted."""
    files = []
    for path in paths:
        found = sorted(file for file in path.glob("*") if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not found:
            raise DataError(f"there is no image in {path}: name files, or a folder that holds some")
        files += found
    return files


def read_photograph(file: Path, shorter_side: int | None = None) -> Tensor:
    """A photograph as a person sees it, turned as the camera noted and on white: uint8 (3, H, W).

    Where only the EXIF data are damaged, it is read as it is stored.

    Args:
        file: of any format that Pillow reads.
        shorter_side: pixels to which its shorter side is resized; None leaves it.

    Raises:
        DataError: it is missing, no whole image, of more than `pictures.MOST_READ` pixels, or would grow beyond
            `MOST_PIXELS`.
        ValueError: `shorter_side` is no number of pixels.
    """
    import torch
    from torchvision.transforms import functional

    from drn_lib.datasets.pictures import Unreadable, opened, rgb_pixels, turned

    if shorter_side is not None:
        whole_number("shorter_side", shorter_side, 1, MOST_SIDE)
    try:
        with opened(file) as picture:
            pixels = rgb_pixels(turned(picture), str(file))  # (H, W, 3)
    except Unreadable as error:
        raise DataError(f"{file} ({error})") from error
    image = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
    if shorter_side is None:
        return image
    try:
        require_small(image, shorter_side)
    except DataError as error:
        raise DataError(f"{file} ({error})") from None
    return functional.resize(image, [shorter_side], antialias=True)


def require_small(image: Tensor, shorter_side: int) -> None:
    """Raise DataError where an image (3, H, W) would grow beyond `MOST_PIXELS` by that shorter side."""
    height, width = image.shape[1:]
    pixels = height * width * (shorter_side / min(height, width)) ** 2
    if pixels > max(MOST_PIXELS, height * width):
        grown = f"would grow to {pixels / 1e6:.0f} million pixels by a shorter side of {shorter_side}"
        raise DataError(f"{width}x{height} px {grown}: ask for a smaller one, or cut the photograph into pieces")
