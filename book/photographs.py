"""The photographs that open the chapters: scikit-image's own, so that every reader has the same ones offline."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from drn_lib.images import MEAN

# name: (left, top, side) of the square that is cut out, in pixels of the stored picture; what it shows; its source
_PHOTOGRAPHS = {
    "coffee": ((100, 0, 400), "a cup of espresso", "Rachel Michetti, CC0"),
    "rocket": ((108, 0, 427), "a rocket on its launch pad", "SpaceX / NASA, public domain"),
    "chelsea": ((30, 0, 300), "a tabby cat", "Stefan van der Walt, CC0"),
    "astronaut": ((0, 0, 512), "an astronaut before a space shuttle", "NASA, public domain"),
    "retina": ((0, 0, 1411), "the back of an eye", "Mikael Häggström, CC0"),
    "hubble_deep_field": ((64, 0, 872), "far galaxies", "NASA, public domain"),
    "brick": ((0, 0, 512), "a brick wall", "CC0Textures, CC0"),
    "grass": ((0, 0, 512), "grass", "linolafett, CC0"),
    "gravel": ((0, 0, 512), "gravel", "CC0Textures, CC0"),
}

_TILE, _GAP = 64, 8  # pixels, so that three tiles with gaps around them make 224


def list_photographs() -> list[str]:
    """The names that `photograph` knows."""
    return list(_PHOTOGRAPHS)


def photograph(name: str, size: int = 224) -> Tensor:
    """A square photograph as uint8 (3, size, size).

    Raises:
        ValueError: `name` is none of `list_photographs()`.
    """
    import skimage.data

    (left, top, side), _, _ = _entry(name)
    pixels = torch.from_numpy(getattr(skimage.data, name)().copy())  # (H, W, 3) or (H, W) uint8
    if pixels.ndim == 2:
        pixels = pixels[..., None].expand(-1, -1, 3)
    square = pixels[top : top + side, left : left + side].permute(2, 0, 1)[None]
    return torch.nn.functional.interpolate(square, (size, size), mode="bilinear", antialias=True)[0]


def wall(names: Sequence[str]) -> Tensor:
    """Nine photographs of 64 px, row by row in rows of three, as one picture, uint8 (3, 224, 224).

    The gaps have ImageNet's mean color, which becomes zero when the picture is normalized.

    Raises:
        ValueError: not nine names, or one that is none of `list_photographs()`.
    """
    if len(names) != 9:
        raise ValueError(f"a wall holds nine photographs, not {len(names)}")
    side = 3 * _TILE + 4 * _GAP
    picture = (255 * torch.tensor(MEAN)).round().byte()[:, None, None].repeat(1, side, side)
    for index, name in enumerate(names):
        left, top, right, bottom = place_on_wall(index)
        picture[:, top:bottom, left:right] = photograph(name, _TILE)
    return picture


def place_on_wall(index: int) -> tuple[int, int, int, int]:
    """Pixel edges (left, top, right, bottom) of the photograph `index`, 0 to 8, of a `wall`."""
    row, column = divmod(index, 3)
    left, top = (_GAP + (_TILE + _GAP) * number for number in (column, row))
    return left, top, left + _TILE, top + _TILE


def caption(name: str) -> str:
    """What a photograph shows and where it comes from, for the figure's caption."""
    _, content, source = _entry(name)
    return f"{content} ({source}, from scikit-image)"


def _entry(name: str) -> tuple:
    if name not in _PHOTOGRAPHS:
        raise ValueError(f"there is no photograph {name!r}; choose one of {', '.join(_PHOTOGRAPHS)}")
    return _PHOTOGRAPHS[name]
