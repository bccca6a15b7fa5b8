"""The generated parts of status, solutions and paper against code, and which pages the contents name."""

from __future__ import annotations

import json
import re

import pytest

from book.exercises.exercise import all_exercises
from book.numbers import solutions, status
from book.numbers.tables import common
from book.studies import files, results
from tests import ROOT
from tests.book.studies.test_results import a_run, write

BOOK = ROOT / "book"


def in_chapters() -> list[tuple[int, str]]:
    """(chapter, name) of each exercise, in the order in which the chapters ask."""
    asked = []
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        asked += [(int(path.name[:2]), name) for name in re.findall(r'^check\("([a-z0-9-]+)", answer', code, re.M)]
    return asked


def test_exercises_are_numbered_as_the_chapters_ask_them():
    found = re.findall(r"^\(([a-z0-9-]+)\)=\n### Exercise (\d+)\.(\d+)$", solutions.solutions(), re.M)
    numbered = {(int(chapter), int(place)): name for name, chapter, place in found}
    assert len(numbered) == len(found) == len(all_exercises())
    assert [(chapter, name) for (chapter, _), name in sorted(numbered.items())] == in_chapters()


def test_the_contents_name_every_row_of_the_ledger_once_and_what_changes_an_output_first():
    found = re.findall(r"^- \[(\w+)\]\(#ledger-(\w+)\): .+$", status.ledger_contents(), re.M)
    rows = {row["id"] for section in status.load_ledger()["sections"] for row in section["rows"]}
    assert sorted(name for name, _ in found) == sorted(rows)
    assert all(address == name.lower() for name, address in found)
    titles = re.findall(r"^### (.+)$", status.ledger_contents(), re.M)
    assert ["output" in titles[0], "training" in titles[1], "text" in titles[2]] == [True] * 3 and len(titles) == 3


def test_trainings_are_folded_by_study_with_their_number_and_hours(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)
    assert status.training_times() == "*Trainings: not yet measured.*"
    for seed in (0, 1):
        write(tmp_path, a_run(architecture="drn_a_18", seed=seed, seconds=5400.0 * (seed + 1)))
    first, *others = status.training_times().split("\n\n")
    assert others == [] and first.startswith(":::{dropdown} Trial: 2 trainings, 4.5 hours in all\n| network |")
    assert "| DRN-A-18, seed 1 | 180 min |" in first and first.endswith("\n:::")


@pytest.mark.parametrize("listing", ["_toc.yml", "descriptions.yml"])
def test_errata_are_listed_once_there_is_one(listing):
    has_entries = "\n## " in (ROOT / "book" / "errata.md").read_text(encoding="utf-8")
    assert ("book/errata" in (ROOT / "book" / listing).read_text(encoding="utf-8")) == has_entries


@pytest.mark.parametrize("study", ["classification", "segmentation"])
def test_every_variant_of_a_study_is_of_one_group(study):
    known = results.variants(study)
    groups = {name: common.members(study, [name]) for name in common.GROUPS}
    assert sorted(sum(groups.values(), [])) == sorted(known)
    assert groups["main"] and all("_a_18" in name or name.startswith("ladder") for name in groups["ladder"])


@pytest.mark.parametrize(
    ("page", "groups"), [("table-1", "main cost ladder size"), ("table-2", "main cost ladder size")]
)
def test_a_page_shows_every_group_of_its_study(page, groups):
    keys = re.findall(
        r"<!-- table:(?:summary|scores)/classification/[^/]+/(\S+) -->", (BOOK / f"{page}.md").read_text()
    )
    assert set(groups.split()) <= {name for key in keys for name in key.split(",")}


def test_what_networks_cost_stands_on_a_page_once_and_minutes_on_none():
    for name in ("table-1", "table-2", "table-3"):
        page = (BOOK / f"{name}.md").read_text(encoding="utf-8")
        assert page.count(" | ".join(common.COSTS)) == (name != "table-2"), name
        assert "minutes of training" not in page


def test_groups_and_variants_may_stand_together():
    rows = common.summary_table("classification", "final.test.top1", "drn_a_18,cost", costs=False).splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| DRN-A-18", "| ResNet-18, larger images", "| ResNet-18, wider"]


def test_a_score_of_four_decimals_is_rounded_and_others_stay_as_printed():
    table = common.paper_table("table3_cityscapes", "model,mean_iou")
    assert "| DRN-D-105 multi-scale | 76.3 |" in table and "| DRN-C-26 | 68.0 |" in table
