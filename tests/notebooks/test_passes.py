"""The passes run what they say: nothing that is committed is left out, and FULL is on where it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebooks import chapters, passes


@pytest.mark.parametrize("path", chapters.PATHS, ids=lambda path: path.stem)
def test_full_follows_the_compared_chapter_and_runs_to_its_end(path):
    notebook = chapters.read(path)
    cells, made = chapters.code_cells(notebook), chapters.code_cells(passes.with_full(notebook))
    assert made[: len(cells)] == cells
    switch, *again = made[len(cells) :]
    assert switch.source == passes.SWITCH and again
    assert [cell.source for cell in again] == [cell.source for cell in cells[-len(again) :]]
    before = cells[: -len(again)]
    assert "FULL" in again[0].source and sum("FULL" in cell.source for cell in before) == 1  # its own switch
    assert all(passes.UNCOMPARED in chapters.tags(cell) for cell in made[len(cells) :])


def test_chapters_with_real_data_get_a_whole_pass_with_it():
    found = {path.stem[:2]: passes.on_real_data(chapters.read(path), Path("/data")) for path in chapters.PATHS}
    assert {number for number, made in found.items() if made} == {"06", "07"}
    cells, made = (chapters.code_cells(notebook) for notebook in (chapters.read(chapters.PATHS[6]), found["06"]))
    assert "DRN_DATA" in made[0].source and [cell.source for cell in made[1:]] == [cell.source for cell in cells]
    assert all(passes.UNCOMPARED in chapters.tags(cell) for cell in made)
