"""Photographs from files, as the commands `segment` and `localize` take them. torch is imported when one is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drn_lib.localization.photographs import MOST_PIXELS

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""What is taken from a folder that is given in place of an image."""


def list_images(paths: Sequence[Path]) -> list[Path]:
    """The files themselves, and what images there are in the folders among them, sorted.

    Raises:
        DataError: a folder holds no image.
    """
    from drn_lib.datasets.base import DataError

    files = []
    for path in paths:
        found = sorted(file for file in path.glob("*") if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not found:
            raise DataError(f"there is no image in {path}: name files, or a folder that holds some")
        files += found
    return files


def read_photograph(file: Path, shorter_side: int | None = None):
    """A photograph as a person sees it, turned as the camera noted: uint8 (3, H, W).

    Args:
        file: Of any format that Pillow reads.
        shorter_side: Pixels to which its shorter side is resized; None leaves it.

    Raises:
        DataError: it is missing or no image, or would grow beyond `localization_photographs.MOST_PIXELS`.
    """
    import torch
    from PIL import Image, ImageOps
    from torchvision.transforms import functional

    from drn_lib.datasets.base import DataError, rgb_pixels

    try:
        with Image.open(file) as picture:
            pixels = rgb_pixels(ImageOps.exif_transpose(picture), str(file))  # (H, W, 3)
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"{file} (more pixels than are read safely)") from error
    except (OSError, SyntaxError, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else "not an image that can be read"
        raise DataError(f"{file} ({reason})") from error
    image = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
    if shorter_side is None:
        return image
    height, width = image.shape[1:]
    grown = height * width * (shorter_side / min(height, width)) ** 2
    if grown > max(MOST_PIXELS, height * width):
        raise DataError(
            f"{file} ({width}x{height} px would grow to {grown / 1e6:.0f} million pixels by a shorter side of "
            f"{shorter_side}: ask for a smaller one, or cut the photograph into pieces)"
        )
    return functional.resize(image, [shorter_side], antialias=True)
