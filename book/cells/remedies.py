"""What chapter 09 reads off stored results: the contrasts of the fixed blur and of the trained remedies. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from book.studies import plans
from book.studies.evidence import blur, planned
from book.studies.evidence.families import Comparison
from book.studies.evidence.planned import Row

STUDY, NETWORK = "remedies", "ladder_a_22"
"""The plan of the trained remedies, and the network that each of them is compared with."""


def blurred(pairs: Sequence[tuple[str, str]], outcome: str) -> list[Comparison | None]:
    """Contrasts of the study `blur` in this order, corrected over all eight of its plan; None where not measured.

    Raises KeyError for a pair that the plan does not name.
    """
    return _in_order(blur.rows(), pairs, outcome)


def trained(remedies: Sequence[str], outcome: str) -> list[Comparison | None]:
    """Each remedy of the plan less the network without one, in this order, corrected over all of the outcome's family.

    Args:
        remedies: variants of the plan, as `ladder_a_22_hdc` or `starts/ladder_a_22_falling`.
        outcome: a metric that the plan names for all of them.

    None stands for a remedy that lacks planned runs. Raises KeyError for one that the plan does not name.
    """
    families = plans.load_plan(STUDY).families.items()
    rows = [
        row
        for name, contrasts in families
        if contrasts[0].outcome == outcome
        for row in planned.judged(STUDY, name, contrasts)
    ]
    return _in_order(rows, [(name, NETWORK) for name in remedies], outcome)


def _in_order(rows: Sequence[Row], pairs: Sequence[tuple[str, str]], outcome: str) -> list[Comparison | None]:
    found = {(row.contrast.outcome, *row.contrast.variants[:2]): row for row in rows}
    return [found[(outcome, *pair)].comparison for pair in pairs]
