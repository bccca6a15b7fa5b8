"""The live page on a small site of its own, and one visit whose networks were loaded once."""

from __future__ import annotations

import os

import pytest

from book.live import files
from tests.site.browser import serve
from tests.site.live.site import FIRST, start, write_site


@pytest.fixture(scope="module")
def live():
    made = files.collect()
    if made.missing:
        reason = f"the live page in Chromium: {made.missing}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return made


@pytest.fixture(scope="module")
def address(live, tmp_path_factory):
    root = tmp_path_factory.mktemp("host")
    server = serve(root)
    page = write_site(root, live)
    yield f"http://127.0.0.1:{server.server_port}/{page.relative_to(root)}"
    server.shutdown()


@pytest.fixture(scope="module")
def running(browser, address):
    """One page whose networks were loaded once, and what was asked for before and after the click; tests share it."""
    opened = start(browser, address)
    opened.page.wait_for_selector(".begin")
    opened.before = list(opened.asked)
    opened.offer = opened.page.locator(".begin").inner_text()
    opened.page.locator(".begin").click()
    opened.page.wait_for_selector(FIRST)
    opened.opened_words = opened.figure.locator("output").all_inner_texts()
    opened.opened = {
        "pressed": opened.figure.locator(".samples [aria-pressed=true]").all_inner_texts(),
        "size": opened.figure.locator("input[type=radio]:checked").input_value(),
        "class": opened.figure.get_by_label("Class").evaluate("(list) => list.selectedOptions[0].text"),
    }
    opened.page.wait_for_load_state("networkidle")
    opened.after = opened.asked[len(opened.before) :]
    yield opened
    problems = opened.seen.problems
    opened.seen.context.close()
    assert problems == []
