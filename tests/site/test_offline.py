"""The book as a PDF and an EPUB: its links lead within it, its XML is sound, the site leads to it where it is there."""

from __future__ import annotations

import re
import zipfile
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from book.extensions import policy
from book.offline import __main__ as offline
from book.offline import pages, printed
from book.offline.epub import bound, write_epub
from book.site import check
from tests import ROOT

SOME = (
    "book/index",
    "book/live",
    "book/claims",
    "book/paper-vs-code",
    "notebooks/01_dilation_arithmetic",
    "notebooks/02_resnet_to_drn_a",
    "book/solutions",
    "book/references",
)
"""Pages with formulas, a WebP, folds, explorers, and links to each other."""
MATHML = "{http://www.w3.org/1998/Math/MathML}math"
XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture(scope="module")
def taken(browser, built, site, tmp_path_factory):
    """Some of the book's pages, their PDF and their EPUB."""
    folder = tmp_path_factory.mktemp("offline")
    listed = [(part, name) for part, name in pages.contents(offline.TOC) if name in SOME]
    found = pages.read(browser, site, listed)
    printed.print_pdf(browser, site, found, folder / "book.pdf")
    write_epub(found, built, folder / "book.epub")
    return found, folder


def made(name: str, html: str) -> pages.Page:
    return pages.Page(name, "", name, html, html, [], "", {})


def test_all_pages_are_in_it_in_the_order_of_the_table_of_contents():
    listed = re.findall(r"(?:file|root):\s*([^\s,}]+)", offline.TOC.read_text(encoding="utf-8"))
    assert [name for _, name in pages.contents(offline.TOC)] == listed and set(SOME) <= set(listed)


def test_ids_of_two_pages_stay_apart_and_links_lead_to_the_right_one():
    first = '<h1 id="summary">A</h1><a href="site:b.html#summary">x</a><a href="site:a.html">y</a>'
    html = printed.whole([made("a", first), made("b", '<h1 id="summary">B</h1><a href="site:gone.html">z</a>')])
    assert re.findall(r'<h1 id="([^"]+)"', html) == ["p0-summary", "p1-summary"]
    assert '<a href="#p1-summary">x</a><a href="#p0">y</a>' in html and "<a >z</a>" in html


@pytest.mark.slow
def test_every_link_within_the_printed_page_leads_somewhere(taken):
    html = printed.whole(taken[0])
    page = check.Page(html)
    targets = {unquote(link[1:]) for link in page.links if link.startswith("#")}
    assert (
        any("-" in target for target in targets)
        and len(targets) > len(SOME)
        and targets - page.ids == set()
        and "site:" not in html
    )
    assert len(re.findall(r' id="', html)) == len(page.ids), "no id twice"
    titles = {page.name: page.title for page in taken[0]}
    assert titles["notebooks/02_resnet_to_drn_a"] == "02 From ResNet to DRN-A"
    assert 'class="offline"' not in html, "what a site with the files has more than one without"
    assert "<button" not in html and "<script" not in html and "<details open" in html


@pytest.mark.slow
def test_the_pdf_is_whole(taken):
    content = (taken[1] / "book.pdf").read_bytes()
    assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
    assert int(max(re.findall(rb"/Count (\d+)", content), key=int)) > 20, "pages"
    assert b"/Outlines" in content and b"/StructTreeRoot" in content


@pytest.mark.slow
def test_the_epub_is_sound(taken):
    with zipfile.ZipFile(taken[1] / "book.epub") as file:
        assert file.testzip() is None
        names = [entry.filename for entry in file.infolist()]
        assert names[0] == "mimetype" and file.infolist()[0].compress_type == zipfile.ZIP_STORED
        assert len(names) == len(set(names))
        package = ElementTree.fromstring(file.read("book.opf"))
        items = [item.attrib for item in package.iter("{http://www.idpf.org/2007/opf}item")]
        assert {item["href"] for item in items} == set(names) - {"mimetype", "META-INF/container.xml", "book.opf"}
        assert {item["media-type"] for item in items} <= {
            "application/xhtml+xml",
            "text/css",
            "image/png",
            "image/svg+xml",
            "image/jpeg",
        }
        texts = {name: ElementTree.fromstring(file.read(name)) for name in names if name.endswith(".xhtml")}
    ids = {name: [node.get("id") for node in text.iter() if node.get("id")] for name, text in texts.items()}
    formulas = 0
    for name, text in texts.items():
        assert len(ids[name]) == len(set(ids[name]))
        formulas += len(list(text.iter(MATHML)))
        for node in text.iter(f"{XHTML}img"):
            assert node.get("src") in names and node.get("alt")
        for node in text.iter(f"{XHTML}a"):
            target, _, fragment = (node.get("href") or name).partition("#")
            if not target.startswith("http"):
                assert (target or name) in texts and (not fragment or unquote(fragment) in ids[target or name]), (
                    node.attrib
                )
    assert formulas > 30


def test_a_picture_that_an_epub_may_not_hold_is_given_as_png(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    page = pages.Page(
        "p", "", "P", "", '<img src="x/b.webp" alt="b"/><img src="a.png" alt="a"/>', [], "", {"x/b.webp": "Yg=="}
    )
    assert bound([page], tmp_path).pictures == {"pictures/b.png": b"b", "pictures/a.png": b"a"}


def test_the_site_leads_to_the_files_where_they_are(tmp_path):
    words = "word " * check.MIN_WORDS
    page = tmp_path / "book" / "index.html"
    page.parent.mkdir()
    html = f'<meta charset="utf-8"><article><h1>A</h1>{words}{offline.MARKER}</article>'
    page.write_text(policy.protected(html))
    assert check.site_problems(tmp_path) == [], "without the files there is no link"
    for kind, size in (("pdf", 2_000_000), ("epub", 3_000_000)):
        (tmp_path / f"{offline.NAME}.{kind}").write_bytes(bytes(size))
    for _ in range(2):
        offline.lead_there(tmp_path)
        assert check.Page(page.read_text()).links == [f"../{offline.NAME}.pdf", f"../{offline.NAME}.epub"]
    assert "a PDF (2 MB)" in page.read_text() and check.site_problems(tmp_path) == []
    (tmp_path / f"{offline.NAME}.pdf").unlink()
    assert "dead link" in check.site_problems(tmp_path)[0]
    page.write_text(html.replace(offline.MARKER, ""))
    (tmp_path / f"{offline.NAME}.pdf").write_bytes(b"")
    with pytest.raises(ValueError, match="not one place"):
        offline.lead_there(tmp_path)


def test_the_pages_are_published_with_the_files_and_the_first_page_has_a_place_for_them():
    steps = (ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
    assert steps.index("make book") < steps.index("make offline") < steps.index("upload-pages-artifact")
    assert (ROOT / "book" / "index.md").read_text(encoding="utf-8").count(offline.MARKER) == 1
