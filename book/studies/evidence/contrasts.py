"""The grid contrasts that chapters 03 and 04 print: means over all measured seeds and images, with intervals. No torch.

Chapters use every seed whose weights are stored; what was predicted before seeds 1 and 2 were read is in `grid`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from book.studies import cache, files
from book.studies.evidence import grid
from book.studies.intervals import Interval

METHOD = "bootstrap over seeds and images"


def seeds(network: str, kind: str = "trained") -> tuple[int, ...]:
    """The seeds of a network that were measured; ValueError where there are none."""
    found = grid.means(kind).get(network)
    if not found:
        raise ValueError(
            f"no {kind} grid contrast of {network!r} was measured; there are {', '.join(grid.means(kind))}"
        )
    return tuple(sorted(map(int, found)))


def per_image(network: str, level: str, period: int, kind: str = "trained") -> np.ndarray:
    """The grid contrast of each image, (seeds, images); arguments and errors as for `grid.values`."""
    return grid.values(network, level, period, seeds(network, kind), kind)


def contrast(network: str, level: str, period: int, kind: str = "trained") -> Interval:
    """The mean over seeds and images, with its interval; one seed has none."""
    values = per_image(network, level, period, kind)
    if len(values) == 1:
        return Interval(float(values.mean()), np.nan, np.nan, 1, METHOD)
    found = cache.bootstrap_difference(values, np.zeros_like(values), statistic=np.asarray)
    return Interval(found.estimate, found.low, found.high, len(values), METHOD)


def difference(left: tuple[str, str], right: tuple[str, str], period: int) -> Interval:
    """(network, level) minus (network, level), trained; the same network's seeds are redrawn together.

    With one seed on a side there is no interval.
    """
    sides = [per_image(*side, period) for side in (left, right)]
    if min(map(len, sides)) == 1:
        return Interval(float(sides[0].mean() - sides[1].mean()), np.nan, np.nan, 1, METHOD)
    return cache.bootstrap_difference(*sides, statistic=np.asarray, paired=left[0] == right[0])


def correlation(network: str, level: str) -> np.ndarray:
    """How alike cells k apart along a row or a column are, k from 0 to 8: mean over seeds and images."""
    mean = np.stack([_autocorrelations()[f"{network}-s{seed}.{level}.plain"] for seed in seeds(network)]).mean(0)
    middle = mean.shape[1] // 2
    return (mean[:, middle] + mean[0, middle:]) / 2


@lru_cache(maxsize=1)
def _autocorrelations() -> dict[str, np.ndarray]:
    prefix = "autocorrelation."
    with np.load(files.results_dir() / "grid_measure.npz", allow_pickle=False) as stored:
        return {name.removeprefix(prefix): stored[name] for name in stored.files if name.startswith(prefix)}
