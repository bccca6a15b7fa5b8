"""The photographs that open the chapters: scikit-image's own, so that every reader has the same ones offline.

Two of them show classes of the book's Tiny-ImageNet networks: *coffee* is an espresso, *rocket* a projectile.
"""

from __future__ import annotations

import torch
from torch import Tensor

# name: (left, top, side) of the square that is cut out, in pixels of the stored picture; what it shows; its source
_PHOTOGRAPHS = {
    "coffee": ((100, 0, 400), "a cup of espresso", "Rachel Michetti, CC0"),
    "rocket": ((108, 0, 427), "a rocket on its launch pad", "SpaceX / NASA, public domain"),
    "chelsea": ((30, 0, 300), "a tabby cat", "Stefan van der Walt, CC0"),
    "astronaut": ((0, 0, 512), "an astronaut before a space shuttle", "NASA, public domain"),
}


def list_photographs() -> list[str]:
    """The names that `photograph` knows."""
    return list(_PHOTOGRAPHS)


def photograph(name: str, size: int = 224) -> Tensor:
    """A square photograph as uint8 (3, size, size).

    Args:
        name: one of `list_photographs()`.
        size: pixels a side.

    Raises:
        ValueError: unknown name.
    """
    import skimage.data

    (left, top, side), _, _ = _entry(name)
    pixels = torch.from_numpy(getattr(skimage.data, name)().copy())  # (H, W, 3) uint8
    square = pixels[top : top + side, left : left + side].permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(square, (size, size), mode="bilinear", antialias=True)
    return resized[0]


def caption(name: str) -> str:
    """What a photograph shows and where it comes from, for the figure's caption."""
    _, content, source = _entry(name)
    return f"{content} ({source}, from scikit-image)"


def _entry(name: str) -> tuple:
    if name not in _PHOTOGRAPHS:
        raise ValueError(f"there is no photograph {name!r}; choose one of {', '.join(_PHOTOGRAPHS)}")
    return _PHOTOGRAPHS[name]
