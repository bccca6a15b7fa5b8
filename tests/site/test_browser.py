"""Every page in Chromium, wide and narrow, light and dark: no other host, no error, no overflow, accessible."""

from __future__ import annotations

import re

import pytest

from book.extensions import api
from book.site import check
from tests.site.browser import SITE, Visit

# The first view of a width loads the page. Dark differs from light in its contrasts only, narrow from wide in the rest.
VIEWS = (("wide", "light", "all"), ("wide", "dark", "contrast"), ("narrow", "dark", None), ("narrow", "light", "other"))


def pages() -> list[str]:
    """The book's pages, without those that only lead to another one."""
    paths = check.content_pages(SITE) if SITE.is_dir() else []
    names = [str(path.relative_to(SITE)) for path in paths if not check.Page(path.read_text()).leads_to]
    # The page for addresses that do not exist needs the site's own root: tests/site/doors looks at it there.
    return [name for name in names if name not in ("genindex.html", "404.html")]


def faults(seen: Visit, name: str, axe_script: str) -> list[str]:
    """All that is wrong with a page, seen in each theme and width; it is loaded once in each width."""
    found, last = [], ""
    for width, scheme, rules in VIEWS:
        seen.set_view(width, scheme)
        if width != last:
            seen.open(name)
        last = width
        here = seen.layout() + (seen.accessibility(axe_script, rules) if rules else [])
        found += [f"{width} {scheme}: {fault}" for fault in here]
    return found + seen.problems


@pytest.mark.slow
@pytest.mark.parametrize("name", pages())
def test_page(in_book, axe_script, name):
    assert faults(in_book, name, axe_script) == []


@pytest.mark.slow
def test_the_checks_can_fail(in_book, axe_script):
    """Each fault is found, in the views that have it and in no other."""
    name = "book/references.html"
    broken = """<style>[data-theme=dark] .dim { color: #333; background: #222 }</style><p class="dim">dim, dark</p>
      <img src="https://example.org/x.png"><div style="width: 900px">wide</div>
      <div class="pst-scrollable-table-container"><div style="width: 9000px">a table</div></div>
      <div style="width: 0"><span class="together" style="white-space: normal">DRN-A-18</span></div>
      <script>throw new Error("broken")</script></article>"""
    body = (SITE / name).read_text(encoding="utf-8").replace("</article>", broken)
    body = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", body)  # which would stop the script
    in_book.page.route(f"**/{name}", lambda route: route.fulfill(content_type="text/html", body=body))
    found = faults(in_book, name, axe_script)

    def views(fault: str) -> list[str]:
        return [line.split(": ")[0] for line in found if fault in line]

    assert views("color-contrast: .dim") == ["wide dark"]
    assert views("the page is wider than the window") == ["narrow dark", "narrow light"]
    assert views("image-alt: img") == ["wide light", "narrow light"]
    assert views("cut table: a table") == ["wide light", "wide dark"]
    assert views("in two lines: DRN-A-18") == [f"{width} {scheme}" for width, scheme, _ in VIEWS]
    assert found.count("request to another host: https://example.org/x.png") == 2
    assert found.count("JavaScript error: broken") == 2


def test_names_sizes_and_shares_are_kept_together(built):
    text = (built / "notebooks" / "02_resnet_to_drn_a.html").read_text(encoding="utf-8")
    for part in ("DRN-A-18", "ResNet-18", "28 × 28"):
        assert f'<span class="together">{part}</span>' in text
    chapter = (built / "notebooks" / "06_localization.html").read_text(encoding="utf-8")
    assert re.search(r"errs on <!-- n:[^>]+--><span class=\"together\">\d+(?:\.\d)? %</span><!-- /n -->", chapter)
    left = re.sub(r"(?s)<pre.*?</pre>|<span class=\"together\">.*?</span>", "", chapter)
    assert not re.search(r"\d(?:<!-- /n -->)? %", left)
    assert '<span class="together">' not in text[text.index("<pre") : text.index("</pre>")]  # code is left alone


@pytest.mark.slow
def test_old_addresses_lead_to_the_pages_of_today(in_book):
    for old, new in {"": "book/index.html", **{f"book/{name}.html": "book/api.html" for name in api.MOVED}}.items():
        in_book.page.goto(f"{in_book.address}/{old}", wait_until="load")
        in_book.page.wait_for_url(f"**/{new}")
        assert in_book.page.locator("article h1").count() == 1
    assert in_book.problems == []


@pytest.mark.slow
def test_search_finds_a_term(in_book):
    in_book.open("search.html?q=dilation")
    in_book.page.wait_for_selector("#search-results li a")
    assert in_book.problems == []
