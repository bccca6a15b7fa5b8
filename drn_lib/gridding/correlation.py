"""The autocorrelation of maps: how alike cells are that lie some rows and columns apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drn_lib.checks import whole_number
from drn_lib.gridding.levels import read_levels
from drn_lib.gridding.maps import require_maps
from drn_lib.gridding.smoothing import low_pass

LAGS = 8
"""Two periods of the largest dilation of a DRN."""
_MEAN = (1, 2, 2, 2, 1)
"""Weights of the local mean: a box of 4 cells, centered."""


def autocorrelation(maps: Tensor, lags: int = LAGS, *, without_local_mean: bool = False) -> Tensor:
    """How alike cells k rows and l columns apart are, one number for all channels of an image.

    With x a map without its mean, c(k, l) is the mean of x(i, j) x(i + k, j + l) over all pairs of cells inside the
    map, and the autocorrelation is the sum of c(k, l) over channels divided by the sum of c(0, 0). So a channel counts
    by its variance, and a dead one not at all.

    Args:
        maps: (..., C, H, W); a single map (H, W) is one channel.
        lags: the largest k and l, less than H and W.
        without_local_mean: take away the mean of the 4 cells around each cell first (5 cells, half weight at both ends,
            along each axis; fewer at the borders), so that what is smooth does not count.

    Returns:
        (..., lags + 1, 2 lags + 1), float64: k from 0 to `lags`, l from -`lags` to `lags`; [0, lags] is 1. All are 0
        where every map is constant up to rounding.

    Raises:
        ValueError: no maps, maps without more cells a side than `lags`, or values that are not finite or not real.
    """
    whole_number("lags", lags, 0)
    require_maps(maps)
    maps = maps[None] if maps.dim() == 2 else maps
    *lead, channels, height, width = maps.shape
    if min(height, width) <= lags:
        raise ValueError(f"maps of {height}x{width} cells have no cells {lags} apart: take fewer lags or larger images")
    x = maps.detach().double().reshape(-1, channels, height, width)
    largest = x.abs().amax((-3, -2, -1), keepdim=True)  # by which the squares stay within float64
    x = x / largest.where(largest > 0, torch.ones_like(largest))
    rounding = 1e-12 * x.abs().amax((-2, -1), keepdim=True)
    x = x - x.mean((-2, -1), keepdim=True)
    x = x.where(x.abs().amax((-2, -1), keepdim=True) > rounding, torch.zeros_like(x))
    if without_local_mean:
        x = x - low_pass(x, _MEAN)
    size = (height + lags, width + lags)  # room for the shifts, so that nothing wraps around
    products = torch.fft.irfft2(torch.fft.rfft2(x, s=size).abs().square().sum(1), s=size)
    down = torch.arange(lags + 1, device=x.device)
    across = torch.arange(-lags, lags + 1, device=x.device)
    pairs = (height - down)[:, None] * (width - across.abs())
    c = products[:, down[:, None], across] / pairs
    variance = c[:, :1, lags : lags + 1]
    r = torch.where(variance > 1e-28, c / variance.clamp(min=1e-28), torch.zeros_like(c))
    return r.reshape(*lead, lags + 1, 2 * lags + 1)


def autocorrelation_by_level(
    model: nn.Module, images: Tensor, lags: int = LAGS, batch_size: int = 4
) -> dict[int | str, tuple[Tensor, Tensor]]:
    """The autocorrelation of the maps of every level and of the score map, image by image.

    Args:
        model: a `network.Network`; read in evaluation mode, which is then undone.
        images: (N, 3, H, W), as the model expects them, read `batch_size` at a time.
        lags: the largest shift; on smaller maps the largest that they have.

    Returns:
        {level: (as they are, without their local mean), ..., "score_map": ...}, (N, lags + 1, 2 lags + 1) each.
    """
    found: dict[int | str, tuple[list[Tensor], list[Tensor]]] = {}

    def read(level: int | str, maps: Tensor) -> None:
        reach = min(lags, *(side - 1 for side in maps.shape[-2:]))
        for parts, without in zip(found.setdefault(level, ([], [])), (False, True)):
            parts.append(autocorrelation(maps, reach, without_local_mean=without).cpu())

    read_levels(model, images, read, batch_size)
    return {level: (torch.cat(plain), torch.cat(without)) for level, (plain, without) in found.items()}
