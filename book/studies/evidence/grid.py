"""Grid contrast of the trained networks, and what was predicted of it: data/studies/grid_measure.md. No torch.

The formula was chosen on synthetic maps and seed 0 and then read once on seeds 1 and 2, so `tested` is of these two.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from book.studies import files, intervals
from book.studies.intervals import Interval, Sample
from drn_lib.checks import one_of

DESIGNED_ON, TESTED_ON = (0,), (1, 2)
"""Seeds on which the formula was chosen, and on which it was read once."""
KINDS = ("trained", "untrained", "shuffled")


@dataclass(frozen=True)
class Prediction:
    """One map has a larger grid contrast than another: "level_6" or "score_map" of a network, of one period."""

    claim: str
    left: tuple[str, str]
    right: tuple[str, str]
    period: int


@dataclass(frozen=True)
class Reading:
    """A prediction beside what was measured: left minus right, by redrawing seeds and images, and over seeds alone."""

    prediction: Prediction
    difference: Interval
    over_seeds: Interval

    @property
    def holds(self) -> bool:
        """Whether the whole interval over seeds and images is above 0."""
        return self.difference.low > 0


def _above(claim: str, period: int, *pairs: str) -> tuple[Prediction, ...]:
    sides = (pair.split() for pair in pairs)  # "network level network level"
    return tuple(Prediction(claim, (a, b), (c, d), period) for a, b, c, d in sides)


_SHALLOW = [f"{network} level_4" for network in ("resnet_18", "drn_a_18", "drn_b_26", "drn_c_26", "drn_d_22")]
PREDICTIONS = (
    *_above("C8", 4, "drn_a_18 score_map drn_b_26 score_map", "drn_b_26 score_map drn_c_26 score_map"),
    *_above("C8", 4, *(f"{name} score_map {map_}" for name in ("drn_a_18", "drn_b_26") for map_ in _SHALLOW)),
    *_above("C9", 4, "drn_c_26 level_6 drn_c_26 level_4", "drn_c_26 level_6 drn_c_26 score_map"),
    *_above("C9", 2, "drn_c_26 level_7 drn_c_26 level_6", "drn_c_26 level_7 drn_c_26 level_8"),
)
"""What data/studies/grid_measure.md says is expected on seeds 1 and 2, in its order."""


def tested() -> list[Reading]:
    """Every prediction beside what seeds 1 and 2 say."""
    return [Reading(one, *_differences(one, TESTED_ON)) for one in PREDICTIONS]


def values(
    network: str, map_: str, period: int, seeds: tuple[int, ...] = TESTED_ON, kind: str = "trained"
) -> np.ndarray:
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


def _differences(one: Prediction, seeds: tuple[int, ...]) -> tuple[Interval, Interval]:
    sides = [values(*side, one.period, seeds) for side in (one.left, one.right)]
    paired = one.left[0] == one.right[0]  # two maps of one network
    samples = [Sample(seeds, tuple(side.mean(axis=1))) for side in sides]
    return (
        intervals.bootstrap_difference(*sides, statistic=np.asarray, paired=paired),
        intervals.student_t_difference(*samples, paired=paired),
    )


@lru_cache(maxsize=2)
def _arrays(file) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files if not name.startswith("autocorrelation")}
