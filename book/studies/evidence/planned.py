"""A plan's primary contrasts beside what was measured: one row each, corrected within their families. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from book.studies import files, plans, results
from book.studies.evidence import combinations
from book.studies.evidence.combinations import Combined
from book.studies.evidence.families import Comparison, corrected
from book.studies.intervals import Interval
from book.studies.reading.contrasts import Contrast

VERDICTS = {"supported": "as predicted", "contradicted": "against the prediction"}
"""The words of a prediction for those of `intervals.verdict`; "not resolved" stays."""


def on_prediction(judged: str) -> str:
    """What `intervals.printed_verdict` says of a claim, as it is said of a prediction; "(provisional)" stays."""
    said, space, doubt = judged.partition(" (")
    return VERDICTS.get(said, said) + space + doubt


def has_other_sign(difference: Interval, predicted: str) -> bool:
    """Whether a difference came out on the other side of zero than predicted, "less" or "greater", resolved or not."""
    return difference.estimate > 0 if predicted == "less" else difference.estimate < 0


@dataclass(frozen=True)
class Row:
    """A planned contrast and what came of it.

    family      the name of those that are corrected together
    measured    left minus right, or that minus the difference beside; None where a side lacks planned runs
    p_adjusted  Holm's p over the whole family; a contrast that was not measured counts as p = 1
    """

    family: str
    contrast: Contrast
    measured: Combined | None
    p_adjusted: float

    @property
    def comparison(self) -> Comparison | None:
        """Its two sides as they are judged; None where a side lacks planned runs."""
        if self.measured is None:
            return None
        left, right = self.contrast.variants[:2]
        return Comparison(left, right, self.measured.difference, self.measured.over_seeds, self.p_adjusted)

    @property
    def verdict(self) -> str:
        """ "as predicted", "against the prediction", "not resolved" or "not measured"; provisional ones say so."""
        if self.comparison is None:
            return "not measured"
        return on_prediction(self.comparison.judged(self.contrast.predicted))

    @property
    def other_sign(self) -> bool:
        """Whether it was measured and `has_other_sign`."""
        return self.measured is not None and has_other_sign(self.measured.difference, self.contrast.predicted)

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


def p_adjusted(study: str, left: str, right: str, outcome: str) -> float | None:
    """Holm's p of left minus right over its planned family; None where no family of the study's plan names it."""
    plan = plans.find_plan(study)
    for name, contrasts in plan.families.items() if plan else ():
        for place, one in enumerate(contrasts):
            if one.beside is None and (one.left, one.right, one.outcome) == (left, right, outcome):
                return judged(study, name, contrasts)[place].p_adjusted
    return None


def judged(study: str, family: str, contrasts: tuple[Contrast, ...], root: Path | None = None) -> list[Row]:
    """The rows of one family."""
    found = [_measure(study, contrast, root) for contrast in contrasts]
    adjusted = corrected({place: one and one.difference for place, one in enumerate(found)})
    return [Row(family, contrast, one, adjusted[place]) for place, (contrast, one) in enumerate(zip(contrasts, found))]


def _measure(study: str, contrast: Contrast, root: Path | None) -> Combined | None:
    if not all(_done(study, variant, root) for variant in contrast.variants):
        return None
    if contrast.beside is not None:
        _require_metric(study, contrast, root)
        return combinations.combine(study, combinations.change(*contrast.variants), contrast.outcome, root)
    sides = contrast.left, contrast.right, contrast.outcome
    difference = results.difference(study, *sides, root=root)
    if difference is None:
        _require_metric(study, contrast, root)
        return None
    return Combined(difference, results.difference_over_seeds(study, *sides, root=root))


def _done(study: str, variant: str, root: Path | None) -> bool:
    """Whether all planned runs of a variant are done. Nobody may look at a contrast earlier."""
    home, _, name = variant.rpartition("/")
    home = home or study
    return len(results.runs(home, name, root)) >= max(1, results.planned_seeds(home, name))


def _require_metric(study: str, contrast: Contrast, root: Path | None) -> None:
    """Raise ResultsError where no run of a side has the outcome, whose name is then mistyped in the plan."""
    for variant in contrast.variants:
        if not results.metric(study, variant, contrast.outcome, root).n:
            raise files.ResultsError(f"no run of {variant} in study {study} has the outcome {contrast.outcome}")
