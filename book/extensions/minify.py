"""A Sphinx extension: the built site gets the book's own scripts and styles without comments and needless spaces.

The sources keep both, since they are written to be read; rjsmin and rcssmin take them out and change no name. rjsmin
knows no template literal within another and would take the inner one for code, so such a script is refused.
"""

from __future__ import annotations

import re
from pathlib import Path

import rcssmin
import rjsmin

FOLDERS = ("explorers", "exercises")
"""Folders of `_static` whose files are the book's own."""
SHRINK = {".mjs": rjsmin.jsmin, ".css": rcssmin.cssmin}
_TEMPLATE = re.compile(r"`(?:[^`\\]|\\.)*`", re.DOTALL)
_PLACE = re.compile(r"\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")


def small(path: Path) -> str:
    """The text of a script or style as the site gets it.

    Raises:
        ValueError: a template literal stands within another.
    """
    made = SHRINK[path.suffix](path.read_text(encoding="utf-8"))
    for literal in _TEMPLATE.findall(made) if path.suffix == ".mjs" else ():
        if literal.count("${") != len(_PLACE.findall(literal)):  # paired as rjsmin pairs them
            raise ValueError(f"{path.name}: give the template literal within {literal[:60]!r} a name of its own")
    return made


def shrink(app, exception: Exception | None) -> None:
    """Shrink the files of a built site, in place."""
    if exception is None and app.builder.format == "html":
        for folder in FOLDERS:
            for path in sorted((Path(app.outdir) / "_static" / folder).glob("*")):
                if path.suffix in SHRINK:
                    path.write_text(small(path), encoding="utf-8")


def setup(app) -> dict:
    app.connect("build-finished", shrink)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
