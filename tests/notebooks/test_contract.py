"""What a program can check of the chapter contract (CONTRIBUTING.md), for every chapter."""

from __future__ import annotations

import re
from itertools import pairwise

import nbformat
import pytest

from book.chapters import first_cell
from tests.notebooks import chapters

PATHS = chapters.PATHS
MAX_BYTES = 2_000_000
MAX_IGNORED_SHARE = 0.15
WORDS = (1200, 4000)
WIDTH = 90  # characters of code that a page of 1440 px shows without scrolling
LAST_HEADINGS = ["summary", "exercises", "references"]
ROLE = re.compile(r"\{[\w:.+-]+\}$")
TARGET = re.compile(r"^\([\w:.-]+\)=$", re.MULTILINE)


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return chapters.read(path)


def test_there_are_chapters():
    assert [path.stem for path in PATHS][:2] == ["00_the_tour", "01_dilation_arithmetic"]


def test_the_first_cell_is_the_bootstrap_cell(notebook):
    first = chapters.code_cells(notebook)[0]
    assert first.source == first_cell.CELL, "`python -m book.chapters.doors` writes it"
    assert first.outputs == []


def test_every_cell_was_executed_in_order_without_error(notebook):
    cells = chapters.code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "`make notebooks` runs them"
    assert [cell.id for cell in cells for output in cell.outputs if output.output_type == "error"] == []


def test_no_traces_of_one_run(notebook):
    assert [cell.id for cell in notebook.cells if "execution" in cell.metadata] == []
    assert set(notebook.metadata.language_info) == {"name"}
    printed = [str(output) for cell in chapters.code_cells(notebook) for output in cell.outputs]
    assert [text[:200] for text in printed if re.search(r"(/home/|/root/|/tmp/|/Users/)\w", text)] == []


def test_few_cells_are_not_compared_and_each_says_why(notebook):
    cells = chapters.code_cells(notebook)
    ignored = [cell for cell in cells if "nbval-ignore-output" in chapters.tags(cell)]
    assert len(ignored) <= MAX_IGNORED_SHARE * len(cells)
    assert [cell.id for cell in ignored if not str(cell.metadata.get("reason", "")).strip()] == []
    assert [cell.id for cell in ignored if not re.search(r"^\s*assert\b", cell.source, re.MULTILINE)] == []


def test_no_cell_is_kept_from_the_comparison_in_another_way(notebook):
    assert [cell.id for cell in notebook.cells if {"nbval-skip", "raises-exception"} & set(chapters.tags(cell))] == []
    assert [cell.id for cell in notebook.cells if re.search("NBVAL_|PYTEST_VALIDATE", cell.source)] == []


def test_words_and_size(path, notebook):
    assert path.stat().st_size <= MAX_BYTES
    assert WORDS[0] <= chapters.words(notebook) <= WORDS[1]


def test_code_that_the_page_shows_fits_its_width(notebook):
    shown = [cell for cell in chapters.code_cells(notebook) if not chapters.HIDDEN & set(chapters.tags(cell))]
    assert [line for cell in shown for line in cell.source.splitlines() if len(line) > WIDTH] == []


def test_headings(notebook):
    found = [heading.lower() for heading in chapters.headings(notebook)]
    last = [name for heading in found for name in LAST_HEADINGS if re.search(rf"\b{name}$", heading)]
    assert last == LAST_HEADINGS and found[-1].endswith("references")
    assert chapters.markdown(notebook)[0].startswith("# ")


def test_exercises(notebook):
    """Three to five exercises; the committed cell holds `...` where the reader's answer goes."""
    cells = [cell for cell in chapters.code_cells(notebook) if re.search(r"^check\(", cell.source, re.MULTILINE)]
    asked = {name for cell in cells for name in re.findall(r"""\bcheck\(\s*["']([^"']+)""", cell.source)}
    assert 3 <= len(asked) <= 5
    assert [cell.id for cell in cells if "..." not in cell.source] == []


def test_every_picture_has_a_text_alternative(notebook):
    for cell in chapters.code_cells(notebook):
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        assert "image/svg+xml" not in kinds, f"{cell.id}: pictures are PNG"
        if kinds & {"image/png", "image/jpeg"}:
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) >= 15, f"{cell.id}: no text alternative in its metadata"


def test_prose_reads_without_myst(notebook):
    """Colab shows plain Markdown: a role, a directive or a relative picture would be dead there."""
    for source in chapters.markdown(notebook):
        assert not TARGET.search(source), source[:80]
        parsed = chapters.tokens(source)
        for token, after in pairwise(parsed):
            is_role = token.type == "text" and ROLE.search(token.content) and after.type == "code_inline"
            assert not is_role, source[:80]
        for token in parsed:
            assert not (token.type == "fence" and token.info.startswith("{")), source[:80]
            if token.type == "text":
                assert not token.content.lstrip().startswith((":::", "+++")), source[:80]
            if token.type == "image":
                assert token.attrGet("src").startswith(("https://", "data:")), source[:80]
            if token.type in ("html_inline", "html_block"):
                assert not re.search(r"""<img[^>]+src=["']?(?!https://|data:)""", token.content), source[:80]


def test_the_switch_to_real_training_and_no_later_cell_reads_what_real_data_left(notebook):
    found = [cell for cell in chapters.code_cells(notebook) if "parameters" in chapters.tags(cell)]
    assert len(found) == 1
    assert re.search(r"^FULL = False\b", found[0].source, re.MULTILINE)
    assert chapters.reads_of_real_data(notebook) == []


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ("print(found)", ["later: found"]),
        ("found = 3\nprint(found)", []),
        ("print(found)\nfound = 3", ["later: found"]),
        ("found += 1", ["later: found"]),
        ("def f():\n    return found", ["later: found"]),
        ("print(pets)", ["later: pets"]),
        ("print(other)", []),
    ],
)
def test_reads_of_real_data_are_found(later, expected):
    """The rule itself can fail."""
    new = nbformat.v4.new_code_cell
    closed = new("from x import pets\nfound = 1", id="closed", metadata={"tags": ["real-data"]})
    notebook = nbformat.v4.new_notebook(cells=[new("found = other = 0", id="first"), closed, new(later, id="later")])
    assert chapters.reads_of_real_data(notebook) == expected


@pytest.mark.parametrize(
    "source",
    [
        "See {cite}`yu2017drn`.",
        ":::{note}\nx\n:::",
        "```{figure} x.png\n```",
        "(sec-x)=\n# X",
        "![grid](../book/_static/x.png)",
        '<img src="x.png">',
    ],
)
def test_dead_markup_is_found(source):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source)])
    with pytest.raises(AssertionError):
        test_prose_reads_without_myst(notebook)


def test_plain_markup_is_allowed():
    plain = "A `{cite}` role in code, $d_{i}$ `x`, <!-- n:a -->3<!-- /n -->, ![a](https://example.org/a.png)"
    test_prose_reads_without_myst(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(plain)]))
