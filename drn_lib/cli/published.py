"""What the authors print, beside which the commands print what they measured; read from `data/paper/`. No torch."""

from __future__ import annotations

import csv

from drn_lib.names import display_name
from drn_lib.paths import paper_dir


def paper_table(name: str) -> dict[str, dict[str, str]]:
    """A table of the paper, a CSV of `data/paper/`: row name (the first column) to the row, column name to the text.

    Raises:
        FileNotFoundError: there is no such table; the message lists those there are.
    """
    path = paper_dir() / f"{name}.csv"
    if not path.is_file():
        known = ", ".join(sorted(table.stem for table in paper_dir().glob("*.csv")))
        raise FileNotFoundError(f"no table {name!r} in {paper_dir()}; there are: {known}")
    with path.open(newline="", encoding="utf-8") as file:
        return {next(iter(row.values())): row for row in csv.DictReader(file)}


def published_errors(architecture: str, crops: int) -> tuple[float, float, str] | None:
    """Top-1 and top-5 error in percent that the authors print for a network on ImageNet's 50,000 validation images.

    The third is where they stand. By 1 or 10 crops; None where nothing is printed.
    """
    name = display_name(architecture)
    row = _printed("table1_classification").get(name)
    if row is not None:
        where = "Table 1" if row["printed_in_table"] == "yes" else "not in Table 1"
        return float(row[f"top1_err_{crops}crop_pct"]), float(row[f"top5_err_{crops}crop_pct"]), where
    row = _printed("table1b_released_models").get(name)
    if row is not None and crops == 1:
        return float(row["readme_top1_err_pct"]), float(row["readme_top5_err_pct"]), "README of the released code"
    return None


def published_iou(architecture: str) -> dict[str, str]:
    """The row of Table 3 for a network, column name to text; empty where nothing is printed for the val split."""
    row = _printed("table3_cityscapes").get(display_name(architecture), {})
    return row if row.get("split") == "val" else {}


def _printed(name: str) -> dict[str, dict[str, str]]:
    """`paper_table`; empty where the library is installed without the book's data."""
    try:
        paper_dir()
    except FileNotFoundError:
        return {}
    return paper_table(name)
