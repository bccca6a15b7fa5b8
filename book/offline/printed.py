"""The whole book as one page, printed to a PDF."""

from __future__ import annotations

import re
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from book.chapters.version import VERSION
from book.offline.pages import PATIENCE, Page

STYLE = Path(__file__).with_name("print.css")
TITLE = "Dilated Residual Networks"
FOOTER = '<p class="pageNumber" style="width: 100%; text-align: center; font: 8px sans-serif; color: #555"></p>'
MARGIN = {"top": "16mm", "bottom": "16mm", "left": "16mm", "right": "16mm"}
LOADED = """async () => {
  await Promise.all([...document.images].map((image) => image.decode()));
  await document.fonts.ready;
}"""


def linked(html: str, place: str, places: dict[str, str]) -> str:
    """An article with its ids made the whole book's, and its links led within the book, or dropped where it has no such
    page.

    Args:
        html: the article.
        place: what its ids begin with.
        places: what the ids of each page begin with, by the page's address.
    """

    def lead(match: re.Match) -> str:
        page, _, fragment = match[1].partition("#")
        return f'href="#{places[page]}{f"-{fragment}" if fragment else ""}"' if page in places else ""

    html = re.sub(r'(?<=\s)id="([^"]*)"', rf'id="{place}-\1"', html)
    return re.sub(r'href="site:([^"]*)"', lead, html)


def whole(pages: list[Page]) -> str:
    """The one page of HTML."""
    places = {f"{page.name}.html": f"p{number}" for number, page in enumerate(pages)}
    sheets = dict.fromkeys(sheet for page in pages for sheet in page.sheets)
    formulas = dict.fromkeys(rule for page in pages for rule in page.formulas.split("\n\n"))
    lists = []
    for part, members in groupby(pages, key=lambda page: page.part):
        entries = "".join(
            f'<li><a href="#{places[f"{page.name}.html"]}">{escape(page.title)}</a></li>' for page in members
        )
        lists.append(f"{f'<h2>{escape(part)}</h2>' if part else ''}<ul>{entries}</ul>")
    articles = [
        f'<article class="bd-article" id="{place}">{linked(page.html, place, places)}</article>'
        for page, place in zip(pages, places.values())
    ]
    return "".join(
        [
            f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{TITLE}</title>',
            *(f'<link rel="stylesheet" href="/{sheet}">' for sheet in sheets),
            "<style>",
            *formulas,
            STYLE.read_text(encoding="utf-8"),
            f'</style></head><body><div class="first"><p class="title">{TITLE}</p>',
            f"<p>Version {VERSION}</p>{''.join(lists)}</div>",
            *articles,
            "</body></html>",
        ]
    )


def print_pdf(browser: Any, address: str, pages: list[Page], path: Path) -> None:
    """Print the pages to a file."""
    tab = browser.new_page(color_scheme="light")
    tab.set_default_timeout(PATIENCE)
    html = whole(pages)
    tab.route("**/whole.html", lambda route: route.fulfill(content_type="text/html", body=html))
    tab.goto(f"{address}/whole.html", wait_until="load")
    tab.evaluate(LOADED)
    tab.pdf(
        path=str(path),
        format="A4",
        scale=0.75,
        margin=MARGIN,
        print_background=True,
        outline=True,
        tagged=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOTER,
    )
    tab.close()
