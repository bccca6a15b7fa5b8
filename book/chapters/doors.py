"""Where a chapter can be opened: `python -m book.chapters.doors` writes it into chapters, README and the first page.

Each chapter begins with a line of links, which the rendered page leaves out, and with the cell of `first_cell`. The
tables of chapters in README.md and book/index.md have the minutes to read each and a column of links. All of this
follows from the address and the version in pyproject.toml and from the chapters' words. A chapter asks Colab and Kaggle
for a GPU only where `FULL = True` trains.
"""

import re
from pathlib import Path
from urllib.parse import quote

import nbformat

from book import ROOT
from book.chapters import first_cell, road
from book.chapters.version import ADDRESS, SITE, VERSION

LINKS = "links"
"""The id of the cell of links."""
NEEDS_GPU = ("04", "05", "07", "09")
"""The chapters whose `FULL = True` trains for hours; in the others it measures, for which a CPU does."""
ROW = re.compile(r"^(\| \[\d\d [^\]]+\]\((?:\.\./)?(notebooks/\S+)\.ipynb\) \|[^|]+\|) \d+ \|[^\n]*$", re.MULTILINE)
HEADER = re.compile(r"^(\| chapter \|[^|\n]+\| minutes \|)[^\n]*\n\| --- [^\n]*$", re.MULTILINE)
# By file: how a row shows one link, {name} to {address}.
TABLES = {
    "README.md": "[![Open in {name}](book/_static/{small}-badge.svg)]({address})",
    "book/index.md": "[{name}]({address})",
}


def addresses(chapter: str) -> dict[str, str]:
    """Where a chapter, "notebooks/00_the_tour", opens: Colab's address and Kaggle's."""
    file = f"{ADDRESS}/blob/v{VERSION}/{chapter}.ipynb"
    colab = file.replace("https://github.com/", "https://colab.research.google.com/github/")
    return {"Colab": colab, "Kaggle": f"https://www.kaggle.com/kernels/welcome?src={quote(file, safe=':/')}"}


def links(chapter: str) -> str:
    """The first cell of a chapter, in Markdown that every notebook viewer shows."""
    places = " · ".join(f"[{name}]({address})" for name, address in addresses(chapter).items())
    return f"Run this chapter on {places}, or read it [in the book]({SITE}{chapter}.html)."


def metadata(chapter: str) -> dict:
    """The metadata of a chapter's file: its kernel, and what Colab and Kaggle read."""
    found = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "colab": {"provenance": [], "toc_visible": True},
    }
    if Path(chapter).name[:2] in NEEDS_GPU:
        found["accelerator"], found["colab"]["gpuType"] = "GPU", "T4"
        found["kaggle"] = {"accelerator": "nvidiaTeslaT4", "isGpuEnabled": True, "isInternetEnabled": True}
    else:
        found["kaggle"] = {"accelerator": "none", "isGpuEnabled": False, "isInternetEnabled": True}
    return found


def with_doors(notebook: nbformat.NotebookNode, chapter: str) -> nbformat.NotebookNode:
    """The chapter with its links, its first code cell and its metadata as they should be."""
    others = [cell for cell in notebook.cells if cell.get("id") not in (LINKS, first_cell.ID)]
    old = [cell for cell in notebook.cells if cell.get("id") == first_cell.ID]
    cell = old[0] if old else nbformat.v4.new_code_cell(id=first_cell.ID, metadata={"tags": ["remove-input"]})
    cell.source = first_cell.CELL
    top = nbformat.v4.new_markdown_cell(links(chapter), id=LINKS, metadata={"tags": ["remove-cell"]})
    notebook.cells = [top, cell, *others]
    notebook.metadata = nbformat.from_dict(metadata(chapter))
    return notebook


def with_links(text: str, shown: str) -> str:
    """A page whose table of chapters has the minutes to read each, and a last column of links."""

    def row(found: re.Match) -> str:
        places = addresses(found[2]).items()
        cells = [shown.format(name=name, small=name.lower(), address=address) for name, address in places]
        return f"{found[1]} {road.minutes(ROOT / f'{found[2]}.ipynb')} | {' '.join(cells)} |"

    text = HEADER.sub(lambda found: f"{found[1]} run it |\n| --- | --- | --- | --- |", text)
    return ROW.sub(row, text)


def main() -> None:
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = with_doors(nbformat.read(path, as_version=4), f"notebooks/{path.stem}")
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    for name, shown in TABLES.items():
        path = ROOT / name
        path.write_text(with_links(path.read_text(encoding="utf-8"), shown), encoding="utf-8")


if __name__ == "__main__":
    main()
