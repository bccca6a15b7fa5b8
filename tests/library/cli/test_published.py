"""What the commands print beside their own numbers is what the tables say."""

import csv

from drn_lib.cli import published
from drn_lib.cli.published import published_errors
from drn_lib.paths import paper_dir


def test_the_published_errors_are_those_of_the_tables():
    table = {row["model"]: row for row in csv.DictReader((paper_dir() / "table1_classification.csv").open())}
    row = table["DRN-C-26"]
    for crops in (1, 10):
        wanted = (float(row[f"top1_err_{crops}crop_pct"]), float(row[f"top5_err_{crops}crop_pct"]), "Table 1")
        assert published_errors("drn_c_26", crops) == wanted
    assert "README" in published_errors("drn_d_22", 1)[2]
    assert published_errors("drn_d_22", 10) is None


def test_where_the_books_data_are_missing_nothing_is_printed(monkeypatch):
    def missing():
        raise FileNotFoundError("no data")

    monkeypatch.setattr(published, "paper_dir", missing)
    assert published.published_errors("drn_c_26", 1) is None and published.published_iou("drn_c_26") == {}
