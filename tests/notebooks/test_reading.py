"""Chapters that carry a reader: what the contract (CONTRIBUTING.md, point 5) says of words, and can be counted."""

from __future__ import annotations

import re

import nbformat
import pytest
from docutils import nodes

from book.chapters import road
from book.extensions import chapter_map
from tests.notebooks import chapters, reading

HELD = ["00", "01", "02", "03", "04", "05", "06", "07", "08", "09"]
"""The chapters that hold to it, by number."""

PATHS = {path.name[:2]: path for path in chapters.PATHS}
WORDS = (1200, 2500)
MOST = {"numbers": 60, "tables": 2, "brackets": 5, "odd": 0, "scaffold": 0, "only asserts": 0, "True": 0, "widest": 72}
CAPTION = re.compile(r"\*\*Figure (\d)\.(\d+)\.\*\* \S")


@pytest.fixture(params=HELD)
def path(request):
    return PATHS[request.param]


def test_it_is_short_and_nothing_that_serves_tests_is_in_sight(path):
    found = reading.measure(path)
    assert WORDS[0] <= found["words"] <= WORDS[1]
    assert {name: found[name] for name, most in MOST.items() if found[name] > most} == {}


def test_its_parts(path):
    """The way first, then what was found; doubts in one box, advice, and solutions within reach."""
    notebook = chapters.read(path)
    text, headings = "\n\n".join(chapters.markdown(notebook)), chapters.headings(notebook)
    assert f"<!-- map:{path.name[:2]} -->" in text
    assert "**What we found.**" in text.split("\n## ")[0]
    assert text.count("> **How far this goes.**") == 1
    assert "So what should I do?" in headings and any("Summary" in heading for heading in headings)
    assert "book/solutions.md" in text


def test_no_fold_stands_above_the_title(path):
    cells = chapters.read(path).cells
    title = next(index for index, cell in enumerate(cells) if cell.source.startswith("# "))
    assert [cell.id for cell in cells[:title] if not {"remove-cell", "remove-input"} & set(chapters.tags(cell))] == []


def test_every_figure_has_a_caption_with_its_number_in_the_notebook(path):
    cells, numbers = chapters.read(path).cells, []
    for cell, after in zip(cells, cells[1:]):
        if cell.cell_type == "code" and any("image/png" in output.get("data", {}) for output in cell.outputs):
            found = CAPTION.match(after.source)
            assert found, f"{cell.id}: the next cell begins with no caption such as **Figure 1.1.**"
            numbers.append((int(found[1]), int(found[2])))
            assert "figure" not in cell.metadata.get("mystnb", {}), f"{cell.id}: a second caption"
    assert numbers == [(int(path.name[:2]), index + 1) for index in range(len(numbers))] and numbers


def test_one_exercise_asks_why(path):
    tasks = [cell.outputs[0].text for cell in chapters.code_cells(chapters.read(path)) if "check(" in cell.source]
    assert any(re.search(r"\b[Ww]hy\b", task) for task in tasks)


def test_what_is_counted(tmp_path):
    """The counts themselves can fail."""
    new = nbformat.v4
    prose = (
        "# 09 X\n\nIt is not seen to fall (by more than a little), 3 of 12.5 in Section 4 by DRN-A-18.\n\n"
        "| 1 |\n| --- |\n| 2 |\n"
    )
    stream = new.new_output("stream", text="x" * 80 + "\nequal: True\n")
    cells = [
        new.new_markdown_cell(prose),
        new.new_code_cell("if FULL:\n    pass"),
        new.new_code_cell("assert 1"),
        new.new_code_cell("print()", outputs=[stream]),
        new.new_code_cell("assert 2", metadata={"tags": ["remove-cell"]}),
        new.new_markdown_cell("## Exercises\n\nwords that do not count 7"),
    ]
    path = tmp_path / "09_x.ipynb"
    nbformat.write(new.new_notebook(cells=cells), path)
    found = reading.measure(path)
    assert found == {
        "words": 19, "numbers": 2, "tables": 1, "brackets": 1, "long sentences": 0,
        "odd": 1, "scaffold": 1, "only asserts": 1, "True": 1, "widest": 80,
    }  # fmt: skip


def test_the_way_marks_one_chapter_and_leads_to_the_others():
    markdown, html = road.as_markdown("01"), road.as_html("01", "../")
    assert "**01 Dilation arithmetic**" in markdown and "(00_the_tour.ipynb)" in markdown
    assert html.count("aria-current") == 1 and 'href="../notebooks/02_resnet_to_drn_a.html"' in html
    assert len(chapters.PATHS) == html.count("<li")
    with pytest.raises(ValueError, match="no chapter '77'"):
        road.of("77")


def test_a_caption_gets_a_class_and_other_paragraphs_none():
    page = nodes.document("", "")
    for start, rest in (
        ("Figure 3.1.", " Sixteen maps."),
        ("Figure 3.1", " is above."),
        ("What we found.", " A grid."),
    ):
        page += nodes.paragraph("", "", nodes.Text(""), nodes.strong(text=start), nodes.Text(rest))
    chapter_map.mark_captions(None, page, "page")
    assert [paragraph["classes"] for paragraph in page.findall(nodes.paragraph)] == [["figure-caption"], [], []]


def test_minutes_come_from_the_words():
    found = road.of("00")
    assert found.minutes == round(len(road.text(PATHS["00"]).split()) / road.WORDS_A_MINUTE)
