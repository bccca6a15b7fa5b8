"""CAM boxes, the usual baseline.

The class activation map is upsampled and thresholded, and its largest connected part gives the box.

Not the paper's method (that is `localization.equations`): no other class is asked, the threshold is relative to each
image's own maximum, and only the largest connected part counts.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from drn_lib.geometry.axis import Pair, pair
from drn_lib.localization.equations import around, check_class_scores, jump_of
from drn_lib.localization.places import Centre, place_of_cells


def cam_boxes(
    class_scores: Tensor,
    fraction: float,
    image_size: Pair,
    *,
    cell_edges: str = "tile",
    jump: Pair | None = None,
    centre: Centre = None,
) -> Tensor:
    """CAM boxes: upsampled class activation map, cut at a fraction of its range, largest part.

    The map of one class is brought to the image's size bilinearly and scaled to 0..1 in each image, and the pixels at
    `fraction` and above are taken; of their connected parts (8 neighbors) the one with most pixels gives the box.

    Args:
        class_scores: scores of one class (N, h, w), for example of `class_evidence`.
        fraction: of the way from the minimum of the map to its maximum, 0..1.
        image_size, jump, centre: as for `boxes`.
        cell_edges: where the map lies when it is upsampled: "tile" is the usual resize of the whole map onto the whole
            image, "centre" puts cell i on pixel j i, "measured" on the middle of its field.

    Returns:
        Pixel edges (N, 4), float32; every image has one. A map that is the same everywhere gives the whole image.

    Raises:
        ValueError: a fraction out of range, or what `boxes` refuses.

    Source: Zhou et al. 2016, class activation mapping.
    """
    from skimage.measure import label  # scikit-image takes longer to import than all else here

    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"fraction must lie in 0..1, not {fraction}")
    check_class_scores(class_scores)
    height, width = pair(image_size)
    jumps = jump_of(class_scores, image_size, jump)
    if not len(class_scores):
        return torch.zeros(0, 4)
    large = upsample_over_image(class_scores, (height, width), jumps, cell_edges, centre)  # (N, H, W)
    low, high = large.amin(dim=(1, 2), keepdim=True), large.amax(dim=(1, 2), keepdim=True)
    inside = (large - low >= fraction * (high - low)).numpy()
    # All images in one tall picture with an empty line between them: one call finds the parts of all.
    parts = label(np.pad(inside, ((0, 0), (0, 1), (0, 0))).reshape(-1, width), connectivity=2)
    parts = parts.reshape(len(inside), height + 1, width)[:, :height]  # (N, H, W)
    pixels = np.bincount(parts.ravel())
    pixels[0] = 0  # the background
    first = np.array([p.ravel()[pixels[p].argmax()] for p in parts])  # (N,), the number of the largest part
    largest = torch.from_numpy((parts == first[:, None, None]) & inside)
    return around(largest.any(dim=2), largest.any(dim=1), 1, (height, width), "tile")


def upsample_over_image(
    maps: Tensor, image_size: Pair, jump: Pair, cell_edges: str = "tile", centre: Centre = None
) -> Tensor:
    """Maps (N, h, w) at the image's size (N, H, W), bilinear; outside the outer cells the map stays constant."""
    (height, width), steps, centres = pair(image_size), pair(jump), place_of_cells(cell_edges, centre)
    if cell_edges == "measured":
        rows, columns = (
            _between(*axis).to(maps) for axis in zip(maps.shape[1:], (height, width), steps, centres, strict=True)
        )
        return rows @ maps @ columns.T
    maps = maps[:, None]
    if cell_edges == "tile":
        large = interpolate(maps, scale_factor=steps, mode="bilinear", align_corners=False)
    else:  # up to the last cell's pixel
        corners = [(count - 1) * step + 1 for count, step in zip(maps.shape[2:], steps)]
        large = interpolate(maps, size=corners, mode="bilinear", align_corners=True)
    lacking = max(0, width - large.shape[3]), max(0, height - large.shape[2])
    return pad(large, (0, lacking[0], 0, lacking[1]), mode="replicate")[:, 0, :height, :width]


def _between(count: int, size: int, step: int, centre: float) -> Tensor:
    """The weights (size, count) of the cells, whose middles are pixels centre + step i, at every pixel of an axis."""
    place = ((torch.arange(size, dtype=torch.float64) - centre) / step).clip(0, count - 1)  # in cells
    return (1 - (place[:, None] - torch.arange(count)).abs()).clip(min=0)
