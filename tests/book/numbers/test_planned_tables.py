"""The page of predictions: every family of every plan, with its predictions before and its results after the runs."""

import re

import pytest

from book import ROOT
from book.numbers.tables import planned as tables
from book.studies import files, plans
from book.studies.evidence import blur, planned
from book.studies.evidence.combinations import Combined
from book.studies.evidence.planned import Row
from book.studies.intervals import Interval
from book.studies.reading.contrasts import Contrast

CONTRAST = Contrast("drn_a_18", "resnet_18", "final.test.top1", "less", 1.5, "that nothing helps")


def measured(low: float, high: float) -> Combined:
    found = Interval((low + high) / 2, low, high, 3, "by hand", 0.001)
    return Combined(found, found)


def test_the_page_shows_every_family_of_every_plan():
    page = (ROOT / "book" / "predictions.md").read_text(encoding="utf-8")
    shown = re.findall(r"<!-- table:(planned-\S+) -->", page)
    assert sorted(shown) == sorted(tables.TABLES)
    with_families = {path.stem for path in files.studies_dir().glob("*.yml") if plans.load_plan(path.stem).families}
    assert with_families - set(tables.STUDIES) <= {"engines"}, "a plan with families that the page does not show"


def test_the_score_counts_every_prediction_under_the_heading_of_its_section():
    page = (ROOT / "book" / "predictions.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", page, re.M)[: len(tables.STUDIES)] == list(tables.STUDIES.values())
    lines = [line.strip("| ").split(" | ") for line in tables.score().splitlines()[2:]]
    rows = {study: planned.rows(study) for study in tables.STUDIES if study not in tables.UNTRAINED}
    rows |= {study: read() for study, read in tables.UNTRAINED.items()}
    assert [int(line[1]) for line in lines[:-1]] == [len(rows[study]) for study in tables.STUDIES]
    for line in lines:
        total, measured, *told, other = (int(cell.strip("*")) for cell in line[1:])
        assert measured == sum(told) <= total and other <= measured
    assert int(lines[-1][1].strip("*")) == sum(map(len, rows.values()))
    assert int(lines[-1][6].strip("*")) == sum(row.other_sign for study in rows for row in rows[study])


def test_before_its_runs_a_family_is_a_list_of_predictions():
    table = tables.contrasts([Row("f", CONTRAST, None, 1.0)])
    assert "| DRN-A-18 − ResNet-18 | < 0 | 1.5 | that nothing helps |" in table
    assert "would exclude" in table and "measured" not in table


def test_a_result_as_predicted_excludes_and_another_one_does_not():
    rows = [Row("f", CONTRAST, measured(-3.0, -1.0), 0.002), Row("f", CONTRAST, measured(-1.0, 2.0), 0.6)]
    first, second = tables.contrasts(rows).splitlines()[2:4]
    assert "−2.0 [−3.0, −1.0] | 3 | 1.5 | < 0.01 | as predicted | that nothing helps |" in first.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert second.endswith("| not resolved | – |")


@pytest.mark.parametrize(("low", "high", "other"), [(-3.0, 1.0, False), (-1.0, 3.0, True)])
def test_the_other_sign_counts_resolved_or_not(low, high, other):
    assert Row("f", CONTRAST, measured(low, high), 0.6).other_sign is other
    assert not Row("f", CONTRAST, None, 1.0).other_sign


def test_what_is_missing_among_measured_ones_says_so():
    rows = [Row("f", CONTRAST, None, 1.0), Row("f", CONTRAST, measured(1.0, 2.0), 0.001)]
    first, second = tables.contrasts(rows).splitlines()[2:4]
    assert "| – | – | 1.5 | – | not yet measured | – |" in first
    assert "| against the prediction | – |" in second


@pytest.mark.parametrize("outcome", ["boxes", "pointing"])
def test_the_blur_is_corrected_over_its_eight_differences(outcome):
    text = tables.TABLES[f"planned-blur-{outcome}"]()
    assert len(text.splitlines()) == 2 + 4 and len(blur.rows()) == 8
