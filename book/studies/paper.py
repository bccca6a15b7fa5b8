"""Our measured numbers beside the paper's."""

from __future__ import annotations

from pathlib import Path

from book.studies.intervals import student_t
from book.studies.results import metric, variants
from drn_lib.cli.published import paper_table
from drn_lib.names import display_name


def beside_paper(study: str, key: str, table: str, column: str, root: Path | None = None) -> list[dict]:
    """Our mean of every network of a study beside the paper's value: to compare directions, not equal numbers.

    Args:
        study: a folder under `data/results/`.
        key: our metric, for example "final.test.top1".
        table: the paper's table, for example "table1_classification".
        column: its column.
        root: another folder of results than `data/results/`.

    Returns:
        One dictionary for each network: `model`, `paper` (text as printed, or None), `ours` (an `Interval` over
        seeds).
    """
    printed = paper_table(table)
    rows = []
    for name in variants(study, root):
        sample = metric(study, name, key, root)
        if sample.n:
            paper = printed.get(display_name(name), {}).get(column) or None
            rows.append({"model": display_name(name), "paper": paper, "ours": student_t(sample)})
    return rows
