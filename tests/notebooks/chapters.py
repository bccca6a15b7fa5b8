"""The chapters as the tests see them: cells, prose without MyST, names that a cell reads and writes."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests import ROOT

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
HIDDEN = {"remove-input", "remove-cell", "hide-input", "hide-cell"}
"""Tags of cells whose code the page does not show at once."""


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def markdown(notebook: nbformat.NotebookNode) -> list[str]:
    """The prose; not the line of links on top, which the page leaves out and a script writes."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown" and "remove-cell" not in tags(cell)]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def tokens(source: str) -> list[Token]:
    """What a plain Markdown reader such as Colab makes of a cell: every token, inline ones too."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(source):
        found += [token, *(token.children or [])]
    return found


def words(notebook: nbformat.NotebookNode) -> int:
    """Words of the prose as a reader sees it: no code blocks, no HTML comments, no addresses of links.

    Nor the tables that are filled from results: they grow as a study goes on, and nobody wrote their words.
    """
    prose = [re.sub(r"<!-- table:.*?<!-- /table -->", "", cell, flags=re.DOTALL) for cell in markdown(notebook)]
    texts = [t.content for cell in prose for t in tokens(cell) if t.type in ("text", "code_inline")]
    return sum(len(text.split()) for text in texts)


def headings(notebook: nbformat.NotebookNode) -> list[str]:
    found = []
    for source in markdown(notebook):
        parsed = MarkdownIt("commonmark").parse(source)
        found += [after.content for token, after in pairwise(parsed) if token.type == "heading_open"]
    return found


def names(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """The names that one statement reads and those that it (re)binds, imports and definitions included."""
    reads, writes, augmented = set(), set(), set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            (reads if isinstance(node.ctx, ast.Load) else writes).add(node.id)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            augmented.add(node.target.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            writes.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            writes.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
    return reads | augmented, writes - augmented


def statements(cell: nbformat.NotebookNode) -> Iterator[tuple[set[str], set[str]]]:
    source = "\n".join(line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!")))
    for statement in ast.parse(source).body:
        yield names(statement)


def reads_of_real_data(notebook: nbformat.NotebookNode) -> list[str]:
    """Names bound in a cell tagged `real-data` that a later ordinary cell reads, as "cell id: name"."""
    tainted: set[str] = set()
    found = []
    for cell in code_cells(notebook):
        if "real-data" in tags(cell):
            for _, writes in statements(cell):
                tainted |= writes
            continue
        for reads, writes in statements(cell):
            found += [f"{cell.id}: {name}" for name in sorted((reads - writes) & tainted)]
            tainted -= writes
    return [entry for entry in found if entry.split(": ")[1] not in dir(builtins)]
