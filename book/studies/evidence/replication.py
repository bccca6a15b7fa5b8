"""What became of a finding when it was repeated on classes that no choice had seen. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from book.studies import results
from book.studies.evidence import combinations, planned
from book.studies.intervals import Interval
from book.studies.reading.contrasts import Contrast

STUDY, REPEATED = "heldout", "classification"
"""The study that repeats comparisons of another one."""
ONCE = "reduced, once"
SCALES = ("reduced, replicated", "reduced, contradicted when repeated", "reduced, not resolved when repeated", ONCE)
"""How strong the evidence of small trainings is."""


def scale(study: str, left: str, right: str, outcome: str) -> str:
    """One of `SCALES`, for the difference of two networks of a study in one outcome, whichever is subtracted."""
    if study != REPEATED:
        return ONCE
    for row in planned.rows(STUDY):
        contrast = row.contrast
        same = {contrast.left, contrast.right} == {left, right} and contrast.outcome == outcome
        if contrast.beside is None and same:
            verdict = row.verdict.partition(" (")[0]
            return {"not measured": ONCE, "not resolved": SCALES[2]}.get(
                verdict, SCALES[0 if verdict == "as predicted" else 1]
            )
    return ONCE


def grid_scale(left: tuple[str, str], right: tuple[str, str], period: int) -> str:
    """One of `SCALES`, for the difference in grid contrast of two maps, each a network and a level."""
    if left[1] != right[1]:
        return ONCE
    return scale(REPEATED, left[0], right[0], f"grid_contrast.{left[1]}.period_{period}")


@dataclass(frozen=True)
class Pooled:
    """A contrast on the first classes, on the others, and the mean of the two; images are redrawn within each set."""

    contrast: Contrast
    first: Interval
    again: Interval
    both: Interval


def pooled(root: Path | None = None) -> list[Pooled]:
    """Every measured contrast of the repetition whose outcome the first study has too.

    The first differences were known before, so what both give is an estimate and no test.
    """
    found = []
    for row in planned.rows(STUDY, root):
        sides = row.contrast.left, row.contrast.right
        terms = combinations.pooled(*sides, (REPEATED, STUDY))
        both = row.measured and combinations.combine(STUDY, terms, row.contrast.outcome, root)
        if both:
            first = results.difference(REPEATED, *sides, row.contrast.outcome, root=root)
            found.append(Pooled(row.contrast, first, row.measured.difference, both.difference))
    return found
