"""What chapters 03 and 04 read off maps, beside `drn_lib.gridding`."""

from __future__ import annotations

import torch
from torch import Tensor

from drn_lib.gridding import low_pass


def strongest_channel(maps: Tensor) -> Tensor:
    """The channel (H, W) of one image's maps (1, C, H, W) whose activations have the highest mean magnitude.

    Source: how the paper chooses what Figs. 6 and 7 show.
    """
    return maps[0, maps[0].abs().mean((1, 2)).argmax()]


def power_spectrum(maps: Tensor) -> Tensor:
    """Power of maps (..., h, h) by frequency along both axes, (h, h), the slowest in the middle, mean over all maps.

    A map counts without its local mean (of 4 cells), and fades out towards its border, so that the jump from one border
    to the other makes no waves of its own.
    """
    side = maps.shape[-1]
    x = maps.double().reshape(-1, side, side)
    x = x - low_pass(x, (1, 2, 2, 2, 1))
    fade = torch.hann_window(side + 2, periodic=False, dtype=torch.float64)[1:-1]
    power = torch.fft.fft2(x * fade[:, None] * fade).abs().square().mean(0)
    return torch.fft.fftshift(power)


def smooth(maps: Tensor, dilation: int) -> Tensor:
    """[1, 2, 1] / 4 along the rows and columns of maps (N, C, H, W) that go on beyond their border."""
    taps = torch.tensor([1.0, 2.0, 1.0], dtype=maps.dtype) / 4
    for dim in (-2, -1):
        maps = sum(t * maps.roll(shift * dilation, dim) for t, shift in zip(taps, (-1, 0, 1)))
    return maps


def tile(period: int, cells: int) -> Tensor:
    """A pure lattice (cells, cells) of `period`: one random tile of mean 0 and variance 1, repeated."""
    values = torch.randn(period, period, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = (values - values.mean()) / values.std(correction=0)
    repeats = -(-cells // period)
    return values.repeat(repeats, repeats)[:cells, :cells]


def lattices(channels: int, cells: int = 28) -> Tensor:
    """Pure lattices of period 4 (1, channels, cells, cells): a random tile for each channel."""
    generator = torch.Generator().manual_seed(0)
    tiles = torch.randn(channels, 4, 4, generator=generator, dtype=torch.float64)
    tiles = tiles - tiles.mean((1, 2), keepdim=True)
    tiles = tiles / tiles.std((1, 2), correction=0, keepdim=True)
    return tiles.repeat(1, cells // 4, cells // 4)[None]
