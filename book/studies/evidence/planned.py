"""A plan's primary contrasts beside what was measured: one row each, corrected within their families. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from book.studies import intervals, plans, results
from book.studies.evidence import combinations
from book.studies.evidence.combinations import Combined
from book.studies.reading.contrasts import Contrast

VERDICTS = {"supported": "as predicted", "contradicted": "against the prediction"}
"""The words of a planned contrast for those of `intervals.verdict`; "not resolved" stays."""


@dataclass(frozen=True)
class Row:
    """A planned contrast and what came of it.

    family      the name of those that are corrected together
    measured    left minus right, or that minus the difference beside; None where a side lacks planned runs
    p_adjusted  Holm's over the whole family, of which those that were not measured count as 1
    """

    family: str
    contrast: Contrast
    measured: Combined | None
    p_adjusted: float

    @property
    def verdict(self) -> str:
        """ "as predicted", "against the prediction", "not resolved" or "not measured"; provisional ones say so."""
        if self.measured is None:
            return "not measured"
        said = intervals.verdict(self.measured.difference, self.contrast.predicted, self.p_adjusted)
        printed = intervals.printed_verdict(said, self.measured.over_seeds)
        return printed.replace(said, VERDICTS.get(said, said))

    @property
    def excludes(self) -> str | None:
        """The explanation that is excluded; None where the contrast is not resolved as it was predicted."""
        return self.contrast.excludes if self.verdict == VERDICTS["supported"] else None


def rows(study: str, root: Path | None = None) -> list[Row]:
    """Every primary contrast of a plan that has `families`, in its order.

    Args:
        study: of a plan in data/studies.
        root: another folder of results than `data/results/`.

    Raises:
        ValueError: there is no such plan, or it names no contrasts.
    """
    plan = plans.load_plan(study)
    if not plan.families:
        raise ValueError(f"the plan {study}.yml has no families of contrasts")
    return [row for name, contrasts in plan.families.items() for row in judged(study, name, contrasts, root)]


def judged(study: str, family: str, contrasts: tuple[Contrast, ...], root: Path | None = None) -> list[Row]:
    """The rows of one family."""
    found = [_measure(study, contrast, root) for contrast in contrasts]
    p_values = {str(place): 1.0 if one is None else one.difference.p for place, one in enumerate(found)}
    p_values = {place: 1.0 if math.isnan(p) else p for place, p in p_values.items()}
    adjusted = intervals.holm(p_values)
    return [Row(family, contrast, one, adjusted[str(n)]) for n, (contrast, one) in enumerate(zip(contrasts, found))]


def _measure(study: str, contrast: Contrast, root: Path | None) -> Combined | None:
    if not all(_done(study, variant, root) for variant in contrast.variants):
        return None
    if contrast.beside is not None:
        return combinations.combine(study, combinations.change(*contrast.variants), contrast.outcome, root)
    sides = contrast.left, contrast.right, contrast.outcome
    difference = results.difference(study, *sides, root=root)
    if difference is None:
        return None
    return Combined(difference, results.difference_over_seeds(study, *sides, root=root))


def _done(study: str, variant: str, root: Path | None) -> bool:
    """Whether every run of a variant is there that a plan wants: before that, no plan allows a look."""
    home, _, name = variant.rpartition("/")
    home = home or study
    return len(results.runs(home, name, root)) >= max(1, results.planned_seeds(home, name))
