"""Cells that a reader changes and runs in the page: stored outputs, errors, keys, narrow pages, no WebAssembly."""

from __future__ import annotations

import base64
import json

import pytest
from playwright.sync_api import expect

from book.extensions import policy
from book.extensions import running as extension
from book.npm import Unavailable
from book.running import cells, files, runner
from tests.notebooks import chapters
from tests.site.browser import PATIENCE, SITE, Visit, serve
from tests.site.explorers import FOLDER

expect.set_options(timeout=PATIENCE)  # a busy machine is slow, not wrong
CHAPTER = next(path for path in chapters.PATHS if path.stem.startswith("01"))
PAGE = """<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Cells</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="_static/python/python.css">
<script type="module" src="_static/python/start.mjs"></script></head>
<body><main><h1>Cells</h1>{}</main></body></html>"""


def known() -> list[cells.Runnable]:
    return list(extension.runnable(CHAPTER).values())


# Which cells, and what runs them


def test_chapter_01_has_cells_that_run_and_each_prints_what_is_stored():
    found = known()
    assert len(found) >= 5
    assert all(cell.expected.strip() and "torch" not in cell.before + cell.code for cell in found)


CODE = [
    ("import torch\nfrom drn_lib import geometry\nfrom book.figures import chains", ""),
    ("size = geometry.output_size(28, 3)\nfigure = chains(size)\nprint(size)", "26\n"),
    ("other = torch.zeros(size)", ""),
    ("print(geometry.output_size(size, 3), other)", "24 tensor(0.)\n"),
    ("geometry.output_size(size, 3)", "24"),
    ("print(geometry.output_size(size, 5))", "24\n"),
    ("%matplotlib inline", ""),
    ("print(size)", "26\n"),
]


def test_statements_that_need_more_are_left_out_and_a_cell_that_prints_something_else_is_not_offered():
    found = cells.runnable(CODE)
    assert sorted(found) == [1, 4]  # 3 reads a tensor, 5 prints 22, 7 computes nothing with the library
    assert found[1].code == "size = geometry.output_size(28, 3)\nprint(size)"
    assert found[4].before == "from drn_lib import geometry\nsize = geometry.output_size(28, 3)"


@pytest.mark.parametrize(
    ("code", "good", "said"),
    [
        ("print(1)\n2", True, "1\n2\n"),
        ("x = 3", True, ""),
        ("None", True, ""),
        ("print(1)\n1 / 0", False, "1\nTraceback (most recent call last):\n"),
        ("def f():\n    return nothing\nf()", False, "NameError: name 'nothing' is not defined\n"),
        ("if", False, "SyntaxError: invalid syntax\n"),
        ("raise SystemExit(3)", False, "SystemExit: 3\n"),
    ],
)
def test_a_cell_answers_as_python_does(code, good, said):
    went_well, text = runner.run("", code)
    assert went_well is good
    assert text == said if good else said in text
    assert "runner.py" not in text


def test_without_pyodide_the_book_is_built_without_editors(tmp_path):
    with pytest.raises(Unavailable, match="pyodide was not there"):
        files.collect(files.Package("pyodide", {"a": "a"}, files.PYTHON.lock, tmp_path))


# In a browser


@pytest.fixture(scope="module")
def python() -> dict[str, bytes]:
    try:
        return files.collect()
    except Unavailable as error:
        pytest.skip(f"code in the pages: {error}")


@pytest.fixture(scope="module")
def address(tmp_path_factory, python):
    """A page with the cells of chapter 01, under the policy of the book, in a sub-folder of a host."""
    root = tmp_path_factory.mktemp("host")
    static = root / "book" / "_static"
    (static / "python").mkdir(parents=True)
    (static / "explorers").symlink_to(FOLDER, target_is_directory=True)
    for file in (FOLDER.parent / "python").iterdir():
        (static / "python" / file.name).write_bytes(file.read_bytes())
    for name, content in python.items():
        (static / "python" / name).write_bytes(content)
    size = sum(map(len, python.values()))
    body = "".join(extension.element(cell, size) for cell in known())
    (root / "book" / "cells.html").write_text(policy.protected(PAGE.format(body)), encoding="utf-8")
    server = serve(root)
    yield f"http://127.0.0.1:{server.server_port}/book"
    server.shutdown()


