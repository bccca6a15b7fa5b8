"""What was predicted of the grid contrasts, beside what was measured: data/studies/grid_measure.md. No torch.

The formula was chosen on synthetic maps and seed 0 and then read once on seeds 1 and 2, so `tested` is of these two.
`on_all_seeds` has the first one with them, as the pages' other numbers have.
"""

from __future__ import annotations

from dataclasses import dataclass

from book.studies import intervals
from book.studies.evidence.grid import contrasts
from book.studies.evidence.planned import has_other_sign, on_prediction
from book.studies.intervals import Interval

STUDY = "grid_measure"
TESTED_ON = (1, 2)
"""Seeds on which the formula was read once."""


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
    def verdict(self) -> str:
        """By the rule of all contrasts, which needs three seeds a side: "as predicted", "not resolved" and so on."""
        return on_prediction(intervals.printed_verdict(self.difference, self.over_seeds, "greater"))

    @property
    def other_sign(self) -> bool:
        """Whether the right side came out larger, resolved or not."""
        return has_other_sign(self.difference, "greater")


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
    return [_read(one, TESTED_ON) for one in PREDICTIONS]


def on_all_seeds() -> list[Reading]:
    """The same with seed 0, on which the formula was chosen: what the claims are judged by."""
    return [_read(one, None) for one in PREDICTIONS]


def _read(one: Prediction, seeds: tuple[int, ...] | None) -> Reading:
    sides = one.left, one.right, one.period, seeds
    return Reading(one, contrasts.difference(*sides), contrasts.difference_over_seeds(*sides))
