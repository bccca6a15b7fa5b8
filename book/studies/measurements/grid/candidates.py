"""The candidates for a measure of a grid on maps whose share of grid is known: data/studies/grid_measure.md.

`python -m book.studies.measurements.grid.candidates` prints, in about two minutes, the table from which one of them was
chosen. It stores nothing.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import scipy
import torch
from torch import Tensor

from drn_lib.gridding import autocorrelation, contrast_of

SIZES = (7, 14, 28)
IMAGES, MAPS = 40, 16
SHARES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0)
BLURS = {"white": 0.0, "blur 0.7": 0.7, "blur 1.5": 1.5, "blur 3": 3.0, "pink": None}
CONTRASTS = ("steady", "halves", "patches")
PERIODS = (2, 4)
LAGS = 8


# --- the candidates ---------------------------------------------------------------------------------------------------


def correlation(maps: Tensor, plain: bool) -> Tensor:
    """r(k, l) of images (N, C, H, W): (N, L + 1, 2 L + 1)."""
    return autocorrelation(maps, min(LAGS, maps.shape[-1] - 1), without_local_mean=not plain)


def contrast(r: Tensor) -> Tensor:
    """Design A: (N, 2), period 2 and period 4 alone."""
    return torch.stack([contrast_of(r, period) for period in PERIODS], -1)


def spectrum(r: Tensor) -> Tensor:
    """Design B: (N, 2), period 2 and period 4 alone."""
    reach = r.shape[-1] // 2
    r = torch.cat([r[..., 1:, :].flip((-2, -1)), r], -2)  # the other half: r(-k, -l) = r(k, l)
    side = min(8, reach + 1)
    shifts = torch.arange(-reach, reach + 1, dtype=r.dtype)
    hann = (1 + torch.cos(torch.pi * shifts / side)) / 2 * (shifts.abs() < side)
    eighths = torch.arange(8, dtype=r.dtype) / 8
    lines = (
        hann * torch.cos(2 * torch.pi * eighths[:, None] * shifts),
        hann * torch.sin(2 * torch.pi * eighths[:, None] * shifts),
    )
    s = sum(sign * torch.einsum("fk,...kl,gl->...fg", line, r, line) for sign, line in zip((1, -1), lines)) / side**2
    around = sum(s.roll((i, j), (-2, -1)) for i, j in product((-1, 0, 1), repeat=2) if (i, j) != (0, 0)) / 8
    points = (s - around)[..., ::2, ::2]
    two = points[..., ::2, ::2].sum((-2, -1)) - points[..., 0, 0]
    return torch.stack([two, points.sum((-2, -1)) - points[..., 0, 0] - two], -1)


CANDIDATES = {
    f"{name} {'plain' if plain else 'residual'}": (
        lambda maps, design=design, plain=plain: design(correlation(maps, plain))
    )
    for name, design in (("A", contrast), ("B", spectrum))
    for plain in (True, False)
}


# --- the maps ---------------------------------------------------------------------------------------------------------


def blurred(x: Tensor, deviation: float) -> Tensor:
    """White maps (..., H, W) blurred in the frequency domain; drawn larger, so that nothing wraps around."""
    frequency = torch.fft.fftfreq(x.shape[-1], dtype=x.dtype)
    line = torch.exp(-2 * (torch.pi * deviation * frequency) ** 2)
    return torch.fft.ifft2(torch.fft.fft2(x) * line[:, None] * line).real


def unit(x: Tensor) -> Tensor:
    x = x - x.mean((-2, -1), keepdim=True)
    return x / x.square().mean((-2, -1), keepdim=True).sqrt().clamp(min=1e-30)


def background(kind: str, side: int, generator: torch.Generator) -> Tensor:
    """(IMAGES, MAPS, side, side) of variance 1."""
    x = torch.randn(IMAGES, MAPS, side + 24, side + 24, dtype=torch.float64, generator=generator)
    if BLURS[kind] is None:
        frequency = torch.fft.fftfreq(side + 24, dtype=x.dtype)
        radius = torch.hypot(frequency[:, None], frequency)
        radius[0, 0] = math.inf
        x = torch.fft.ifft2(torch.fft.fft2(x) / radius).real
    elif BLURS[kind]:
        x = blurred(x, BLURS[kind])
    return unit(x[..., :side, :side])


def lattice(period: int, side: int, contrast: str, generator: torch.Generator) -> Tensor:
    """(IMAGES, MAPS, side, side) of variance 1: a tile of its own for each map."""
    tiles = torch.randn(IMAGES, MAPS, period, period, dtype=torch.float64, generator=generator)
    if period == 4:
        tiles = tiles - sum(tiles.roll((i, j), (-2, -1)) for i, j in product((0, 2), repeat=2)) / 4
    tiles = tiles - tiles.mean((-2, -1), keepdim=True)
    x = tiles.repeat(1, 1, side // period + 1, side // period + 1)[..., :side, :side]
    if contrast == "halves":
        x = x * torch.where(torch.arange(side) < side // 2, 1.0, -1.0)
    elif contrast == "patches":
        draw = torch.randn(IMAGES, MAPS, side + 24, side + 24, dtype=torch.float64, generator=generator)
        x = x * blurred(draw, 3.0)[..., :side, :side].sign()
    return x / x.square().mean((-2, -1), keepdim=True).sqrt()


# --- the rule ---------------------------------------------------------------------------------------------------------


def scores(measure, generator: torch.Generator) -> dict[tuple, tuple[float, float]]:
    """Rank correlation and area under the ROC curve by size, contrast and period."""
    found = {}
    for side, kind, period in product(SIZES, CONTRASTS, PERIODS):
        numbers = {share: [] for share in SHARES}
        for name in BLURS:
            base, grid = background(name, side, generator), lattice(period, side, kind, generator)
            for share in SHARES:
                mixed = math.sqrt(1 - share) * base + math.sqrt(share) * grid
                numbers[share].append(measure(mixed)[:, PERIODS.index(period)])
        numbers = {share: torch.cat(values).numpy() for share, values in numbers.items()}
        known = np.repeat(SHARES, [len(values) for values in numbers.values()])
        order = scipy.stats.spearmanr(known, np.concatenate(list(numbers.values()))).statistic
        without, tenth = numbers[0.0], numbers[0.1]
        area = scipy.stats.mannwhitneyu(tenth, without).statistic / len(tenth) / len(without)
        found[side, kind, period] = float(order), float(area)
    return found


def main() -> None:
    for name, measure in CANDIDATES.items():
        generator = torch.Generator().manual_seed(0)
        pure = {p: measure(lattice(p, 28, "steady", generator)).mean(0) for p in PERIODS}
        constant = measure(torch.full((1, 3, 28, 28), 0.1, dtype=torch.float64)).abs().max().item()
        some = background("pink", 28, generator)
        moved = (measure(some) - measure(-3e4 * some + 1e3)).abs().max().item()
        print(f"\n{name}: constant {constant:.1g}, scale and offset {moved:.1g}")
        for p, value in pure.items():
            print(f"  pure lattice of period {p}: {value[0]:.3f} for period 2, {value[1]:.3f} for period 4 alone")
        both = 0.6**0.5 * background("blur 1.5", 28, generator)
        both = both + 0.2**0.5 * sum(lattice(p, 28, "steady", generator) for p in PERIODS)
        print("  shares (0.2, 0.2) on blur 1.5:", [round(v, 3) for v in measure(both).mean(0).tolist()])
        for kind in BLURS:
            values = measure(background(kind, 28, generator))
            print(f"  no lattice, {kind}: {[round(v, 4) for v in values.mean(0).tolist()]}")
        table = scores(measure, torch.Generator().manual_seed(0))
        for side in SIZES:
            row = [
                f"{table[side, kind, p][0]:.3f}/{table[side, kind, p][1]:.3f}" for kind in CONTRASTS for p in PERIODS
            ]
            print(f"  {side:2}: {'  '.join(row)}   (order/ROC: {' '.join(CONTRASTS)}, periods 2 and 4 each)")
        order, area = (float(np.mean([value[i] for value in table.values()])) for i in (0, 1))
        print(f"  order {order:.3f}, ROC {area:.3f}, sum {order + area:.3f}")


if __name__ == "__main__":
    main()
