"""What the pages need to run Python: pyodide, which comes from npm, and the part of the library that needs no torch."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from book import ROOT
from book.npm import SHARE, Package

FROM_PACKAGE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json", "python_stdlib.zip")
PYTHON = Package("pyodide", {name: name for name in FROM_PACKAGE}, ROOT / "book" / "running", SHARE / "drn-book-python")
LIBRARY = ("__init__.py", "lazy.py", "checks.py", "names.py", "costs.py", "architecture", "geometry")
"""The modules of `cells.MODULES` and what they import, below `drn_lib`."""
RUNNER = "runner.py"
DATE = (1980, 1, 1, 0, 0, 0)


def library() -> bytes:
    """A zip file of that part of the library, and of what runs a cell; the same bytes at every build."""
    package = ROOT / "drn_lib"
    found = [
        path
        for name in LIBRARY
        for path in ([package / name] if name.endswith(".py") else (package / name).glob("*.py"))
    ]
    files = {path.relative_to(ROOT).as_posix(): path for path in found}
    files[RUNNER] = Path(__file__).with_name(RUNNER)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, DATE), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def collect(package: Package = PYTHON) -> dict[str, bytes]:
    """The files that the built site gets, by name; Unavailable where pyodide was not fetched."""
    return package.read() | {"library.zip": library()}
