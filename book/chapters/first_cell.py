"""The first cell of every chapter, word for word (`tests/notebooks/test_contract.py` compares them).

`python -m book.chapters.first_cell` writes it into every chapter.
"""

from book import ROOT
from book.chapters.version import ADDRESS, VERSION

CELL = """\
# Makes `drn_lib` and `data/` available: from this checkout, or on Colab from a shallow clone of the release.
import os
import subprocess
import sys
from pathlib import Path

checkout = Path("..").resolve()
if not (checkout / "drn_lib").is_dir():
    checkout = Path("drn-book").resolve()
    address = os.environ.get("DRN_REPOSITORY", "ADDRESS")
    if not (checkout / "drn_lib").is_dir():
        if "google.colab" not in sys.modules:
            raise RuntimeError(f"Start this notebook in the notebooks/ folder of a clone of {address}.")
        clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", "vVERSION", address, str(checkout)]
        if subprocess.run(clone).returncode != 0:
            raise RuntimeError(f"Could not clone {address}: check the network, then run this cell again.")
if str(checkout) not in sys.path:
    sys.path.insert(0, str(checkout))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(checkout), os.environ.get("PYTHONPATH")]))""".replace(
    "ADDRESS", ADDRESS
).replace("VERSION", VERSION)

ID = "bootstrap"


def main() -> None:
    import nbformat

    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        cells = notebook.cells
        if not cells or cells[0].get("id") != ID:
            cells.insert(0, nbformat.v4.new_code_cell(id=ID, metadata={"tags": ["remove-input"]}))
        cells[0].source = CELL
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
