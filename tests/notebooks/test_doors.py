"""Where a chapter opens: links in every chapter, README and the first page, all from pyproject's address."""

from __future__ import annotations

import nbformat
import pytest

from book.chapters import doors, road
from book.chapters.version import ADDRESS, SITE, VERSION
from tests import ROOT
from tests.notebooks import chapters

WRITES = "`python -m book.chapters.doors` writes it"


@pytest.mark.parametrize("path", chapters.PATHS, ids=lambda path: path.stem)
def test_every_chapter_is_as_the_script_writes_it(path):
    notebook = chapters.read(path)
    wanted = doors.with_doors(chapters.read(path), f"notebooks/{path.stem}")
    assert nbformat.writes(notebook) == nbformat.writes(wanted), WRITES
    assert notebook.cells[0].id == doors.LINKS and "remove-cell" in notebook.cells[0].metadata.tags


@pytest.mark.parametrize("name", doors.TABLES)
def test_every_row_of_a_table_has_its_links(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert doors.with_links(text, doors.TABLES[name]) == text, WRITES
    for path in chapters.PATHS:
        if f"({'../' if '/' in name else ''}notebooks/{path.name})" in text:
            assert all(f"({address})" in text for address in doors.addresses(f"notebooks/{path.stem}").values())


def test_the_addresses():
    slug = ADDRESS.removeprefix("https://github.com/")
    found = doors.addresses("notebooks/00_the_tour")
    assert (
        found["Colab"] == f"https://colab.research.google.com/github/{slug}/blob/v{VERSION}/notebooks/00_the_tour.ipynb"
    )
    file = f"{ADDRESS}/blob/v{VERSION}/notebooks/00_the_tour.ipynb"
    assert found["Kaggle"] == f"https://www.kaggle.com/kernels/welcome?src={file}"
    owner, name = slug.split("/")
    assert SITE == f"https://{owner.lower()}.github.io/{name}/"


def test_the_readme_leads_to_the_site_and_to_discussions():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"({SITE}book/index.html)" in text and f"({ADDRESS}/discussions)" in text


def test_a_gpu_is_asked_for_only_where_full_trains():
    for path in chapters.PATHS:
        about = chapters.read(path).metadata
        asks = [about.get("accelerator") == "GPU", about.kaggle.isGpuEnabled, "gpuType" in about.colab]
        assert asks == [path.stem[:2] in doors.NEEDS_GPU] * 3


def test_a_table_that_lacks_its_links_gets_them():
    head = "| chapter | its question | minutes |\n| --- | --- | --- |\n"
    page = f"{head}| [00 A](../notebooks/00_the_tour.ipynb) | Why? | 99 |\n\nText.\n"
    once = doors.with_links(page, doors.TABLES["book/index.md"])
    assert once.splitlines()[0] == "| chapter | its question | minutes | run it |"
    minutes = road.of("00").minutes
    assert once.splitlines()[2].startswith(f"| [00 A](../notebooks/00_the_tour.ipynb) | Why? | {minutes} | [Colab](")
    assert "[Kaggle](" in once
    assert doors.with_links(once, doors.TABLES["book/index.md"]) == once
