"""The candidate for a measure of a grid that was not taken: B, plain, of data/studies/grid_measure.md. No torch.

Its formula is `measurements.grid.candidates.spectrum`, here in NumPy. It is linear in the autocorrelation, so the mean
autocorrelations that are stored give its mean over images, and no interval over images.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from book.studies.evidence.grid import contrasts
from book.studies.evidence.grid.predictions import Prediction

PERIODS = (2, 4)


def of_correlation(correlation: np.ndarray) -> tuple[float, float]:
    """For period 2 and for period 4 alone, from an autocorrelation (lags + 1, 2 lags + 1)."""
    reach = correlation.shape[-1] // 2
    r = np.concatenate([np.flip(correlation[1:]), correlation]).astype(float)  # r(-k, -l) = r(k, l)
    side = min(8, reach + 1)
    shifts = np.arange(-reach, reach + 1)
    hann = (1 + np.cos(np.pi * shifts / side)) / 2 * (abs(shifts) < side)
    waves = 2 * np.pi * np.arange(8)[:, None] / 8 * shifts
    lines = hann * np.cos(waves), hann * np.sin(waves)
    s = sum(sign * line @ r @ line.T for sign, line in zip((1, -1), lines)) / side**2  # (8, 8)
    around = sum(np.roll(s, move, (0, 1)) for move in product((-1, 0, 1), repeat=2) if move != (0, 0)) / 8
    points = (s - around)[::2, ::2]
    two = points[::2, ::2].sum() - points[0, 0]
    return float(two), float(points.sum() - points[0, 0] - two)


def mean(network: str, level: str, period: int, seeds: tuple[int, ...]) -> float:
    """The mean over seeds and images, as `contrasts.contrast` has it of the measure that was taken."""
    found = [of_correlation(contrasts.autocorrelation(network, level, seed)) for seed in seeds]
    return float(np.mean([one[PERIODS.index(period)] for one in found]))


def difference(one: Prediction, seeds: tuple[int, ...]) -> float:
    """Left minus right of a prediction."""
    return mean(*one.left, one.period, seeds) - mean(*one.right, one.period, seeds)
