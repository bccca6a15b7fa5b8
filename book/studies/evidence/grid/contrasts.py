"""The grid contrasts that were stored image by image, their means and differences with intervals. No torch.

Chapters use every seed whose weights are stored; what was predicted before seeds 1 and 2 were read is in `predictions`.
"""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np

from book.studies import cache, files, intervals
from book.studies.intervals import Interval, Sample
from drn_lib.checks import one_of

KINDS = ("trained", "untrained", "shuffled")
METHOD = "bootstrap over seeds and images"
Map = tuple[str, str]
"""A network and one of its maps: "level_6" or "score_map"."""


def values(network: str, map_: str, period: int, seeds: tuple[int, ...], kind: str = "trained") -> np.ndarray:
    """Grid contrast of each image's maps, (seeds, images).

    Args:
        network: of the study `classification`, one whose weights of these seeds are stored.
        map_: "level_4" to "level_8" or "score_map".
        period: 2 or 4.
        seeds: 0, 1 or 2.
        kind: "trained"; of seed 0 also "untrained" and "shuffled", the trained network's maps after the cells of each
            4 x 4 block changed places.

    Raises:
        ValueError: nothing of that name was measured.
    """
    stored = _arrays(files.results_dir() / "grid_measure.npz")
    one_of("kind of maps", kind, KINDS)
    names = (f"{kind}.{network}-s{seed}.{map_}.period_{period}" for seed in seeds)
    return np.stack([stored[one_of("measured grid contrast called", name, stored)] for name in names]).astype(float)


def means(kind: str = "trained") -> dict[str, dict[str, dict[str, float]]]:
    """Means over images by network, seed ("0") and map with period ("score_map.period_4"), as `values` has them."""
    found = json.loads((files.results_dir() / "grid_measure.json").read_text(encoding="utf-8"))
    return found[one_of("kind of maps", kind, KINDS)]


def seeds(network: str, kind: str = "trained") -> tuple[int, ...]:
    """The seeds of a network that were measured; ValueError where there are none."""
    found = means(kind).get(network)
    if not found:
        raise ValueError(f"no {kind} grid contrast of {network!r} was measured; there are {', '.join(means(kind))}")
    return tuple(sorted(map(int, found)))


def per_image(
    network: str, level: str, period: int, kind: str = "trained", of: tuple[int, ...] | None = None
) -> np.ndarray:
    """The grid contrast of each image, (seeds, images); arguments and errors as for `values`, None are all seeds."""
    return values(network, level, period, of or seeds(network, kind), kind)


def contrast(
    network: str, level: str, period: int, kind: str = "trained", of: tuple[int, ...] | None = None
) -> Interval:
    """The mean over seeds and images, with its interval; one seed has none."""
    each = per_image(network, level, period, kind, of)
    if len(each) == 1:
        return Interval(float(each.mean()), np.nan, np.nan, 1, METHOD)
    found = cache.bootstrap_difference(each, np.zeros_like(each), statistic=np.asarray)
    return Interval(found.estimate, found.low, found.high, len(each), METHOD)


def difference(left: Map, right: Map, period: int, of: tuple[int, ...] | None = None) -> Interval:
    """(network, level) minus (network, level), trained; the same network's seeds are redrawn together.

    With one seed on a side there is no interval. Without `of` all seeds count that are stored.
    """
    sides = [per_image(*side, period, of=of) for side in (left, right)]
    if min(map(len, sides)) == 1:
        return Interval(float(sides[0].mean() - sides[1].mean()), np.nan, np.nan, 1, METHOD)
    return cache.bootstrap_difference(*sides, statistic=np.asarray, paired=left[0] == right[0])


def difference_over_seeds(left: Map, right: Map, period: int, of: tuple[int, ...] | None = None) -> Interval:
    """The same difference with Student's t interval over seeds only."""
    samples = []
    for network, level in (left, right):
        own = of or seeds(network)
        samples.append(Sample(own, tuple(map(float, values(network, level, period, own).mean(axis=1)))))
    return intervals.student_t_difference(*samples, paired=left[0] == right[0])


def judged(left: Map, right: Map, period: int, claim: str, of: tuple[int, ...] | None = None) -> str:
    """What the difference says about a claim, "less" or "greater", as pages print it: `intervals.printed_verdict`."""
    sides = left, right, period, of
    return intervals.printed_verdict(difference(*sides), difference_over_seeds(*sides), claim)


def correlation(network: str, level: str) -> np.ndarray:
    """How alike cells k apart along a row or a column are, k from 0 to 8: mean over seeds and images."""
    mean = np.stack([autocorrelation(network, level, seed) for seed in seeds(network)]).mean(0)
    middle = mean.shape[1] // 2
    return (mean[:, middle] + mean[0, middle:]) / 2


def autocorrelation(network: str, level: str, seed: int) -> np.ndarray:
    """Of one training's maps, mean over images: `drn_lib.gridding.autocorrelation`, (lags + 1, 2 lags + 1)."""
    return _autocorrelations()[f"{network}-s{seed}.{level}.plain"]


@lru_cache(maxsize=1)
def _autocorrelations() -> dict[str, np.ndarray]:
    prefix = "autocorrelation."
    with np.load(files.results_dir() / "grid_measure.npz", allow_pickle=False) as stored:
        return {name.removeprefix(prefix): stored[name] for name in stored.files if name.startswith(prefix)}


@lru_cache(maxsize=2)
def _arrays(file) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files if not name.startswith("autocorrelation")}
