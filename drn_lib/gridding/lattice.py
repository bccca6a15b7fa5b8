"""Lattice energy: how much of a map's variance is a pattern that repeats every few cells. Chapter 03 derives it."""

from __future__ import annotations

import warnings
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drn_lib.checks import whole_number
from drn_lib.gridding.levels import name_of, read_levels
from drn_lib.gridding.maps import require_maps


def lattice_energy(maps: Tensor, period: int) -> Tensor:
    """Fraction of each map's energy that is a pattern repeating every `period` cells in both directions.

    1. Take away the local mean: r = x - (x averaged over one period around the cell). The window is a box of p
       cells (for even p of p + 1 with half weight at its ends), which is blind to every pattern of period p.
       Only cells whose window lies inside are kept, cropped to whole periods.
    2. Average r over all translates by p: a p x p tile m, minus its mean. What does not repeat cancels.
    3. Split the map x = (its mean) + (m repeated) + rest, and return

           energy = sum(m repeated, squared) / (sum(m repeated, squared) + sum(rest, squared)).

    The divisor is the sum of the two parts as computed, over the cells kept in step 1. It is near the map's own energy
    about its mean and not equal to it: m was found after the local mean was taken away and x was not, so the two parts
    may have a product that is not 0. Random lattices on random smooth maps (28x28) of the same variance have 0.43 to
    0.66, where the true fraction is 0.5.

    A constant map has 0, a pure lattice 1; scale and offset cancel. White noise is not 0, because an average of few
    translates still varies: print `white_noise_energy` beside every result.

    Args:
        maps: (..., H, W), H and W at least 4 periods.
        period: p, at least 2: the dilation whose grid is looked for. Grids of its divisors count as well.

    Returns:
        (...), from 0 to 1, in float64.

    Raises:
        ValueError: no maps, maps of fewer than four periods a side, or values that are not finite or not real.

    Source: chapter 03. The paper has no measure of gridding.
    """
    lattice, rest = _energies(maps, period, per_map=True)
    total = lattice + rest
    return torch.where(total > 0, lattice / total.where(total > 0, torch.ones_like(total)), torch.zeros_like(total))


def lattice_fraction(maps: Tensor, period: int) -> float:
    """One number for many maps: `lattice_energy` of their energies summed, so that dead channels do not count.

    Errors are those of `lattice_energy`, here and below.
    """
    lattice, rest = (part.sum().item() for part in _energies(maps, period))
    return lattice / (lattice + rest) if lattice + rest > 0 else 0.0


def white_noise_energy(size: int | tuple[int, int], period: int) -> float:
    """`lattice_fraction` of white noise on maps of `size` cells (one number or (H, W)).

    Let K cells remain after cropping, that is n = K / p^2 translates of the tile. The tile is t = M x, linear in
    the map x; A x is the tile of x itself, without the local mean taken away (both with their means removed).
    For white noise of variance 1 the expected squared length of a linear function is its matrix's squared norm:

        lattice = n |M|^2        rest = (K - 1) - 2n <A, M> + n |M|^2

    where K - 1 is the noise's own energy about its mean, and the middle term is its overlap with the tile. The
    value is lattice / (lattice + rest), about (p^2 - 1) / (K - 1) and a little less.
    """
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2:
        raise ValueError(f"a map has one side for both axes or (H, W), not {size!r}")
    for side in sides:
        whole_number("a side of the map", side, 1)
    _check_size(*sides, period)
    return _white_noise_energy(sides, period)


@lru_cache
def _white_noise_energy(sides: tuple[int, int], period: int) -> float:
    cells, plain, smoothed = 1, [], []
    for side in sides:
        half, kept = period // 2, _whole_periods(side, period)
        window, lines = _window(period), torch.eye(side, dtype=torch.float64)
        mean_of_line = F.conv1d(lines[:, None], window.view(1, 1, -1))[:, 0]  # (side, side - 2 half)
        for matrices, line in ((plain, lines[:, half : half + kept]), (smoothed, mean_of_line[:, :kept])):
            matrices.append(line.reshape(side, -1, period).mean(1).T)  # (p, side)
        cells *= kept
    own = torch.kron(*plain)  # (p^2, H W): the tile of the map
    tile = own - torch.kron(*smoothed)
    own, tile = own - own.mean(0), tile - tile.mean(0)
    translates = cells / period**2
    lattice = translates * tile.square().sum()
    rest = cells - 1 - 2 * translates * (own * tile).sum() + lattice
    return (lattice / (lattice + rest)).item()


