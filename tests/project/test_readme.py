"""The README: its links lead somewhere, its example runs, its map lists the chapters that exist."""

from __future__ import annotations

import re

import pytest

from tests import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_relative_link_and_picture_exists():
    targets = re.findall(r"\]\(([^)\s]+)\)", README) + re.findall(r'(?:src|srcset)="([^"]+)"', README)
    relative = [target for target in targets if "://" not in target]
    assert relative
    assert [target for target in relative if not (ROOT / target).is_file()] == []


def test_the_map_lists_the_chapters_of_the_book():
    listed = re.findall(r"^\| \[.*\(notebooks/(\w+)\.ipynb\)", README, flags=re.MULTILINE)
    in_toc = re.findall(r"file: notebooks/(\w+)", (ROOT / "book" / "_toc.yml").read_text(encoding="utf-8"))
    assert listed == in_toc == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
def test_the_example_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict = {}
    exec(example, names)
    printed = capsys.readouterr().out.splitlines()
    commented = re.findall(r"# (\(\d.*\))$", example, re.MULTILINE)
    assert [f"torch.Size([{shape.strip('()')}])" for shape in commented] == printed[-len(commented) :]
    assert names["energy"].isfinite().all()
