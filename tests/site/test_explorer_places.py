"""Where a page puts its explorer: below the question that it answers, and in the contents of the page."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from docutils import nodes

from book.explorers import data
from book.extensions import explorers
from tests.site.explorers import PAGES

QUESTION, COLAB = "Which two layers would you add?", "The book's page has an explorer for this."


def page(*before: str, name: str = "gridding-03", quoted: bool = True) -> nodes.document:
    """A page with one section, in which an explorer is named after paragraphs of the same block quote."""
    named = nodes.paragraph("", COLAB, nodes.raw("", f"<!-- explorer:{name} -->", format="html"))
    parts = [*(nodes.paragraph("", text) for text in before), named]
    block = [nodes.block_quote("", *parts)] if quoted else parts
    section = nodes.section("", nodes.title("", "3.3 Side by side"), *block, nodes.paragraph("", "An answer."))
    section["ids"] = ["side-by-side"]
    document = nodes.document("", "")
    document += section
    return document


def app(builder: str = "html"):
    """As much of Sphinx's application as the extension reads, with the contents of `page`."""
    links = [("", "03 Gridding"), ("#other", "3.2 Other"), ("#side-by-side", "3.3 Side by side")]
    title, *sections = (
        nodes.list_item("", nodes.paragraph("", "", nodes.reference("", text, anchorname=anchor)))
        for anchor, text in links
    )
    title += nodes.bullet_list("", *sections)
    tocs = {"notebooks/03_gridding": nodes.bullet_list("", title)}
    env = SimpleNamespace(docname="notebooks/03_gridding", metadata=defaultdict(dict), tocs=tocs)
    return SimpleNamespace(
        env=env, builder=SimpleNamespace(name=builder, get_target_uri=lambda docname: f"{docname}.html")
    )


def test_the_question_stays_above_the_figure_and_the_way_there_goes():
    document = page(QUESTION)
    explorers.place(app(), document, "notebooks/03_gridding")
    _, quote, figure, answer = document[0]
    assert quote.astext() == QUESTION and isinstance(quote, nodes.block_quote)
    assert 'id="explorer-gridding-03"' in figure.astext() and 'src="../_static/' in figure.astext()
    assert answer.astext() == "An answer."


def test_another_format_keeps_the_quote():
    document = page(QUESTION)
    explorers.place(app("epub"), document, "notebooks/03_gridding")
    assert document.astext() == page(QUESTION).astext()


@pytest.mark.parametrize("document", [page(), page("Press one."), page(QUESTION, quoted=False)])
def test_an_explorer_without_a_question_is_an_error(document):
    with pytest.raises(ValueError, match="gridding-03 needs a block quote with its question"):
        list(explorers.marked(document))


def test_the_contents_of_a_page_name_its_explorers_below_their_section():
    here = app()
    explorers.enter(here, page(QUESTION))
    explorers.enter(here, page(QUESTION, name="sort-03"))
    (title,) = here.env.tocs["notebooks/03_gridding"]
    other, section = title[-1]
    assert len(other) == 1 and section[0].astext() == "3.3 Side by side"
    links = list(section[1].findall(nodes.reference))
    assert [link["anchorname"] for link in links] == ["#explorer-gridding-03", "#explorer-sort-03"]
    assert [link.astext() for link in links] == [explorers.title("gridding-03"), explorers.title("sort-03")]
    names = here.env.metadata["notebooks/03_gridding"]["myst_slugs"]
    assert list(names) == ["explorer-gridding-03", "explorer-sort-03"]


def test_each_explorer_has_its_own_heading():
    assert list(data.TITLES) == list(data.PLACES)
    assert len({explorers.title(place) for place in PAGES}) == len(PAGES)


# ------------------------------------------------------------------------------------------------ in the built book


@pytest.mark.parametrize(("place", "chapter"), PAGES.items())
def test_a_built_page_asks_shows_and_answers(built, place, chapter):
    soup = BeautifulSoup((built / "notebooks" / f"{chapter}.html").read_text(encoding="utf-8"), "html.parser")
    figure = soup.find(id=f"explorer-{place}")
    question, answer = figure.find_previous_sibling(), figure.find_next_sibling()
    assert question.name == "blockquote" and question.get_text().strip().endswith("?")
    assert not question.find("a"), "the way to this page is for those who are elsewhere"
    following = answer if answer.name == "p" else answer.find("p")
    assert len(following.get_text().split()) > 8
    (link,) = soup.select(f'#pst-page-toc-nav a[href="#explorer-{place}"]')
    assert link.get_text() == explorers.title(place)


def test_how_to_read_leads_to_each_explorer(built):
    soup = BeautifulSoup((built / "book" / "how-to-read.html").read_text(encoding="utf-8"), "html.parser")
    links = {link["href"]: link.get_text() for link in soup.select("article a[href*='#explorer-']")}
    wanted = {f"../notebooks/{chapter}.html#explorer-{place}": place for place, chapter in PAGES.items()}
    assert links == {address: data.TITLES[place] for address, place in wanted.items()}