def lattice_energy_by_level(
    model: nn.Module, images: Tensor, period: int = 4, batch_size: int = 4
) -> dict[int | str, float]:
    """`lattice_fraction` of the maps of every level and of the score map, over all their channels and all images.

    Args:
        model: a `network.Network`; read in evaluation mode, which is then undone.
        images: (N, 3, H, W), as the model expects them, read `batch_size` at a time.
        period: in cells of each level's own map; 4 is the largest dilation of a DRN.

    Returns:
        {level: fraction, ..., "score_map": fraction}. Levels whose maps are smaller than four periods are left out,
        with a warning.
    """
    sums: dict[int | str, tuple[float, float]] = {}
    small: dict[int | str, str] = {}

    def read(level: int | str, maps: Tensor) -> None:
        height, width = maps.shape[-2:]
        if min(height, width) < 4 * period:
            small[level] = f"{name_of(level)} with {height}x{width} cells"
        else:
            parts = (part.sum().item() for part in _energies(maps, period))
            sums[level] = tuple(a + b for a, b in zip(sums.get(level, (0.0, 0.0)), parts))

    read_levels(model, images, read, batch_size)
    if small:
        sizes = ", ".join(small.values())
        warnings.warn(f"left out {sizes}: period {period} needs {4 * period} a side; enlarge the images", stacklevel=2)
    return {level: lattice / max(lattice + rest, 1e-300) for level, (lattice, rest) in sums.items()}


def _energies(maps: Tensor, period: int, per_map: bool = False) -> tuple[Tensor, Tensor]:
    """Energy of the repeated tile and of the rest, each (...); both 0 for a map that is constant up to rounding.

    Values whose squares no float64 holds are scaled first, all alike or, with `per_map`, each map by itself.
    """
    require_maps(maps)
    *lead, height, width = maps.shape
    _check_size(height, width, period)
    x = maps.detach().double().reshape(-1, 1, height, width)
    scale = x.abs().amax((-3, -2, -1))
    if ((scale > 1e100) | (scale < 1e-100)).any():
        largest = scale if per_map else scale.amax().expand_as(scale)
        x = x / largest.where(largest > 0, torch.ones_like(largest)).view(-1, 1, 1, 1)
        scale = x.abs().amax((-3, -2, -1))
    x = x - x.mean((-2, -1), keepdim=True)  # changes nothing but the rounding
    half = period // 2
    # The box of p cells; for even p the mean of two boxes a cell apart, so that the window has a middle.
    local_mean = F.avg_pool2d(x, period, stride=1)
    local_mean = local_mean if period % 2 else F.avg_pool2d(local_mean, 2, stride=1)
    rows, columns = _whole_periods(height, period), _whole_periods(width, period)
    local_mean = local_mean[:, 0, :rows, :columns]
    x = x[:, 0, half : half + rows, half : half + columns]
    residual = (x - local_mean).reshape(-1, rows // period, period, columns // period, period)
    tile = residual.mean((1, 3))  # (maps, p, p)
    tile = tile - tile.mean((-2, -1), keepdim=True)
    repeated = tile.repeat(1, rows // period, columns // period)
    rest = x - repeated
    rest = rest - rest.mean((-2, -1), keepdim=True)
    energies = torch.stack([repeated.square().sum((-2, -1)), rest.square().sum((-2, -1))])
    rounding = rows * columns * (1e-12 * scale) ** 2
    energies = energies.where(energies.sum(0) > rounding, torch.zeros_like(energies))
    return energies[0].reshape(lead), energies[1].reshape(lead)


def _window(period: int) -> Tensor:
    """Weights of the local mean along one axis: a box of one period, centered also where the period is even."""
    window = torch.ones(2 * (period // 2) + 1, dtype=torch.float64) / period
    if period % 2 == 0:
        window[[0, -1]] /= 2
    return window


def _whole_periods(side: int, period: int) -> int:
    """Cells along one axis that remain when the window must lie inside the map, in whole periods."""
    return (side - 2 * (period // 2)) // period * period


def _check_size(height: int, width: int, period: int) -> None:
    whole_number("the period of a lattice", period, 2)
    if min(height, width) < 4 * period:
        raise ValueError(
            f"maps of {height}x{width} cells are too small to see a period of {period}: "
            f"{4 * period} a side are needed; take larger images"
        )
