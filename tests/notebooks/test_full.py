"""Every chapter with `FULL = True`, shrunk to one epoch of 64 images, so that the real training cannot rot."""

from __future__ import annotations

import papermill
import pytest

from tests.notebooks import chapters


@pytest.mark.slow
@pytest.mark.parametrize("path", chapters.PATHS, ids=lambda path: path.stem)
def test_full_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("DRN_SHRINK", "1")
    monkeypatch.setenv("DRN_PROGRESS", "0")
    monkeypatch.delenv("DRN_DATA", raising=False)
    output = tmp_path / path.name
    papermill.execute_notebook(
        path, output, {"FULL": True}, cwd=path.parent, kernel_name="python3", progress_bar=False, execution_timeout=300
    )
    cells = chapters.code_cells(chapters.read(output))
    injected = [cell.source for cell in cells if "injected-parameters" in chapters.tags(cell)]
    assert len(injected) == 1 and "FULL = True" in injected[0]
