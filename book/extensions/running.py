"""A Sphinx extension: a reader can change a cell in the page and run it, where it needs only the library's arithmetic.

After each such cell (`book.running.cells` finds them) it puts an empty element with the cell's code and what has to run
before it; `_static/python/start.mjs` makes an editor of it, and fetches Python from the page's own host when a reader
asks for it. Without JavaScript the element stays empty, and where pyodide could not be fetched there is none.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import nbformat
from docutils import nodes

from book.extensions.placing import load_where
from book.npm import Unavailable
from book.running import cells, files

SIGN = 'class="page-python"'


HIDDEN = {"remove-input", "remove-cell"}
"""Tags of cells whose code the page does not show."""


@lru_cache(maxsize=32)
def runnable(chapter: Path) -> dict[str, cells.Runnable]:
    """The cells of a notebook that run in a page and stand in it, by their source."""
    code = [cell for cell in nbformat.read(chapter, as_version=4).cells if cell.cell_type == "code"]
    found = cells.runnable((cell.source, printed(cell)) for cell in code)
    shown = {place for place, cell in enumerate(code) if not HIDDEN & set(cell.metadata.get("tags", []))}
    return {code[place].source.strip(): cell for place, cell in found.items() if place in shown}


def printed(cell: nbformat.NotebookNode) -> str:
    """What a cell printed when it was stored, and the value of its last line."""
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    kinds = [output.get("name", output.output_type) for output in cell.outputs]
    return "".join(text for text, kind in zip(texts, kinds) if kind in ("stdout", "execute_result"))


def element(cell: cells.Runnable, size: int) -> str:
    """The HTML after a cell, as it stands before the script runs; `size` of what the first run fetches, in bytes."""
    content = json.dumps({**asdict(cell), "bytes": size}, ensure_ascii=False).encode()
    return f'<div {SIGN} data-python="{base64.b64encode(content).decode()}"></div>'


def gather(app) -> None:
    """What is shipped, read once for the whole build."""
    app.python = {}
    if app.builder.name == "html":
        try:
            app.python = files.collect()
        except Unavailable as error:
            print(f"No code runs in the pages: {error}.")


def place(app, doctree: nodes.document, docname: str) -> None:
    """Put the element of each cell that can run after it."""
    chapter = Path(app.env.doc2path(docname))
    if not app.python or chapter.suffix != ".ipynb":
        return
    found, size = runnable(chapter), sum(map(len, app.python.values()))
    for code in list(doctree.findall(nodes.literal_block)):
        cell = code.parent
        while cell is not None and "cell" not in cell.get("classes", ()):
            cell = cell.parent
        if cell is not None and (known := found.get(code.astext().strip())):
            cell.parent.insert(cell.parent.index(cell) + 1, nodes.raw("", element(known, size), format="html"))


def ship(app, error: Exception | None) -> None:
    """Add Python and the library to the built site."""
    if error is None and app.builder.name == "html":
        folder = Path(app.outdir) / "_static" / "python"
        for name, content in app.python.items():
            (folder / name).write_bytes(content)


def setup(app) -> dict:
    app.connect("builder-inited", gather)
    app.connect("doctree-resolved", place)
    load_where(app, SIGN, "python/python.css", "python/start.mjs")
    app.connect("build-finished", ship)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
