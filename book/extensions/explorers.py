"""A Sphinx extension: puts the explorers into the rendered pages.

A chapter says in plain Markdown that the book's page has an explorer here, links to that page, and ends the paragraph
with an invisible comment, `<!-- explorer:receptive-01 -->`; Colab and Jupyter show that sentence. In the rendered page
the whole paragraph gives way to the still picture with its caption, and `_static/explorers/start.mjs` puts the live
explorer in its place. Pages without an explorer load none of it.
"""

from __future__ import annotations

import re
from html import escape
from xml.etree import ElementTree

from book import ROOT
from book.extensions.placing import load_where, replace_marked

FOLDER = ROOT / "book" / "_static" / "explorers"
MARKER = re.compile(r"<!-- explorer:([\w-]+) -->")


def figure(name: str, prefix: str) -> str:
    """The HTML of the explorer `name` as it stands before any script runs; `prefix` leads to the site's root.

    Raises:
        ValueError: there is no such place.
    """
    still = FOLDER / f"{name}.svg"
    if not still.is_file():
        known = ", ".join(path.stem for path in sorted(FOLDER.glob("*.svg")))
        raise ValueError(f"no explorer is called {name!r}; explorers.data.PLACES has {known}")
    root = ElementTree.parse(still).getroot()
    alt, caption = (escape(root.findtext(f"{{*}}{tag}")) for tag in ("title", "desc"))
    return (
        f'<figure class="explorer" id="explorer-{name}" data-explorer="{name}">'
        f'<img src="{prefix}_static/explorers/{name}.svg" alt="{alt}" loading="lazy">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def setup(app) -> dict:
    replace_marked(app, MARKER, figure)
    load_where(app, 'class="explorer"', "explorers/explorers.css", "explorers/start.mjs")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
