"""What chapter 09 reads off stored results: the contrasts of the fixed blur. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from book.studies.evidence import blur
from book.studies.evidence.families import Comparison


def blurred(pairs: Sequence[tuple[str, str]], outcome: str) -> list[Comparison | None]:
    """Contrasts of the study `blur` in this order, corrected over all eight of its plan; None where not measured.

    Raises KeyError for a pair that the plan does not name.
    """
    rows = {(row.contrast.outcome, *row.contrast.variants[:2]): row for row in blur.rows()}
    return [rows[(outcome, *pair)].comparison for pair in pairs]
