"""What a reader of a built chapter meets before its claims and exercises: words, numbers and tables in all that stands
there. Captions, folds, outputs, explorers and the chapter's map count; the code of cells does not."""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup

from book.chapters import road
from tests.notebooks import chapters, reading

MOST = {"words": 2900, "numbers": 260, "tables": 2}
"""What a page may hold: 2,500 words of prose, as `test_reading` allows, with map and outputs around them."""


def measure(html: str) -> dict[str, int]:
    """The counts of a chapter's page up to the heading where its own text ends."""
    article = BeautifulSoup(html, "html.parser").find("article")
    for gone in article.select("div.cell_input, script, style, a.headerlink, math, span.math, div.math"):
        gone.decompose()
    for heading in article.find_all(re.compile("h[1-6]")):
        if road.END.search("# " + heading.get_text(" ", strip=True)):
            for after in [*heading.find_all_next(), heading]:
                after.extract()
            break
    text = " ".join(article.get_text(" ").split())
    tables = article.find_all("table")
    return {"words": len(text.split()), "numbers": len(reading.numbers(text)), "tables": len(tables)}


@pytest.mark.parametrize("path", chapters.PATHS, ids=lambda path: path.name[:2])
def test_a_built_chapter_is_short(built, path):
    found = measure((built / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8"))
    assert found["words"] > 1200
    assert {name: found[name] for name, most in MOST.items() if found[name] > most} == {}


def test_what_is_counted():
    """All that is read counts, and what comes after the claims does not."""
    page = """<nav>one</nav><article><h1>04 A title<a class="headerlink">#</a></h1>
    <p>DRN-A-18 has 28 cells, level 5 too.</p>
    <figure><figcaption>Figure 4.1. Caption of 7 cells.</figcaption></figure><details><p>A fold.</p></details>
    <div class="cell"><div class="cell_input">x = 1</div><div class="cell_output">0.25 0.5</div></div><table></table>
    <h2>Claims settled here</h2><p>C8 and 99 words</p><table></table></article>"""
    assert measure(page) == {"words": 20, "numbers": 5, "tables": 1}
