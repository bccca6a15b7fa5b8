"""Numbers and tables in the book: filled from data/, never typed."""

import json

import numpy as np
import pytest
import yaml

from book.numbers import fill, markers
from book.numbers import status as pages
from book.numbers.claims import judging as claims
from book.numbers.tables import common
from book.studies import files, summaries
from drn_lib.paths import paper_dir
from tests.book.studies.test_results import a_run, write

TOP1 = "paper:table1_classification/{}/top1_err_1crop_pct"


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """A folder of results with one study of two networks and two seeds."""
    for name, errors in (("drn_a_18", (40.0, 42.0)), ("resnet_18", (60.0, 62.0))):
        for seed, error in enumerate(errors):
            metrics = {"final.test.top1": error, "lattice_energy.level_6": 0.25}
            write(tmp_path, a_run(architecture=name, seed=seed, metrics=metrics))
    times = {"chapters": {"00": {"seconds": 12.34, "device": "cpu"}}, "rounds": [2, 3]}
    (tmp_path / "timings.json").write_text(json.dumps(times))
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("results:trial/drn_a_18/final.test.top1|.1f", "41.0"),
        ("results:trial/drn_a_18/final.test.top1#n", "2"),
        ("results:trial/drn_a_18/final.test.top1#s1|.0f", "42"),
        ("results:trial/drn_a_18/final.test.top1#s7", "not yet measured"),
        ("results:trial/drn_a_18/final.test.top1#std|.2f", "1.41"),
        ("results:trial/drn_a_18/lattice_energy.level_6|.0%", "25%"),
        ("results:trial/drn_b_26/final.test.top1|.1f", "not yet measured"),
        ("results:other/drn_a_18/final.test.top1|.1f", "not yet measured"),
        ("diff:trial/drn_a_18/resnet_18/final.test.top1|+.1f", "−20.0"),
        ("diff:trial/drn_a_18/trial:resnet_18/final.test.top1|+.1f", "−20.0"),
        ("diff:trial/drn_a_18/resnet_18/final.test.top1#n", "2"),
        ("run:trial/drn_a_18-s0/dataset.counts.test", "5"),
        ("run:trial/drn_a_18-s5/seconds|.0f", "not yet measured"),
        (TOP1.format("DRN-A-18"), "28.00"),
        (f"{TOP1.format('DRN-A-18')}|.1f", "28.0"),
        ("paper:architectures/DRN-A-18/parameters|,", "11,689,512"),
        ("paper:architectures/DRN-A-18/gmacs_224 / paper:architectures/ResNet-18/gmacs_224|.1f", "5.1"),
        (f"{TOP1.format('DRN-A-18')} - {TOP1.format('ResNet-18')}\\|+.2f", "−2.43"),
        ("time:00/seconds|.0f", "12"),
        ("time:01/seconds|.0f", "not yet measured"),
        ("file:timings/chapters.00.seconds|.1f", "12.3"),
        ("file:timings/rounds|.1f", "2.5"),
    ],
)
def test_keys(measured, key, text):
    assert markers.number(key) == text


def test_grid_contrasts():
    """To two decimals and without a minus before zero; an interval only where there are several seeds."""
    level, score = "grid:trained/drn_a_18/level_4/4", "grid:trained/drn_a_18/score_map/4"
    assert markers.number(f"{level}|.2f") == "0.00" and markers.number(f"{score}#n") == "3"
    assert markers.number("grid:untrained/drn_a_18/score_map/4#interval|.2f") == "one seed: no interval"
    gap = "gridgap:drn_a_18/score_map/drn_a_18/level_4/4"
    assert markers.number(f"{gap}|.2f") == markers.number(f"{score}|.2f")
    for key, message in (
        ("grid:trained/drn_x/score_map/4", "drn_x"),
        ("grid:trained/drn_a_18/level_9/4", "level_9"),
        ("grid:stale/drn_a_18/score_map/4", "kind of maps"),
        (f"{score}#p", "#interval"),
    ):
        with pytest.raises(markers.MarkerError, match=message):
            markers.number(key)