@pytest.fixture(scope="module")
def page(browser, address):
    """One visit for all tests, as Python starts once a page."""
    seen = Visit(browser, address)
    seen.page.goto(f"{address}/cells.html", wait_until="load")
    yield seen
    seen.context.close()
    assert seen.problems == []


def opened(page, number: int):
    """The editor of a cell, open: (whole element, text, output, status)."""
    place = page.locator("[data-python]").nth(number)
    toggle = place.locator(".python-open")
    if toggle.get_attribute("aria-expanded") == "false":
        toggle.click()
    return place, place.locator("textarea"), place.locator(".python-output"), place.locator("[role=status]")


def test_nothing_is_fetched_before_a_cell_runs_and_then_only_from_this_site(page, python):
    assert not [url for url in page.requests if url.endswith((".wasm", ".zip"))]
    place, text, output, status = opened(page.page, 0)
    expect(text).to_be_focused()
    text.press("Control+Enter")
    expect(status).to_have_text("It prints what the book shows.")
    fetched = {url.rsplit("/", 1)[1] for url in page.requests}
    assert {"pyodide.asm.wasm", "python_stdlib.zip", "library.zip"} <= fetched


def test_every_cell_prints_in_the_browser_what_the_book_stores(page):
    for number, cell in enumerate(known()):
        place, _, output, status = opened(page.page, number)
        place.get_by_role("button", name="Run").click()
        expect(status).to_have_text("It prints what the book shows.")
        assert output.text_content().strip() == cell.expected.strip()


def test_a_changed_cell_an_error_and_the_way_back(page):
    place, text, output, status = opened(page.page, 1)
    first = text.input_value()
    text.fill("print(6 * 7)\nundefined_name")
    text.press("Shift+Enter")
    expect(status).to_have_text("It stopped with an error.")
    said = output.text_content()
    assert said.startswith("42\nTraceback (most recent call last):\n") and "undefined_name\n" in said
    assert said.endswith("NameError: name 'undefined_name' is not defined\n") and "runner" not in said
    place.get_by_role("button", name="Reset").click()
    assert text.input_value() == first
    expect(output).to_be_hidden()


def test_keys_indent_stop_and_close(page):
    place, text, output, status = opened(page.page, 1)
    text.fill("while True:")
    text.press("End")
    text.press("Enter")
    text.press_sequentially("pass")
    assert text.input_value() == "while True:\n    pass"
    text.press("Control+Enter")
    place.get_by_role("button", name="Stop").click()
    expect(status).to_have_text("Stopped. The next run starts Python again.")
    text.press("Escape")
    expect(text).to_be_hidden()
    expect(place.locator(".python-open")).to_be_focused()
    expect(place.locator(".python-open")).to_have_attribute("aria-expanded", "false")


def test_without_webassembly_a_sentence_stands_there(browser, address):
    seen = Visit(browser, address)
    seen.page.add_init_script("delete window.WebAssembly")
    seen.page.goto(f"{address}/cells.html", wait_until="load")
    place = seen.page.locator("[data-python]").first
    place.locator(".python-open").click()
    expect(place.locator("[role=status]")).to_contain_text("This browser has no WebAssembly")
    assert seen.problems == [] and place.locator("textarea").count() == 0
    seen.context.close()


def test_where_python_cannot_be_fetched_the_page_says_so_and_can_try_again(browser, address):
    seen = Visit(browser, address)
    seen.page.goto(f"{address}/cells.html", wait_until="load")
    seen.page.route("**/library.zip", lambda route: route.abort())
    place, text, _, status = opened(seen.page, 0)
    text.press("Control+Enter")
    expect(status).not_to_have_text("")
    expect(status).not_to_contain_text("Fetching")
    expect(place.get_by_role("button", name="Run")).to_be_enabled()
    seen.context.close()


def test_the_built_chapter_has_its_editors_in_every_view(in_book, built, axe_script):
    if not (SITE / "_static" / "python" / "pyodide.asm.wasm").is_file():
        pytest.skip("code in the built pages: pyodide was not there when the book was built")
    html = (built / "notebooks" / f"{CHAPTER.stem}.html").read_text(encoding="utf-8")
    codes = [json.loads(base64.b64decode(part.partition('"')[0]))["code"] for part in html.split('data-python="')[1:]]
    assert codes == [cell.code for cell in known()]
    in_book.open(f"notebooks/{CHAPTER.stem}.html")
    opened(in_book.page, len(codes) - 1)
    assert in_book.part_faults(axe_script, "[data-python]") == [] and in_book.problems == []
