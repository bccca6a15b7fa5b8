"""Grid contrast: whether cells one period apart are more alike than their neighbors. Chapter 03 derives it."""

from __future__ import annotations

from torch import Tensor

from drn_lib.gridding.correlation import autocorrelation
from drn_lib.gridding.maps import require_maps

PERIODS = (2, 4)
"""In cells: the dilations of a DRN."""
LEAST_SIDE = 7
"""Cells a side: on smaller maps its values were not tried out."""


def grid_contrast(maps: Tensor, period: int) -> Tensor:
    """How much more alike cells `period` apart are than cells one less and one more apart.

    With a(k) the mean autocorrelation of cells k apart along a row and along a column, and

        k(p) = a(p) - (a(p - 1) + a(p + 1)) / 2,

    it is k(2) for period 2, and k(4) - max(k(2), 0) for period 4, since a pattern of period 2 repeats every 4 cells
    too: a grid counts once, with its shortest period. White noise and constants have 0, smooth maps near 0 or less. A
    lattice of period 4 has about its fraction of the variance; one of period 2 between that (stripes) and twice that (a
    checkerboard). The pattern may change its sign within the map.

    Args:
        maps: (..., C, H, W), 7 cells a side or more; the channels of an image count together, each by its variance. A
            single map (H, W) is one channel.
        period: 2 or 4, in cells.

    Returns:
        (...), float64, one number an image.

    Raises:
        ValueError: another period, maps that are too small, no maps, or values that are not finite or not real.

    Source: chapter 03; chosen among four by the rule of data/studies/grid_measure.md. The paper has no such measure.
    """
    require_maps(maps)
    height, width = maps.shape[-2:]
    if min(height, width) < LEAST_SIDE:
        raise ValueError(
            f"maps of {height}x{width} cells are too small to see a grid: {LEAST_SIDE} a side are needed; "
            "take larger images"
        )
    return contrast_of(autocorrelation(maps, max(PERIODS) + 1), period)


def contrast_of(correlation: Tensor, period: int) -> Tensor:
    """`grid_contrast` from an autocorrelation (..., lags + 1, 2 lags + 1) of 5 lags or more, as it is stored."""
    if period not in PERIODS:
        raise ValueError(f"a grid has a period of 2 or 4 cells here, not {period!r}")
    require_maps(correlation, "the autocorrelation")
    lags = correlation.shape[-2] - 1
    if lags <= max(PERIODS) or correlation.shape[-1] != 2 * lags + 1:
        raise ValueError(
            f"an autocorrelation has (lags + 1, 2 lags + 1) values, lags 5 or more, not {tuple(correlation.shape)}"
        )
    along = (correlation[..., :, lags] + correlation[..., 0, lags:]) / 2  # (..., lags + 1)
    two, four = (along[..., p] - (along[..., p - 1] + along[..., p + 1]) / 2 for p in PERIODS)
    return two if period == 2 else four - two.clamp(min=0)
