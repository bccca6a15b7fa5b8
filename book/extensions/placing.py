"""What the book's extensions share: an element in place of a marked paragraph, its style and script."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from docutils import nodes

PAGES = ("html", "singlehtml")
"""The builders whose pages take HTML of our own; an EPUB keeps the plain paragraphs."""


def to_root(app, docname: str) -> str:
    """The path from a page to the site's root, "../" for a page in a folder."""
    here = posixpath.dirname(app.builder.get_target_uri(docname))
    return posixpath.relpath(".", here or ".") + "/"


def replace_marked(app, marker: re.Pattern, html: Callable[[str, str], str]) -> None:
    """Replace each paragraph that ends with an invisible comment by HTML; other formats keep the paragraph.

    Args:
        app: Sphinx's.
        marker: matches the whole comment; its group is the name of what belongs there.
        html: takes that name and the path to the site's root, and returns the HTML.
    """

    def place(app, doctree: nodes.document, docname: str) -> None:
        if app.builder.name not in PAGES:
            return
        for comment in list(doctree.findall(nodes.raw)):
            found = marker.fullmatch(comment.astext().strip())
            if found:
                block = comment
                while not isinstance(block.parent, (nodes.section, nodes.document)):
                    block = block.parent
                block.replace_self(nodes.raw("", html(found[1], to_root(app, docname)), format="html"))

    app.connect("doctree-resolved", place)


def load_where(app, sign: str, *files: str) -> None:
    """Load files of `_static`, .css and .mjs, on the pages whose body contains `sign`."""

    def load(app, pagename: str, templatename: str, context: dict, doctree) -> None:
        if sign in context.get("body", ""):
            for file in files:
                if file.endswith(".css"):
                    app.add_css_file(file)
                else:
                    app.add_js_file(file, type="module")

    app.connect("html-page-context", load)
