"""What chapter 09 reads off stored results: the plan's contrasts as comparisons, family by family. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from book.studies.evidence import blur
from book.studies.evidence.planned import Row
from book.studies.summaries import Comparison


def as_comparison(row: Row) -> Comparison | None:
    """A planned contrast for `figures.forest`, with Holm's p of its family; None where a side was not measured yet."""
    if row.measured is None:
        return None
    left, right = row.contrast.variants[:2]
    return Comparison(left, right, row.measured.difference, row.measured.over_seeds, row.p_adjusted)


def blurred(pairs: Sequence[tuple[str, str]], outcome: str) -> list[Comparison | None]:
    """Contrasts of the study `blur` in this order, corrected over all eight of its plan.

    Raises KeyError for a pair that the plan does not name.
    """
    rows = {(row.contrast.outcome, *row.contrast.variants[:2]): row for row in blur.rows()}
    return [as_comparison(rows[(outcome, *pair)]) for pair in pairs]
