"""What a study's runs say together: one row for each variant, and differences with both kinds of intervals. No torch.

Tables and figures of a chapter are made from these rows and from nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from book.studies import intervals, results
from book.studies.intervals import Interval
from drn_lib import costs, geometry
from drn_lib.architecture import Architecture, architecture, scale_width
from drn_lib.names import display_name


@dataclass(frozen=True)
class Summary:
    """One variant of a study.

    n               seeds that were trained
    metrics         Student's t interval over seeds of each metric asked for; metrics that no run has are left out
    parameters      learned numbers
    multiply_adds   of one image, at the size it is trained at
    minutes         of training on a CPU, mean over the seeds that were trained on one, wall-clock; nan where none was
    live_fraction   fraction of the taps in level 6, the most dilated level, that read the map and not its padding
    """

    variant: str
    n: int
    metrics: dict[str, Interval]
    parameters: int
    multiply_adds: int
    minutes: float
    live_fraction: float

    @property
    def name(self) -> str:
        """As printed."""
        return display_name(self.variant)


@dataclass(frozen=True)
class Comparison:
    """Left minus right for one metric.

    difference   bootstrap over seeds and images where each image's outcome is stored, else Student's t
    over_seeds   Student's t over seeds alone, beside it
    p_adjusted   Holm's p-value over all comparisons that were asked for together
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
        return intervals.printed_verdict(self.verdict(claim), self.over_seeds)


def summarize(study: str, keys: Sequence[str], names: Sequence[str] | None = None, root: Path | None = None):
    """One `Summary` for each variant of a study that has a run, in the book's order or in that of `names`.

    Args:
        study: a folder under `data/results/`.
        keys: metrics, for example "final.test.top1" (top-1 error, percent).
        names: only these variants; those that were not measured yet are left out.
        root: another folder of results than `data/results/`.
    """
    found = results.variants(study, root)
    rows = []
    for name in [name for name in (names or found) if name in found]:
        runs = results.runs(study, name, root)
        recipe, classes = runs[0].recipe, len(runs[0].dataset["classes"])
        table = scale_width(architecture(runs[0].architecture, runs[0].dilation_rule), recipe["width"])
        size = recipe.get("image_size") or recipe["crop"]
        samples = {key: results.metric(study, name, key, root) for key in keys}
        on_a_cpu = [run.seconds for run in runs if run.on_a_cpu]
        rows.append(
            Summary(
                variant=name,
                n=len(runs),
                metrics={key: intervals.student_t(sample) for key, sample in samples.items() if sample.n},
                parameters=costs.parameters(table, classes),
                multiply_adds=costs.multiply_adds(table, size, classes),
                minutes=sum(on_a_cpu) / len(on_a_cpu) / 60 if on_a_cpu else math.nan,
                live_fraction=live_fraction(table, size),
            )
        )
    return rows


def compare(study: str, pairs: Sequence[tuple[str, str]], key: str, root: Path | None = None) -> list[Comparison]:
    """Left minus right for each pair of which both sides were measured, with Holm's correction over all of them.

    Args:
        study: a folder under `data/results/`.
        pairs: (left, right), names of variants.
        key: the metric.
        root: another folder of results than `data/results/`.
    """
    return list(compare_family(study, [(left, right, key) for left, right in pairs], root).values())


def compare_family(
    study: str, contrasts: Sequence[tuple[str, str, str]], root: Path | None = None
) -> dict[tuple[str, str, str], Comparison]:
    """As `compare`, of several metrics, with Holm's correction over all contrasts together.

    Args:
        study: a folder under `data/results/`.
        contrasts: (left, right, metric).
        root: another folder of results than `data/results/`.

    Returns:
        The contrasts of which both sides were measured, in the order asked for.
    """
    measured = {}
    for left, right, key in contrasts:
        difference = results.difference(study, left, right, key, root=root)
        if difference is not None:
            measured[left, right, key] = difference
    adjusted = intervals.holm({one: item.p for one, item in measured.items() if not math.isnan(item.p)})
    rows = {}
    for (left, right, key), difference in measured.items():
        over_seeds = results.difference_over_seeds(study, left, right, key, root=root)
        p_adjusted = adjusted.get((left, right, key), math.nan)
        rows[left, right, key] = Comparison(left, right, difference, over_seeds, p_adjusted)
    return rows


def live_fraction(table: Architecture, image_size: int) -> float:
    """Fraction of the taps of level 6's 3x3 kernels that read the map and not its padding, averaged over convolutions.

    They differ: the first ones are less dilated than the last, by which rule decides.
    """
    rows = geometry.table(table, image_size).rows
    fractions = [row.live_taps for row in rows if row.name.startswith("levels.6.") and row.layer.kernel in (3, (3, 3))]
    return sum(fractions) / len(fractions)
