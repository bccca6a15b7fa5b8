"""The live page in Chromium: every error is a sentence, and without the networks there is a stored picture."""

from __future__ import annotations

from dataclasses import replace

import pytest

from book.extensions import live as live_page
from book.live import files
from tests.site.browser import WIDTHS, serve
from tests.site.live.site import FIRST, start, write_site


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "instead", "says"),
    [
        ("drn_a_18.onnx", None, "drn_a_18.onnx could not be fetched: the network, or the site, does not answer"),
        ("ort.wasm", {"status": 404, "body": ""}, "ort.wasm could not be fetched: the site answers 404"),
        ("page.mjs", None, "The page's own scripts could not be fetched"),
        ("worker.mjs", {"status": 404, "body": ""}, "The networks' script could not be started"),
        ("ort.mjs", "class InferenceSession { static create() { throw new RangeError('x'); } }", "too little memory"),
        ("ort.mjs", "class InferenceSession { static create() { throw new Error('no SIMD'); } }", "needs SIMD"),
        ("worker.mjs", "WebAssembly", "This browser does not run WebAssembly"),
    ],
    ids=["offline", "404", "no script", "no worker", "memory", "no SIMD", "no WebAssembly"],
)
def test_errors_are_sentences_and_the_picture_stays(browser, address, file, instead, says):
    opened = start(browser, address)
    if instead == "WebAssembly":
        script = "delete self.WebAssembly;" + (live_page.FOLDER / file).read_text(encoding="utf-8")
        instead = {"content_type": "text/javascript", "body": script}
    elif isinstance(instead, str):
        body = f"export const env = {{ wasm: {{}} }}; export {instead}"
        instead = {"content_type": "text/javascript", "body": body}
    opened.page.route(f"**/{file}", lambda route: route.fulfill(**instead) if instead else route.abort())
    opened.page.locator(".begin").click()
    opened.page.get_by_text(says).wait_for()
    assert opened.figure.locator("> img").is_visible() and opened.page.locator(".begin").is_enabled()
    assert not opened.page.locator("progress").is_visible()
    opened.seen.context.close()


@pytest.mark.slow
def test_a_second_try_after_the_network_came_back(browser, address):
    opened = start(browser, address)
    opened.page.route("**/drn_c_26.onnx", lambda route: route.abort())
    opened.page.locator(".begin").click()
    opened.page.wait_for_selector(".status:has-text('could not be fetched')")
    opened.page.unroute("**/drn_c_26.onnx")
    opened.page.locator(".begin").click()
    opened.page.wait_for_selector(FIRST)
    assert opened.page.evaluate("document.activeElement.className") == "title", "the focus is not lost with the button"
    opened.seen.context.close()


@pytest.mark.slow
def test_without_javascript_there_is_a_stored_picture(browser, address):
    context = browser.new_context(java_script_enabled=False, viewport=WIDTHS["narrow"])
    page = context.new_page()
    page.goto(address, wait_until="load")
    assert page.locator("#live > img").bounding_box()["height"] > 50
    assert "needs JavaScript" in page.locator("figcaption").inner_text() and page.locator("button").count() == 0
    context.close()


@pytest.mark.slow
def test_opened_as_a_file_there_is_a_stored_picture(browser, live, tmp_path):
    page = browser.new_page()
    page.goto(write_site(tmp_path, live).as_uri(), wait_until="load")
    page.wait_for_load_state("networkidle")
    assert page.locator("#live > img").evaluate("(image) => image.naturalWidth") > 300
    assert page.locator("button").count() == 0 and "opened as a file" in page.locator("figcaption").inner_text()
    page.close()


@pytest.mark.slow
def test_a_book_built_without_the_networks_says_why(browser, tmp_path):
    made = files.collect(replace(files.RUNTIME, folder=tmp_path / "nothing fetched"))
    assert made.files == {} and made.networks == []
    server = serve(tmp_path)
    path = write_site(tmp_path, made).relative_to(tmp_path)
    opened = start(browser, f"http://127.0.0.1:{server.server_port}/{path}")
    opened.page.wait_for_load_state("networkidle")
    caption = opened.figure.locator("figcaption").inner_text()
    assert "built without the networks: onnxruntime-web was not there" in caption
    assert opened.page.locator("button").count() == 0 and opened.seen.problems == []
    opened.seen.context.close()
    server.shutdown()
