"""`python -m book.studies.evidence STUDY`: a plan's primary contrasts beside what was measured, as a Markdown table."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from book.studies import metrics, results
from book.studies.evidence import blur, planned
from book.studies.evidence.planned import Row
from drn_lib.names import display_name

HEADER = ["contrast", "outcome", "predicted", "difference", "n", "smallest", "Holm's p", "verdict", "excludes"]


def table(rows: Sequence[Row]) -> str:
    """One line for each contrast; differences with their interval over seeds and images."""
    return results.markdown_table(HEADER, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    one, names = row.contrast, [display_name(name.rpartition("/")[2]) for name in row.contrast.variants]
    sides = " - ".join(names[:2]) + (f", minus {' - '.join(names[2:])}" if names[2:] else "")
    style = metrics.style(one.outcome)
    found, p = "", ""
    if row.measured is not None:
        item = row.measured.difference
        bounds = "" if math.isnan(item.low) else f" [{item.low:+{style}}, {item.high:+{style}}]"
        found, p = f"{item.estimate:+{style}}{bounds}", f"{row.p_adjusted:.2g}"
    n = str(row.measured.difference.n) if row.measured else "0"
    return [
        sides,
        metrics.label(one.outcome),
        one.predicted,
        found,
        n,
        f"{one.smallest:g}",
        p,
        row.verdict,
        row.excludes or "",
    ]


if __name__ == "__main__":
    for study in sys.argv[1:]:
        print(table(blur.rows() if study == blur.STUDY else planned.rows(study)))
