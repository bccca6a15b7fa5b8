"""A Sphinx extension: puts the explorers into the rendered pages.

A chapter says in plain Markdown that the book's page has an explorer here, links to that page, and ends the paragraph
with an invisible comment, `<!-- explorer:receptive-01 -->`; Colab and Jupyter show that sentence. In the rendered page
the whole paragraph gives way to the still picture with its caption, and `_static/explorers/start.mjs` puts the live
explorer in its place. Pages without an explorer load none of it.
"""

from __future__ import annotations

import posixpath
import re
from html import escape
from xml.etree import ElementTree

from docutils import nodes

from book import ROOT

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


def to_root(app, docname: str) -> str:
    """What leads from a page to the site's root, "../" for a page in a folder."""
    here = posixpath.dirname(app.builder.get_target_uri(docname))
    return posixpath.relpath(".", here or ".") + "/"


def place(app, doctree: nodes.document, docname: str) -> None:
    """Exchange each marked paragraph for its explorer; formats other than HTML keep the paragraph."""
    if app.builder.format != "html":
        return
    prefix = to_root(app, docname)
    for comment in list(doctree.findall(nodes.raw)):
        found = MARKER.fullmatch(comment.astext().strip())
        if found:
            block = comment.parent
            while isinstance(block.parent, nodes.block_quote):
                block = block.parent
            block.replace_self(nodes.raw("", figure(found[1], prefix), format="html"))


def load(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Style and script on the pages that have an explorer."""
    if 'class="explorer"' in context.get("body", ""):
        app.add_css_file("explorers/explorers.css")
        app.add_js_file("explorers/start.mjs", type="module")


def setup(app) -> dict:
    app.connect("doctree-resolved", place)
    app.connect("html-page-context", load)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
