"""A Sphinx extension: heads each chapter with a map of the way, and sets the captions of figures apart.

A chapter's map stands in it as plain Markdown, filled by `make numbers`, and ends with an invisible comment,
`<!-- map:01 -->`: in the rendered page that paragraph gives way to the map with the reader's place marked in it.

A figure's caption is the paragraph after its cell, which begins with its number in bold: "**Figure 3.1.** ...".
"""

from __future__ import annotations

import re

from docutils import nodes

from book.chapters import road
from book.extensions.placing import replace_marked

MARKER = re.compile(r"<!-- map:(\d\d) -->")
CAPTION = re.compile(r"Figure \d+\.\d+\.")


def mark_captions(app, doctree: nodes.document, docname: str) -> None:
    """Give each caption of a figure a class of its own, by which the book's style sets it apart."""
    for paragraph in doctree.findall(nodes.paragraph):
        first = next((child for child in paragraph if child.astext()), None)  # MyST puts an empty text before it
        if isinstance(first, nodes.strong) and CAPTION.fullmatch(first.astext()):
            paragraph["classes"].append("figure-caption")


def setup(app) -> dict:
    replace_marked(app, MARKER, road.as_html)
    app.connect("doctree-resolved", mark_captions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
