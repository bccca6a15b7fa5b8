"""The live page in Chromium: its address keeps what it shows, whatever an address says, and nothing empty is seen."""

from __future__ import annotations

import re

import pytest

from tests.site.live.site import FIRST, choose, settle, start

# Notes each moment at which the figure shows neither its stored picture nor an answer.
WATCH = """() => {
  const figure = document.querySelector("#live");
  const shown = (query) => [...figure.querySelectorAll(query)].some((node) => node.checkVisibility());
  window.looks = window.empty = 0;
  const look = () => {
    window.looks += 1;
    const body = shown(".live-body");
    if (body ? !shown("ol.names li") || !shown(".maps li") : !shown(":scope > img")) window.empty += 1;
  };
  new MutationObserver(look).observe(figure, { childList: true, subtree: true, attributes: true });
  look();
}"""

# Lets a picture take as long to read as on a busy machine: the page is busy from its choice on.
SLOWLY = """() => {
  window.quickly = window.createImageBitmap;
  window.createImageBitmap = async (...asked) => {
    await new Promise((done) => setTimeout(done, 1500));
    return quickly(...asked);
  };
}"""


def state(page) -> dict:
    """What the page shows, without the times."""
    return page.evaluate("""() => {
      const all = (query, read = (node) => node.textContent) =>
        [...document.querySelectorAll("#live " + query)].map(read);
      return { picture: all(".samples [aria-pressed=true]"), size: all("input[type=radio]:checked", (n) => n.value),
        name: all("select", (n) => n.selectedOptions[0].text), words: all(".panel .words"), thresholds: all("output") };
    }""")


def address_of(page) -> str:
    """The address, once it has come to rest."""
    page.wait_for_timeout(500)
    return page.url


def visit(browser, address: str):
    opened = start(browser, address)
    opened.page.locator(".begin").click()
    opened.page.wait_for_selector(FIRST)
    settle(opened.page)
    return opened


@pytest.mark.slow
def test_an_address_shows_in_another_browser_what_was_shown(running, browser):
    choose(running, "nine photographs", 224)
    running.figure.get_by_label("Class").select_option(label="king penguin")
    running.figure.get_by_label("Threshold, DRN-A-18").press("Home")
    for _ in range(9):
        running.figure.get_by_label("Threshold, DRN-C-26").press("ArrowRight")
    running.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    running.figure.get_by_role("button", name="Copy a link to this").click()
    running.page.get_by_text("The link is copied.").wait_for()
    copied = running.page.evaluate("navigator.clipboard.readText()")
    assert copied == address_of(running.page)
    assert re.fullmatch(r".*#live\?picture=wall&size=224&class=king\+penguin&thresholds=study_none_-?[\d.]+", copied)
    opened = visit(browser, copied)
    assert state(opened.page) == state(running.page)
    assert opened.seen.problems == []
    opened.page.evaluate("location.hash = '#live?picture=rocket&size=64'")  # another such link on the same page
    opened.page.wait_for_function("document.querySelector('.samples [aria-pressed=true]').textContent === 'rocket'")
    settle(opened.page)
    assert state(opened.page)["size"] == ["64"] and state(opened.page)["name"] == ["projectile"]
    opened.seen.context.close()
    choose(running, "nine photographs", 224)
    assert "class=espresso" in address_of(running.page)


@pytest.mark.slow
def test_nothing_in_an_address_is_believed(browser, address):
    end = "#live?picture=../../x.webp&size=1e9&class=%3Cimg%20src=x%3E&thresholds=NaN_Infinity_x_4_5"
    opened = visit(browser, address + end)
    ours = state(opened.page)
    assert ours["picture"] == ours["name"] == ["espresso"] and ours["size"] == ["64"]
    assert all("(the study's)" in text for text in ours["thresholds"])
    assert opened.seen.problems == []
    opened.seen.context.close()


@pytest.mark.slow
def test_a_picture_of_one_s_own_is_in_no_address(running):
    choose(running, "rocket", 224)
    assert "rocket" in address_of(running.page)
    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f00050001ff"
        "89993d1d0000000049454e44ae426082"
    )
    running.page.evaluate(SLOWLY)
    running.figure.locator("input[type=file]").set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": pixel}
    )
    running.page.wait_for_function("!document.querySelector('.samples [aria-pressed=true]')")
    settle(running.page)
    assert address_of(running.page).endswith("/live.html#live")
    assert not running.figure.get_by_role("button", name="Copy a link to this").is_visible()
    running.page.evaluate("void (createImageBitmap = quickly)")
    choose(running, "nine photographs", 224)


@pytest.mark.slow
def test_while_it_loads_and_starts_there_is_no_empty_half_page(browser, address):
    opened = start(browser, address)
    image = opened.figure.locator("> img")
    assert image.evaluate("(i) => [i.naturalWidth, i.naturalHeight].join()") == image.evaluate(
        "(i) => [i.getAttribute('width'), i.getAttribute('height')].join()"
    ), "room is left for the stored picture"
    opened.page.evaluate(WATCH)
    opened.page.locator(".begin").click()
    opened.page.wait_for_selector(FIRST)
    settle(opened.page)
    assert opened.page.evaluate("looks") > 3 and opened.page.evaluate("empty") == 0
    assert not image.count()
    opened.page.evaluate("document.querySelector('ol.names').remove()")
    opened.page.evaluate("document.querySelectorAll('ol.names, .maps').forEach((list) => list.replaceChildren())")
    assert opened.page.evaluate("new Promise((done) => setTimeout(() => done(empty)))") > 0, "the watch can fail"
    opened.seen.context.close()
