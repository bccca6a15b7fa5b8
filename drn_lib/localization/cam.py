"""The field's usual boxes, to stand beside the paper's: an upsampled class activation map, cut and made one part.

Not the paper's method (that is `drn_lib.localization`): no other class is asked, the threshold is relative to each
image's own maximum, and only the largest connected part counts.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from drn_lib.geometry.axis import Pair, pair
from drn_lib.localization.equations import CELL_EDGES, check_choice, check_own, checked_jump, extent, map_jump


def cam_boxes(
    own: Tensor,
    share: float,
    image_size: Pair,
    *,
    cell_edges: str = "tile",
    jump: Pair | None = None,
) -> Tensor:
    """The field's usual boxes: upsampled class activation map, cut at a share of its range, largest part.

    The map of one class is brought to the image's size bilinearly and scaled to 0..1 in each image, and the pixels at
    `share` and above are taken; of their connected parts (8 neighbours) the one with most pixels gives the box. Other
    classes do not count: there is no equation (1) here.

    Args:
        own: scores of one class (N, h, w), for example of `class_evidence`.
        share: of the way from the minimum of the map to its maximum, 0..1.
        image_size, jump: as for `boxes`.
        cell_edges: where the map lies when it is upsampled: "tile" is the usual resize of the whole map onto the whole
            image, "centre" puts cell i on pixel j i.

    Returns:
        Pixel edges (N, 4), float32; every image has one. A map that is the same everywhere gives the whole image.

    Raises:
        ValueError: a share out of range, or what `boxes` refuses.

    Source: Zhou et al. 2016, class activation mapping; not the paper's method.
    """
    from skimage.measure import label  # scikit-image takes longer to import than all else here

    check_choice("cell_edges", cell_edges, CELL_EDGES)
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share must lie in 0..1, not {share}")
    check_own(own)
    height, width = pair(image_size)
    cells = tuple(own.shape[1:])
    jumps = map_jump(cells, image_size) if jump is None else checked_jump(jump, cells, image_size)
    if not len(own):
        return torch.zeros(0, 4)
    large = upsample(own, (height, width), jumps, cell_edges)  # (N, H, W)
    low, high = large.amin(dim=(1, 2), keepdim=True), large.amax(dim=(1, 2), keepdim=True)
    inside = (large - low >= share * (high - low)).numpy()

    # All images in one tall picture with an empty line between them: one call finds the parts of all.
    parts = label(np.pad(inside, ((0, 0), (0, 1), (0, 0))).reshape(-1, width), connectivity=2)
    parts = parts.reshape(len(inside), height + 1, width)[:, :height]  # (N, H, W)
    pixels = np.bincount(parts.ravel())
    pixels[0] = 0  # the ground
    first = np.array([p.ravel()[pixels[p].argmax()] for p in parts])  # (N,), the number of the largest part
    largest = torch.from_numpy((parts == first[:, None, None]) & inside)
    y0, y1 = extent(largest.any(dim=2), 1, height, "tile")
    x0, x1 = extent(largest.any(dim=1), 1, width, "tile")
    return torch.stack([x0, y0, x1, y1], dim=-1).to(torch.float32)


def upsample(maps: Tensor, image_size: Pair, jump: Pair, cell_edges: str = "tile") -> Tensor:
    """Maps (N, h, w) at the image's size (N, H, W), bilinear; outside the outer cells the map stays constant.

    Args:
        maps: of any values.
        image_size, jump, cell_edges: as for `cam_boxes`.
    """
    maps = maps[:, None]
    for axis, (size, step) in enumerate(zip(pair(image_size), pair(jump))):
        pixels = torch.arange(size, dtype=maps.dtype) + 0.5
        place = (pixels - (0.5 if cell_edges == "centre" else step / 2)) / step  # in cells
        place = place.clip(0, maps.shape[2 + axis] - 1)
        low = place.floor().long()
        high = (low + 1).clip(max=maps.shape[2 + axis] - 1)
        weight = (place - low).view((-1, 1) if axis == 0 else (1, -1))
        maps = maps.index_select(2 + axis, low) * (1 - weight) + maps.index_select(2 + axis, high) * weight
    return maps[:, 0]
