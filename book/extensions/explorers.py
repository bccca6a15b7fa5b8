"""A Sphinx extension: puts the explorers into the rendered pages, and into the contents of these pages.

A chapter asks its question in a block quote. The quote's last paragraph says in plain Markdown that the book's page has
an explorer, links to it, and ends with an invisible comment, `<!-- explorer:receptive-01 -->`; Colab and Jupyter show
both. In the rendered page the question stays, that last paragraph goes, and below the quote stands the still picture
with its caption, in whose place `_static/explorers/start.mjs` puts the live explorer. "On this page" leads to it, below
the entry of its section, and other pages may link to its name. Pages without an explorer load none of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from xml.etree import ElementTree

from docutils import nodes
from sphinx import addnodes

from book import ROOT
from book.extensions.placing import PAGES, load_where, to_root

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


def title(name: str) -> str:
    """What the contents of a page call its explorer: the explorer's own heading."""
    places = json.loads((FOLDER / f"{name.split('-')[0]}.json").read_text(encoding="utf-8"))["places"]
    return f"Explorer: {places[name]['title']}"


def marked(doctree: nodes.document) -> Iterator[tuple[nodes.block_quote, nodes.paragraph, str]]:
    """The block quote that asks, its last paragraph, which names the explorer, and the explorer's name.

    Raises:
        ValueError: an explorer is named without a question before it.
    """
    for comment in list(doctree.findall(nodes.raw)):
        found = MARKER.fullmatch(comment.astext().strip())
        if found:
            paragraph, quote = comment.parent, comment.parent.parent
            before = quote[: quote.index(paragraph)] if isinstance(quote, nodes.block_quote) else []
            if not any("?" in part.astext() for part in before):
                raise ValueError(f"the explorer {found[1]} needs a block quote with its question in an own paragraph")
            yield quote, paragraph, found[1]


def place(app, doctree: nodes.document, docname: str) -> None:
    """Put each explorer below its question, instead of the paragraph that names it; other formats keep the quote."""
    if app.builder.name in PAGES:
        for quote, paragraph, name in marked(doctree):
            html = nodes.raw("", figure(name, to_root(app, docname)), format="html")
            quote.parent.insert(quote.parent.index(quote) + 1, html)
            quote.remove(paragraph)


def enter(app, doctree: nodes.document) -> None:
    """Enter each explorer into the contents of its page, and into the names that links from other pages may use."""
    env = app.env
    for quote, _, name in marked(doctree):
        anchor, text = f"explorer-{name}", title(name)
        env.metadata[env.docname].setdefault("myst_slugs", {})[anchor] = (0, anchor, text)
        link = nodes.reference("", text, internal=True, refuri=env.docname, anchorname=f"#{anchor}")
        entry = nodes.list_item("", addnodes.compact_paragraph("", "", link, skip_section_number=True))
        section = next(entry_of(env.tocs[env.docname], quote.parent["ids"]))
        if not isinstance(section[-1], nodes.bullet_list):
            section += nodes.bullet_list()
        section[-1].append(entry)


def entry_of(contents: nodes.bullet_list, ids: list[str]) -> Iterator[nodes.list_item]:
    """The entry of the section with these ids in the contents of its page."""
    for link in contents.findall(nodes.reference):
        if link["anchorname"].removeprefix("#") in ids:
            yield link.parent.parent


def setup(app) -> dict:
    app.connect("doctree-read", enter, priority=900)  # after Sphinx has collected the page's headings
    app.connect("doctree-resolved", place)
    load_where(app, 'class="explorer"', "explorers/explorers.css", "explorers/start.mjs")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
