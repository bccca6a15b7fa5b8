"""One browser and one server of the built site for all tests of a worker, and pages with an explorer each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from book.extensions import explorers
from tests.site.browser import FLAGS, SITE, Visit, executable, serve
from tests.site.explorers import FOLDER, PAGES

EXPLORER = """<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>A page</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="../_static/explorers/explorers.css">
<script type="module" src="../_static/explorers/start.mjs"></script></head><body><main>{figure}</main></body></html>"""


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the built site."""
    if not (SITE / "index.html").is_file():
        pytest.skip("the built site: `make book` makes it")
    return SITE


@pytest.fixture(scope="session")
def site(built):
    """The address of the built site."""
    server = serve(built)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    if executable() is None:
        reason = "the browser checks: no Chromium here (on Debian: apt-get install chromium)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def axe_script() -> str:
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def in_book(browser, site):
    """A visit of the built site."""
    seen = Visit(browser, site)
    yield seen
    seen.context.close()


@pytest.fixture(scope="session")
def explorer_pages(tmp_path_factory):
    """Small pages with nothing but an explorer each, as the extension writes it, in a sub-folder of a host."""
    root = tmp_path_factory.mktemp("host")
    folder = root / "some" / "folder"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "_static").symlink_to(FOLDER.parent, target_is_directory=True)
    for place in PAGES:
        page = EXPLORER.format(figure=explorers.figure(place, "../"))
        (folder / "notebooks" / f"{place}.html").write_text(page, encoding="utf-8")
    server = serve(root)
    yield f"http://127.0.0.1:{server.server_port}/some/folder"
    server.shutdown()


@pytest.fixture
def visit(browser, explorer_pages):
    """Opens the small page of an explorer; nothing may have gone wrong there at the end."""
    visits = []

    def start(place: str) -> tuple[Visit, object]:
        seen = Visit(browser, explorer_pages)
        visits.append(seen)
        seen.page.goto(f"{explorer_pages}/notebooks/{place}.html", wait_until="load")
        seen.page.wait_for_selector(f"#explorer-{place}.explorer-live")
        return seen, seen.page.locator(f"#explorer-{place}")

    yield start
    for one in visits:
        one.context.close()
    assert [problem for one in visits for problem in one.problems] == []


@pytest.fixture(scope="session")
def modules(browser):
    """Runs a function of JavaScript, which is given the explorers' modules by name and one argument."""
    server = serve(FOLDER)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/gridding.json")
    names = "geometry networks lattice sort boxes threshold".split()
    imports = f"Promise.all({names}.map((name) => import(`/${{name}}.mjs`)))"

    def run(body: str, argument):
        function = f"async (argument) => {{ const [{', '.join(names)}] = await {imports}; {body} }}"
        return page.evaluate(function, argument)

    yield run
    page.close()
    server.shutdown()
