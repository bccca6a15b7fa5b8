"""What every data set of the book gives, and its errors, each in one sentence. No torch.

A sample is a dictionary. Always: `image`, uint8 (3, H, W) in RGB, and `name`, the file it comes from.
Sets with classes add `label` (int); sets with boxes add `boxes`, float32 (N, 4) as pixel edges x0, y0, x1, y1,
half open: a box over the single pixel (0, 0) is (0, 0, 1, 1). Segmentation sets add `mask`, int64 (H, W),
with 255 where a pixel is to be ignored.
"""

from __future__ import annotations

IGNORE = 255
"""The label of a pixel that counts neither in a loss nor in a score."""


class DataError(ValueError):
    """A file of a dataset is damaged, missing or not what its layout promises."""


class DatasetNotFound(FileNotFoundError):
    """A dataset is nowhere to be found and could not be downloaded."""
