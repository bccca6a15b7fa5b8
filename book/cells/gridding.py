"""What chapters 03 and 04 read off maps, beside `drn_lib.gridding`."""

from __future__ import annotations

import torch
from torch import Tensor

from drn_lib.gridding import low_pass, radial_power_spectrum


def strongest_channel(maps: Tensor) -> Tensor:
    """The channel (H, W) of one image's maps (1, C, H, W) whose activations have the highest mean magnitude.

    Source: how the paper chooses what Figs. 6 and 7 show.
    """
    return maps[0, maps[0].abs().mean((1, 2)).argmax()]


def high_frequency_fraction(maps: Tensor, above: float = 0.25) -> float:
    """Fraction of the maps' power at frequencies over `above`, of all between 0 and 0.5 cycles per cell.

    Maps are (..., H, W). A ring of the spectrum holds as many frequencies as its radius says, so white noise has
    1 - (above / 0.5) ** 2: three quarters over 0.25.

    Source: puts a number to the paper's Fig. 6.
    """
    frequency, power = radial_power_spectrum(maps)
    held = frequency * power
    return (held[frequency > above].sum() / held.sum()).item()


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


def grid_shares(maps: Tensor) -> tuple[float, float]:
    """How much of the variance of maps (..., H, W) repeats every 2 cells, and how much every 4 but not every 2.

    For toys that go on beyond their border; H and W are multiples of 4. All maps together, each without its mean.
    """
    height, width = maps.shape[-2:]
    x = maps.double() - maps.double().mean((-2, -1), keepdim=True)
    two, four = (
        x.reshape(-1, height // p, p, width // p, p).mean((1, 3)).square().mean() / x.square().mean() for p in (2, 4)
    )
    return two.item(), (four - two).item()


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
