"""What each plan predicted and what was measured: a table for each family of primary contrasts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from book.numbers.tables.common import interval_cell, p_text
from book.numbers.text import NOT_MEASURED
from book.studies import metrics, plans, results
from book.studies.evidence import blur, planned
from book.studies.evidence.planned import Row
from drn_lib.names import display_name

STUDIES = ("starts", "heldout", "remedies", "length", "larger_streets")
"""The plans with families of contrasts that a page shows, beside the study `blur`."""
HEADER = ["difference", "predicted", "measured", "seeds", "smallest", "p (Holm)", "verdict", "excludes"]
SIGNS = {"less": "< 0", "greater": "> 0"}


def contrasts(rows: Sequence[Row]) -> str:
    """One line for each contrast of a family; those that are not measured yet keep their prediction.

    Families of which nothing was measured are a list of what is predicted.
    """
    if all(row.measured is None for row in rows):
        head = ["difference", "predicted", "smallest", "would exclude"]
        cells = [[_sides(row), SIGNS[row.contrast.predicted], _smallest(row), row.contrast.excludes] for row in rows]
        return results.markdown_table(head, cells)
    return results.markdown_table(HEADER, [_cells(row) for row in rows])


def _sides(row: Row) -> str:
    names = [display_name(name.rpartition("/")[2]) for name in row.contrast.variants]
    beside = f", less {names[2]} − {names[3]}" if names[2:] else ""
    return f"{names[0]} − {names[1]}{beside}"


def _smallest(row: Row) -> str:
    return f"{row.contrast.smallest:g}"


def _cells(row: Row) -> list[str]:
    found = seeds = p = "–"
    if row.measured is not None:
        item = row.measured.difference
        found, seeds = interval_cell(item, metrics.style(row.contrast.outcome), "+"), str(item.n)
        p = p_text(row.p_adjusted)
    verdict = NOT_MEASURED if row.measured is None else row.verdict
    return [_sides(row), SIGNS[row.contrast.predicted], found, seeds, _smallest(row), p, verdict, row.excludes or "–"]


def family(study: str, name: str) -> str:
    """The table of one family of a plan."""
    return contrasts([row for row in planned.rows(study) if row.family == name])


def _tables() -> dict:
    found = {"planned-blur-boxes": partial(_blur, "clutter.gt_known_50")}
    found["planned-blur-pointing"] = partial(_blur, "clutter.pointing_error_off_middle")
    for study in STUDIES:
        plan = plans.find_plan(study)
        found |= {f"planned-{study}-{name}": partial(family, study, name) for name in (plan.families if plan else ())}
    return found


def _blur(outcome: str) -> str:
    return contrasts([row for row in blur.rows() if row.contrast.outcome == outcome])


TABLES = _tables()
