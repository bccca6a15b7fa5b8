"""The chapters as `make test` runs them, written to `_build/chapters/`: `python -m tests.notebooks.passes`.

Each chapter is compared as it is committed, without real data sets. Then, in the same kernel, its cells run again from
the first that reads `FULL` to the end, with `FULL = True` and `DRN_SHRINK=1` (one epoch, 64 images), so that the real
training cannot rot. A chapter with cells on real data gets a second, uncompared pass with DRN_DATA, where that is set.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
from pathlib import Path

import nbformat

from tests import ROOT
from tests.notebooks import chapters

FOLDER = ROOT / "_build" / "chapters"
UNCOMPARED = "nbval-ignore-output"
SWITCH = 'import os\n\nFULL = True\nos.environ["DRN_SHRINK"] = "1"'


def with_full(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The chapter, then once more what `FULL` changes: the first cell that reads it and all after it, uncompared."""
    made = copy.deepcopy(notebook)
    cells = chapters.code_cells(made)
    reads = [re.search(r"\bFULL\b", cell.source) and "parameters" not in chapters.tags(cell) for cell in cells]
    again = cells[next(index for index, found in enumerate(reads) if found) :]
    made.cells += [_uncompared(cell) for cell in [nbformat.v4.new_code_cell(SWITCH), *again]]
    return made


def on_real_data(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode | None:
    """The chapter uncompared, with DRN_DATA set from its first cell on; None where no cell works on real data."""
    made = copy.deepcopy(notebook)
    if not any("real-data" in chapters.tags(cell) for cell in chapters.code_cells(made)):
        return None
    setting = nbformat.v4.new_code_cell(f'import os\n\nos.environ["DRN_DATA"] = {str(folder)!r}')
    made.cells = [_uncompared(cell) if cell.cell_type == "code" else cell for cell in [setting, *made.cells]]
    return made


def write(data: Path | None) -> list[Path]:
    """Write all passes; the folder `data` holds real data sets where it is not None."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "notebooks").mkdir(parents=True)
    for name in ("drn_lib", "book", "data"):  # what a chapter's first cell looks for beside its folder
        (FOLDER / name).symlink_to(ROOT / name)
    written = []
    for path in chapters.PATHS:
        notebook = chapters.read(path)
        passes = {path.name: with_full(notebook)}
        if data is not None and (real := on_real_data(notebook, data)):
            passes[f"{path.stem} on real data.ipynb"] = real
        for name, made in passes.items():
            nbformat.write(made, FOLDER / "notebooks" / name)
            written.append(FOLDER / "notebooks" / name)
    return written


def _uncompared(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy of a code cell whose outputs do not count."""
    again = copy.deepcopy(cell)
    again.id = nbformat.v4.new_code_cell().id
    again.metadata.tags = sorted({*chapters.tags(cell), UNCOMPARED})
    return again


if __name__ == "__main__":
    write(Path(os.environ["DRN_DATA"]).resolve() if os.environ.get("DRN_DATA") else None)