def test_interval(measured):
    key, (low, high) = "results:trial/drn_a_18/final.test.top1#interval|.1f", 41.0 + np.array([-1, 1]) * 12.7062
    assert markers.number(key) == f"[{low:.1f},\u00a0{high:.1f}]"
    (measured / "trial" / "drn_a_18-s1.json").unlink()
    assert markers.number(key) == "one seed: no interval"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("paper:table1_classification/DRN-A-19/top1_err_1crop_pct", "no row 'DRN-A-19'"),
        ("paper:table1_classification/DRN-A-18/top2", "no column 'top2'"),
        ("paper:table1_classification/DRN-A-18/note|.1f", "not a number"),
        ("results:trial/drn_a_19/final.test.top1", "no network is called"),
        ("results:trial/drn_a_18/final.test.top9", "no metric 'final.test.top9'; names near it: final.test.top1"),
        ("results:trial/drn_a_18/final.test.top1#mean", "#mean is not known"),
        ("results:trial/drn_a_18", "takes 3 names"),
        ("measured:trial", "a key begins with one of"),
        ("run:trial/drn_a_18-s0/dataset.sum", "no field"),
        ("time:00/minutes", "no 'minutes'"),
        ("file:timings/chapters.77", "timings.json has no field"),
        ("file:times/chapters", "there is no times.json"),
        ("time:00/seconds#n", "only results, diff, grid, gridgap know a statistic"),
        ("paper:architectures/DRN-A-18/parameters|,z", "Invalid format|Cannot specify"),
    ],
)
def test_a_key_that_names_nothing_is_an_error(measured, key, message):
    with pytest.raises(markers.MarkerError, match=message):
        markers.fill(f"an error of <!-- n:{key} --><!-- /n --> points", "page.md")


def test_unknown_table_of_the_paper_is_named(measured):
    with pytest.raises(markers.MarkerError, match="page.md.*no table 'table9'"):
        markers.fill("<!-- table:paper/table9 -->\n<!-- /table -->", "page.md")


def test_filling_twice_changes_nothing(measured):
    text = (
        "The error is <!-- n:results:trial/drn_a_18/final.test.top1|.1f -->old<!-- /n --> %.\n\n"
        "<!-- table:results/trial/final.test.top1 -->\nold\n<!-- /table -->\n\n"
        "<!-- table:beside/trial/final.test.top1/table1_classification/top1_err_1crop_pct -->\n<!-- /table -->\n"
    )
    once = markers.fill(text, "page.md")
    assert "-->41.0<!--" in once and "| DRN-A-18 | 2 | 41.0 |" in once and "| DRN-A-18 | 28.00 | 41.0 | 2 |" in once
    assert "old" not in once
    assert markers.fill(once, "page.md") == once


@pytest.mark.parametrize(
    "text",
    [
        "an error of <!-- n:time:00/seconds -->12 seconds",
        "<!-- table:claims -->\n| a |",
        "words\n<!-- n:time:00/seconds --><!-- /n --> at the start of a line",
        "<!-- table:claims --> on one line <!-- /table -->",
    ],
)
def test_comments_of_the_wrong_form_are_refused(text):
    with pytest.raises(markers.MarkerError, match="page.md"):
        markers.fill(text, "page.md", fill.TABLES)


def notebook(tmp_path, *cells):
    path = tmp_path / "01_trial.ipynb"
    made = [{"cell_type": kind, "id": f"01-0{i}", "metadata": {}, "source": [t]} for i, (kind, t) in enumerate(cells)]
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n")
    return path


def test_a_notebooks_words_are_filled_and_its_code_is_not(measured, tmp_path):
    marker = "took <!-- n:time:00/seconds|.0f -->?<!-- /n --> s"
    path = notebook(tmp_path, ("markdown", marker), ("code", f"# {marker}"))
    cells = json.loads(fill.filled(path))["cells"]
    assert "".join(cells[0]["source"]) == "took <!-- n:time:00/seconds|.0f -->12<!-- /n --> s"
    assert cells[1]["source"] == [f"# {marker}"]


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("The error falls to 41.3 here.", "41.3"),
        ("It is wrong on 40 % of them.", "40 %"),
        ("A gain of 2.43 points.", "2.43"),
        ("It took 12% longer", "12%"),
    ],
)
def test_typed_results_are_found(tmp_path, words, number):
    found = fill.typed_results(notebook(tmp_path, ("markdown", words)))
    assert len(found) == 1 and repr(number) in found[0]


