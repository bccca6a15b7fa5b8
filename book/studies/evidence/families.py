"""Differences as they are judged: each belongs to one family wherever it is printed, and so has one p. No torch.

A plan names its primary comparisons, and for each outcome these are one family. Further comparisons of a study, which
no plan names, form the families of `FURTHER`. What is in neither is corrected over all rows of its own table.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from book.studies import intervals, plans
from book.studies.intervals import Interval

Pair = tuple[str, str]

FURTHER: dict[str, tuple[tuple[Pair, ...], ...]] = {
    "classification": (
        (("drn_a_18", "resnet_18_wide"), ("drn_a_18", "resnet_18_large")),
        (
            ("ladder_a_22", "drn_a_18"),
            ("ladder_a_22_falling", "ladder_a_22"),
            ("ladder_a_22_unlinked", "ladder_a_22_falling"),
            ("drn_b_26", "ladder_a_22_falling"),
            ("drn_c_26", "ladder_a_22_unlinked"),
            ("ladder_front_22", "drn_a_18_levels"),
            ("drn_c_26", "ladder_front_22"),
            ("drn_c_26", "ladder_c_26_constant"),
        ),
        (("drn_a_18_levels", "drn_a_18"), ("drn_a_18_released", "drn_a_18")),
    ),
    "segmentation": (
        (("drn_b_26", "drn_a_18"), ("drn_c_26", "drn_b_26"), ("drn_d_22", "drn_c_26")),
        (("drn_a_18", "drn_a_18_scratch"), ("drn_c_26", "drn_c_26_scratch")),
    ),
}
"""By study: equal cost, the ladder and the rules of dilation; the steps to B, C and D, and a start from nothing."""


@dataclass(frozen=True)
class Comparison:
    """Left minus right for one metric.

    difference   bootstrap over seeds and images where each image's outcome is stored, else Student's t
    over_seeds   Student's t over seeds only, beside it
    p_adjusted   Holm's p-value over the family that the comparison belongs to
    """

    left: str
    right: str
    difference: Interval
    over_seeds: Interval
    p_adjusted: float

    def verdict(self, claim: str) -> str:
        """What it says about a claim ("less", "greater" or "matches"): `intervals.verdict`."""
        return intervals.verdict(self.difference, claim, self.p_adjusted)

    def judged(self, claim: str) -> str:
        """The verdict as pages print it: `intervals.printed_verdict`."""
        return intervals.printed_verdict(self.difference, self.over_seeds, claim, self.p_adjusted)


def family(study: str, pair: Pair) -> tuple[Pair, ...] | None:
    """The comparisons (left, right) of a study that are corrected together with one; None where it is in no family."""
    plan = plans.find_plan(study)
    families = (plan.primary_comparisons if plan else (), *FURTHER.get(study, ()))
    return next((together for together in families if pair in together), None)


def corrected(differences: Mapping[Hashable, Interval | None]) -> dict[Hashable, float]:
    """Holm's p of differences that are one family; one that was not measured counts as 1."""
    return intervals.holm({key: 1.0 if one is None or one.p != one.p else one.p for key, one in differences.items()})


def p_values(study: str, pairs: Sequence[Pair], measure: Callable[[Pair], Interval | None]) -> dict[Pair, float]:
    """The corrected p of each pair: over its family, measured or not; over all of `pairs` where it is in none.

    Args:
        study: a folder under `data/results/`.
        pairs: (left, right).
        measure: the difference of a pair in one outcome; None where a side was not measured.
    """
    families = {pair: family(study, pair) or tuple(pairs) for pair in pairs}
    adjusted = {
        together: corrected({pair: measure(pair) for pair in together}) for together in dict.fromkeys(families.values())
    }
    return {pair: adjusted[families[pair]][pair] for pair in pairs}
