"""Every page in Chromium, wide and narrow, light and dark: no other host, no error, no overflow, accessible."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from book.extensions import check_site
from tests import ROOT

SITE = ROOT / "_build" / "html"
WIDTHS = {"wide": {"width": 1440, "height": 900}, "narrow": {"width": 390, "height": 844}}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
PATIENCE = 120_000  # milliseconds; a busy machine is slow, not wrong
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
# The theme's and docutils' own faults: rule of axe -> a part of the selector or of the element that it reports.
THEME_FAULTS = {
    "label-content-name-mismatch": ("search-button", "theme-switch-button"),
    "region": ("navbar-brand", "logo__image", "sidebar-primary-item"),
    "aria-allowed-role": ('class="citation"',),
    "aria-deprecated-role": ('class="citation"',),
    "aria-required-children": ('class="citation-list"',),
}


def pages() -> list[str]:
    """The book's pages; the site's own index.html only leads to the first of them."""
    names = [str(path.relative_to(SITE)) for path in check_site.content_pages(SITE)] if SITE.is_dir() else []
    return [name for name in names if name not in ("index.html", "genindex.html")]


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture(scope="module")
def address():
    if not (SITE / "index.html").is_file():
        pytest.skip("the built site: `make book` makes it")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def executable() -> str | None:
    """The browser of this machine."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    if executable() is None:
        reason = "the browser checks: no Chromium here (on Debian: apt-get install chromium)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def axe_script() -> str:
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


class Visit:
    """One page in one view, and all that went wrong while it loaded."""

    def __init__(self, browser, address: str, width: str) -> None:
        self.address = address
        self.problems: list[str] = []
        self.context = browser.new_context(viewport=WIDTHS[width], color_scheme="light", reduced_motion="reduce")
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.page.route("**/*", self.answer)
        self.page.on("response", lambda r: r.status >= 400 and self.problems.append(f"{r.status}: {r.url}"))
        self.page.on("pageerror", lambda error: self.problems.append(f"JavaScript error: {error}"))
        self.page.on("console", lambda m: m.type == "error" and self.problems.append(f"console error: {m.text}"))

    def answer(self, route) -> None:
        url = route.request.url
        if url.startswith((self.address + "/", "data:", "blob:")):
            route.continue_()
        else:
            self.problems.append(f"request to another host: {url}")
            route.abort()

    def open(self, name: str) -> None:
        self.page.goto(f"{self.address}/{name}", wait_until="load")
        # Formulas are set after the load event.
        if self.page.locator(".math").count():
            self.page.wait_for_selector("mjx-container", state="attached")
        self.page.wait_for_timeout(300)

    def set_scheme(self, scheme: str) -> None:
        self.page.emulate_media(color_scheme=scheme)
        self.page.wait_for_selector(f"html[data-theme={scheme}]", state="attached")

    def overflow(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def cut_tables(self) -> list[str]:
        """The headings of tables that show some of their columns only after scrolling."""
        boxes = "[...document.querySelectorAll('.pst-scrollable-table-container')]"
        return self.page.evaluate(
            f"{boxes}.filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.innerText.slice(0, 80))"
        )

    def broken_in_two(self) -> list[str]:
        """The networks' names and the sizes that stand in two lines."""
        names = "[...document.querySelectorAll('article .together')]"
        return self.page.evaluate(
            f"{names}.filter((name) => name.getClientRects().length > 1).map((name) => name.innerText)"
        )

    def accessibility(self, script: str) -> list[str]:
        self.page.evaluate(script)
        options = json.dumps({"runOnly": AXE_TAGS, "resultTypes": ["violations"]})
        result = self.page.evaluate(f"axe.run(document, {options})")
        found = []
        for violation in result["violations"]:
            for node in violation["nodes"]:
                selector = " ".join(str(part) for part in node["target"])
                place = f"{selector}: {node['html'][:200]}"
                if not any(part in place for part in THEME_FAULTS.get(violation["id"], ())):
                    found.append(f"{violation['id']}: {place}")
        return found


@pytest.fixture
def visit(browser, address):
    visits = []

    def start(width: str) -> Visit:
        visits.append(Visit(browser, address, width))
        return visits[-1]

    yield start
    for one in visits:
        one.context.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", pages())
def test_page(visit, axe_script, name, width):
    seen = visit(width)
    seen.open(name)
    assert seen.problems == []
    for scheme in ("light", "dark"):
        seen.set_scheme(scheme)
        assert seen.overflow() <= 0, f"{scheme}: the page is wider than the window"
        assert seen.accessibility(axe_script) == [], scheme
    assert seen.broken_in_two() == []
    if width == "wide":
        assert seen.cut_tables() == []


def test_names_sizes_and_shares_are_kept_together():
    text = (SITE / "book" / "index.html").read_text(encoding="utf-8") if SITE.is_dir() else pytest.skip("no built site")
    for part in ("DRN-A-18", "ResNet-18", "28 × 28"):
        assert f'<span class="together">{part}</span>' in text
    chapter = (SITE / "notebooks" / "06_localization.html").read_text(encoding="utf-8")
    assert re.search(r"errs on <!-- n:[^>]+--><span class=\"together\">\d+\.\d %</span><!-- /n -->", chapter)
    left = re.sub(r"(?s)<pre.*?</pre>|<span class=\"together\">.*?</span>", "", chapter)
    assert not re.search(r"\d(?:<!-- /n -->)? %", left)
    assert '<span class="together">' not in text[text.index("<pre") : text.index("</pre>")]  # code is left alone


@pytest.mark.slow
def test_the_first_address_leads_to_the_first_page(visit):
    seen = visit("wide")
    seen.page.goto(f"{seen.address}/", wait_until="load")
    seen.page.wait_for_url("**/book/index.html")
    assert seen.problems == []


@pytest.mark.slow
def test_search_finds_a_term(visit):
    seen = visit("wide")
    seen.open("search.html?q=dilation")
    seen.page.wait_for_selector("#search-results li a")
    assert seen.problems == []


@pytest.mark.slow
def test_the_checks_can_fail(visit, axe_script):
    seen = visit("narrow")
    seen.open("book/references.html")
    seen.page.evaluate(
        """document.querySelector("article").innerHTML += `<img src="https://example.org/x.png">
        <div style="width: 900px">wide</div>
        <div class="pst-scrollable-table-container"><div style="width: 9000px">a table</div></div>
        <div style="width: 0"><span class="together" style="white-space: normal">DRN-A-18</span></div>`;
        setTimeout(() => { throw new Error("broken") })"""
    )
    seen.page.wait_for_timeout(500)
    assert any("another host" in problem for problem in seen.problems)
    assert any("JavaScript error" in problem for problem in seen.problems)
    assert seen.overflow() > 0
    assert seen.cut_tables() == ["a table"]
    assert seen.broken_in_two() == ["DRN-A-18"]
    assert any(problem.startswith("image-alt") for problem in seen.accessibility(axe_script))
