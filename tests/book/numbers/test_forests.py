"""The figures of the pages of Tables 1 to 3: drawn from stored results, and again when these change."""

from __future__ import annotations

import re

import pytest

from book.numbers import forests
from book.studies import intervals, summaries
from tests import ROOT


@pytest.fixture
def differences(monkeypatch):
    """One difference for every pair, and none for the last one; `made[0]` is its estimate."""
    made = [-2.0]

    def compare(study, pairs, key):
        both = intervals.Interval(made[0], made[0] - 1, made[0] + 1, 3, "bootstrap over seeds and images", 0.01)
        return [summaries.Comparison(left, right, both, both, 0.01) for left, right in pairs[:-1]]

    monkeypatch.setattr(forests.summaries, "compare", compare)
    return made


def test_a_figure_is_drawn_again_when_its_numbers_change_and_only_then(differences, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(forests, "FOLDER", tmp_path)
    lines = [f"data/figures/{name}.png is missing or old: run `make numbers`" for name in forests.TABLES]
    assert forests.refresh(True) == lines and list(tmp_path.iterdir()) == []
    assert forests.refresh(False) == [] and len(list(tmp_path.iterdir())) == len(forests.TABLES)
    before = (tmp_path / "table_1.png").stat().st_mtime_ns
    capsys.readouterr()
    assert forests.refresh(True) == forests.refresh(False) == [] and capsys.readouterr().out == ""
    assert (tmp_path / "table_1.png").stat().st_mtime_ns == before
    differences[0] = -2.1
    assert forests.refresh(True) == lines


def test_what_was_not_measured_stays_empty(differences):
    columns = forests.compared(**forests.TABLES["table_3"])
    assert [[row is None for row in rows] for _, rows in columns.values()] == [[False, False, False, True]] * 2


def test_without_matplotlib_nothing_is_drawn(monkeypatch, capsys):
    monkeypatch.setattr(forests.importlib.util, "find_spec", lambda name: None)
    assert forests.refresh(False) == [] and "need matplotlib" in capsys.readouterr().out


@pytest.mark.parametrize("name", forests.TABLES)
def test_each_page_shows_its_figures_with_words_for_who_cannot_see_them(name):
    page = (ROOT / "book" / f"table-{name.split('_')[1]}.md").read_text(encoding="utf-8")
    shown = re.search(rf"```\{{figure\}} \.\./data/figures/{name}\.png\n:alt: (.+)\n", page)
    assert shown and len(shown[1]) > 60
    heading = page[: shown.start()].rfind("\n## ")
    if name.count("_") == 1:
        assert heading == -1  # first of all what the page shows
    else:  # the figure of a group: before the first table of its section
        assert f"\n## The {name.split('_')[2]}" in page[heading : shown.start()]
        assert "<!-- table:" not in page[heading : shown.start()]
