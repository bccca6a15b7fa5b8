"""The built site as files: the check that `make book` runs, and that the check itself can fail."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from book.chapters.version import SITE
from book.extensions import policy
from book.site import check
from tests import ROOT

WORDS = "word " * check.MIN_WORDS
PIXEL = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def small_site(tmp_path: Path) -> Path:
    """A page without fault, `a.html`, and its neighbour `b.html`."""
    first = f'<article><h1 id="top">A</h1>{WORDS}<a href="b.html#part">b</a></article>'
    other = f'<article><h2 id="part">B</h2>{WORDS}<img src="b.png" alt="A map"></article>'
    for name, text in (("a.html", first), ("b.html", other)):
        (tmp_path / name).write_text(policy.protected(f'<meta charset="utf-8">{text}'))
    (tmp_path / "b.png").write_bytes(PIXEL)
    return tmp_path


def append(site: Path, html: str) -> list[str]:
    page = site / "a.html"
    page.write_text(page.read_text() + html)
    return check.site_problems(site)


def test_a_page_without_fault_passes(small_site):
    assert check.site_problems(small_site) == []


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<a href="gone.html">x</a>', "dead link"),
        ('<a href="b.html#gone">x</a>', "dead fragment"),
        ('<a href="#gone">x</a>', "dead fragment"),
        ('<img src="b.png">', "without alt text"),
        ('<img src="b.png" alt="  ">', "without alt text"),
        ('<img src="b.png" alt="../_images/b.png">', "alt text is a file name"),
        ('<img src="gone.png" alt="A map">', "missing resource"),
        ('<a href="https://example.org/x">x</a>', "link to a host that is not in LINKED_HOSTS"),
        ('<a href="http://segment.py">x</a>', "link to a host that is not in LINKED_HOSTS"),
        ('<meta http-equiv="Refresh" content="0; url=gone.html">', "dead link"),
        ('<script src="https://cdn.example.org/x.js"></script>', "another host"),
        ("<script>alert(1)</script>", "does not fit its scripts"),
        ('<p onclick="alert(1)">x</p>', "does not fit its scripts"),
        ('<link rel="stylesheet" href="//cdn.example.org/x.css">', "another host"),
        ('<iframe src="http://example.org"></iframe>', "another host"),
        (f"<!-- {'x' * check.MAX_HTML_BYTES} -->", "bytes of HTML"),
    ],
)
def test_each_fault_is_found(small_site, html, expected):
    problems = append(small_site, html)
    assert len(problems) == 1 and expected in problems[0]


def test_a_page_without_a_policy_is_found(small_site):
    page = small_site / "a.html"
    page.write_text(page.read_text().replace(policy.HEAD, "<meta "))
    assert check.site_problems(small_site) == ["a.html: no Content-Security-Policy"]


def test_an_address_within_the_site_may_begin_at_its_root(small_site):
    base = check.urlsplit(check.SITE).path
    assert append(small_site, f'<a href="{base}b.html">x</a><a href="/b.html">y</a>') == []
    assert "dead link" in append(small_site, f'<a href="{base}gone.html">x</a>')[0]


def test_listed_hosts_and_data_pictures_are_allowed(small_site):
    assert append(small_site, '<a href="https://arxiv.org/x">x</a><img src="data:image/png;base64,AA" alt="A">') == []


def test_a_page_with_heavy_pictures_is_found(small_site):
    (small_site / "b.png").write_bytes(PIXEL + bytes(check.MAX_PAGE_BYTES))
    assert any("with its pictures" in problem for problem in check.site_problems(small_site))


def test_an_empty_page_and_an_empty_site_are_found(small_site, tmp_path_factory):
    (small_site / "c.html").write_text(
        policy.protected('<meta charset="utf-8"><article><h1>Only a title</h1></article>')
    )
    assert any("is empty" in problem for problem in check.site_problems(small_site))
    assert "no page was built" in check.site_problems(tmp_path_factory.mktemp("empty"))[0]


def test_a_page_that_only_leads_to_another_needs_no_words(small_site):
    page = '<meta charset="utf-8"><meta http-equiv="refresh" content="0; url=a.html">'
    (small_site / "c.html").write_text(policy.protected(page))
    assert check.site_problems(small_site) == []


def test_a_page_that_was_not_built_is_found(small_site):
    toc = small_site / "_toc.yml"
    toc.write_text("root: a\nparts:\n- caption: C\n  chapters: [{file: b}, {file: c}]\n")
    assert check.missing_pages(small_site, toc) == ["c: in the table of contents, but not built"]


def test_pruning_keeps_what_pages_ask_for(small_site):
    mathjax = small_site / "_static" / "mathjax"
    (mathjax / "sre").mkdir(parents=True)
    for name in ("tex-chtml.js", "sre/speech.js", "tex-chtml.js.map"):
        (mathjax / name).write_text("x")
    assert check.prune(small_site) == 2
    assert [p.name for p in mathjax.iterdir()] == ["tex-chtml.js"]


def test_the_built_site_has_no_problem(built):
    assert check.missing_pages(built, ROOT / "book" / "_toc.yml") == []
    assert check.site_problems(built) == []


def test_the_built_site_works_under_another_folder(built, tmp_path):
    """A project's page on a public host lies in a sub-folder: no address may start at the host's root.

    The page for what is not there has to, as it is shown at any depth; `doors/test_sharing.py` opens it there.
    """
    copy = tmp_path / "some" / "folder"
    shutil.copytree(built, copy, ignore=shutil.ignore_patterns("_static", "_images"))
    for path in check.content_pages(copy):
        page = check.Page(path.read_text(encoding="utf-8"))
        absolute = [a for a in page.links + page.resources if a.startswith("/")]
        assert all(a.startswith(urlsplit(SITE).path) for a in absolute) if path.name == "404.html" else not absolute


def test_only_the_search_page_allows_the_handlers_of_the_pages_that_it_reads():
    pages = ['<p onclick="one()">', '<p onclick="two()">', "<p>"]
    assert policy.read_by("search.html", pages) == ["one()", "two()"] and policy.read_by("a.html", pages) == []
    assert policy.source("two()") in policy.policy_of(pages[0], policy.read_by("search.html", pages))
