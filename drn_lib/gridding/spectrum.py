"""The radial power spectrum of maps: how rough they are, as a curve."""

from __future__ import annotations

import torch
from torch import Tensor

from drn_lib.checks import require_finite
from drn_lib.gridding.maps import require_maps


def radial_power_spectrum(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Mean power of maps against frequency, all directions together: how rough they are, as a curve.

    Each map (H, W) loses its mean and is faded out at its borders (Hann window); the mean is taken over all maps.
    White noise of variance v has power v at every frequency but the two lowest, which lose it with the mean.

    Args:
        maps: (..., H, W), one or more maps, such as (N, C, H, W).

    Returns:
        (frequencies, power): both (B,), frequencies in cycles per cell from 0 to 0.5 in steps of 1 / min(H, W).
        A grid of period p shows at 1 / p.

    Raises:
        ValueError: no maps, values that are not finite or not real, or a power that no float64 holds.

    Source: puts a number to the paper's Fig. 6; chapter 03.
    """
    require_maps(maps)
    height, width = maps.shape[-2:]
    maps = maps.detach().double().reshape(-1, height, width)
    options = {"dtype": torch.float64, "device": maps.device}
    window = torch.outer(*(torch.hann_window(side + 2, periodic=False, **options)[1:-1] for side in (height, width)))
    centered = maps - (maps * window).sum((-2, -1), keepdim=True) / window.sum()
    power = torch.fft.fft2(centered * window).abs().square().mean(0) / window.square().sum()
    require_finite(power, "the power spectrum")
    radius = torch.hypot(torch.fft.fftfreq(height, **options)[:, None], torch.fft.fftfreq(width, **options))
    bins = (radius * min(height, width)).round().long()
    inside = bins <= min(height, width) // 2
    count = torch.bincount(bins[inside])
    return torch.arange(len(count), **options) / min(height, width), torch.bincount(bins[inside], power[inside]) / count