@pytest.mark.parametrize(
    "words",
    [
        "A map of 28x28 cells, 8 px apart.",
        "The error is <!-- n:time:00/seconds -->41.3<!-- /n --> here.",
        "A share of $0.5$ and `lr = 0.1` and\n```python\nx = 0.25\n```",
        "See arXiv 1705.09914, Section 3.1, Fig. 5 and [the page](https://example.org/1.5).",
        "## 2.1 The rule\n\nWritten for torch 2.9.",
    ],
)
def test_what_is_no_result_may_be_typed(tmp_path, words):
    assert fill.typed_results(notebook(tmp_path, ("markdown", words))) == []


def test_a_listed_number_is_excused_with_a_reason():
    for entry in yaml.safe_load((fill.ROOT / "book" / "typed_numbers.yml").read_text())["allowed"]:
        assert set(entry) == {"file", "text", "reason"} and entry["reason"]
        assert entry["text"] in (fill.ROOT / entry["file"]).read_text().replace("\\n", " ")


def test_the_book_agrees_with_its_data(capsys):
    status = fill.main(["--check"])
    assert status == 0, capsys.readouterr().err


def test_check_names_what_differs_and_writes_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "book").mkdir()
    page = tmp_path / "book" / "page.md"
    page.write_text("cells: <!-- n:paper:architectures/DRN-A-18/map_at_224 -->7<!-- /n -->\n")
    monkeypatch.setattr(fill, "ROOT", tmp_path)
    assert fill.main(["--check"]) == 1
    assert "book/page.md differs" in capsys.readouterr().err and "-->7<!--" in page.read_text()
    assert fill.main([]) == 0
    assert "-->28<!--" in page.read_text() and list(page.parent.iterdir()) == [page]
    assert fill.main(["--check"]) == 0


def test_claims_are_complete_and_point_to_what_exists():
    ledger = claims.load_claims()
    assert [claim["id"] for claim in ledger] == [f"C{number}" for number in range(1, 23)]
    kinds = {"compare", "reading", "grid", "growth", "arithmetic", "test", "not_testable"}
    found = {"answer", "finding", "when"}
    for claim in ledger:
        untested = all("not_testable" in check for check in claim["checks"])
        needed = {"id", "short", "claim", "where", "sure", "chapter", "checks"} | (set() if untested else found)
        assert set(claim) - {"note"} == needed, claim["id"]
        assert pages.chapter_link(claim["chapter"]) and claim["sure"].split(" ")[0].rstrip(",") in pages.CONFIDENCE
        for check in claim["checks"]:
            assert len(kinds & set(check)) == 1, (claim["id"], check)
            claims.paper_text(check)
            if "test" in check:
                assert check.get("finds", "supported") in claims.VERDICTS
                assert claims.has_test(check["test"]), check["test"]


def test_a_claim_is_judged_by_its_numbers(measured):
    def judge(claim="less", **changes):
        compare = {"studies": ["none", "trial"], "left": "drn_a_18", "right": "resnet_18", "metric": "final.test.top1"}
        return claims.judge({"what": "error", "compare": {**compare, "claim": claim, **changes}})

    ours, n, interval, judged = judge()
    assert ours.startswith("41.0 and 61.0: −20.0") and n == "2,\u00a02" and interval.startswith("[−")
    assert judged == "not resolved (2 seeds)"  # a clear interval, and too few seeds to believe it
    for name, error in (("drn_a_18", 41.0), ("resnet_18", 61.0)):
        write(measured, a_run(architecture=name, seed=2, metrics={"final.test.top1": error}))
    assert (judge()[3], judge("greater")[3]) == ("supported", "contradicted")
    for seed in (1, 2):
        (measured / "trial" / f"drn_a_18-s{seed}.json").unlink()
    assert judge()[3] == "not resolved (one seed)"
    assert judge(left="drn_b_26")[3] == "open"


def test_a_claim_needs_the_p_of_its_family(measured, monkeypatch):
    for name, error in (("drn_a_18", 41.0), ("resnet_18", 61.0)):
        write(measured, a_run(architecture=name, seed=2, metrics={"final.test.top1": error}))
    sides = {"left": "drn_a_18", "right": "resnet_18", "metric": "final.test.top1", "claim": "less"}
    check = {"what": "error", "compare": {"studies": ["trial"], **sides}}
    assert claims.judge(check)[3] == "supported"
    monkeypatch.setattr(claims.families, "FURTHER", {"trial": ((("drn_a_18", "resnet_18"),),)})
    assert claims.judge(check)[3] == "supported"
    monkeypatch.setattr(claims.families, "p_values", lambda study, pairs, measure: {pairs[0]: 0.2})
    assert claims.judge(check)[3] == "not resolved"


def test_an_exact_claim_can_come_out_either_way():
    sides = {"left": "architectures/DRN-A-18/parameters", "right": "architectures/ResNet-18/parameters"}
    assert claims.judge({"what": "", "arithmetic": {**sides, "claim": "equal"}})[3] == "supported"
    assert claims.judge({"what": "", "arithmetic": {**sides, "claim": "less"}})[3] == "contradicted"
    assert claims.judge({"what": "", "test": "tests/book/numbers/test_claims.py::test_c99", "shows": ""})[3] == "open"
    shown = {"test": "tests/book/numbers/test_claims.py::test_c5_fine_detail_that_enters_level_3", "shows": "less"}
    assert claims.judge({"what": "", **shown}) == ("less", "exact", "–", "supported")
    found = claims.judge({"what": "", **shown, "n": "3, 3", "finds": "not resolved"})
    assert found == ("less", "3, 3", "–", "not resolved")


def test_the_ledger_is_complete():
    rows = [row for section in pages.load_ledger()["sections"] for row in section["rows"]]
    expected = [f"P{i}" for i in range(1, 11)] + [f"V{i}" for i in range(1, 40)] + [f"X{i}" for i in range(1, 7)]
    assert [row["id"] for row in rows] == expected
    for row in rows:
        assert {"id", "title", "sure"} <= set(row)
        first = row["sure"].split(";")[0]
        assert {first, first.split(" ")[-1]} & set(pages.CONFIDENCE)
        if row["id"][0] in "PV":
            assert row["consequence"] and row["decision"]


def test_the_papers_numbers_are_typed_in_one_folder_only():
    """Two of Table 1's most telling numbers must not stand in a page outside the generator's comments."""
    assert paper_dir().is_dir()
    for path in fill.sources():
        text = markers.TABLE.sub("", markers.NUMBER.sub("", path.read_text())) if path.suffix == ".md" else ""
        assert [number for number in ("28.00", "30.43", "24.86", "25.19") if number in text] == [], path.name


def test_costs_stand_in_a_table_only_where_they_are_asked_for(monkeypatch):
    same = {"n": 3, "metrics": {}, "parameters": 11_040_000, "multiply_adds": 1_499_000_000, "live_fraction": 0.444}
    rows = [summaries.Summary(variant=name, **same) for name in "ab"]
    monkeypatch.setattr(common.summaries, "summarize", lambda *_: rows)
    header, _, *lines = common.summary_table("classification", "final.test.top1", "all").splitlines()
    assert header.endswith(f"| top-1 error, % | {' | '.join(common.COSTS)} |")
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[1:] for row in found] == [["3", "–", "11.04", "1499", "44"]] * 2
    short = common.summary_table("classification", "final.test.top1", "a,b", costs=False).splitlines()
    assert [line.count("|") for line in short] == [4] * 4 and short[2].split("|")[2] == " 3 "
