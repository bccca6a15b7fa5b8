"""How the explorers behave: each alone in a small page, in a sub-folder as on a project site; the rest in the book."""

from __future__ import annotations

import re

import pytest
import torch
from playwright.sync_api import expect

from book.cells.gridding import tile
from book.explorers import networks
from book.extensions import explorers
from drn_lib import geometry
from drn_lib.geometry.axis import Layer
from tests.site.browser import NAMES, PATIENCE, WIDTHS
from tests.site.explorers import MOST_OF_A_PAGE, PAGES, grid_shares, library_stages, sizes, words

expect.set_options(timeout=PATIENCE)

ONE_OF_EACH = ["receptive-01", "sort-03", "gridding-04", "threshold-06"]


def operate(place: str, figure) -> None:
    """Open what is closed and leave an explorer in a state with everything in it."""
    if place.startswith("receptive"):
        figure.get_by_text("Build a stack of your own").click()
        figure.get_by_label("dilation of layer 1").select_option("4")
        figure.get_by_role("button", name="Add a layer").click()
        figure.get_by_label("residual around layer 4").check()
    elif place.startswith("gridding"):
        figure.get_by_text("Build a stack of your own").click()
        figure.get_by_label("a rough map").check()
        figure.get_by_label("residual links").check()
    elif place.startswith("sort"):
        figure.get_by_label("the cup").check()
        figure.get_by_role("button", name="sorted").click()
    else:
        figure.get_by_label("Network").select_option("drn_c_26")
        figure.get_by_role("slider", name="Threshold").fill("3")


@pytest.mark.slow
@pytest.mark.parametrize("place", ONE_OF_EACH)
def test_the_picture_comes_first(visit, place):
    """Below its heading an explorer shows before it explains or offers anything."""
    _, figure = visit(place)
    assert figure.locator(".title").inner_text() == explorers.title(place)
    first = figure.evaluate(
        """(f) => [...f.querySelectorAll("canvas, .stage, p:not(.title), select, input, button")]
          .filter((node) => node.checkVisibility())[0].localName"""
    )
    assert first in ("canvas", "div")


@pytest.mark.slow
def test_the_opening_numbers_are_the_library_s(visit):
    _, figure = visit("receptive-01")
    for text, name in zip(words(figure), ("resnet_18", "drn_a_18")):
        place = geometry.table(name, 224).levels[6]
        assert f"{place.size[0]} × {place.size[0]} cells, jump {place.jump} px" in text
        assert f"field of {place.receptive_field} × {place.receptive_field} px" in text


@pytest.mark.slow
def test_stride_dilation_and_neither(visit):
    _, figure = visit("receptive-01")
    fields = {}
    for choice in ("stride would have seen", "dilation sees", "neither"):
        figure.get_by_label(choice).check()
        fields[choice] = [re.search(r": (\d+) × .* field of (\d+) ×", text).groups() for text in words(figure)]
    narrow = geometry.receptive_field(networks.version(networks.variants()["drn_a_18"], "neither"))
    assert fields["stride would have seen"] == [("7", "435")] * 2
    assert fields["dilation sees"] == [("28", "435")] * 2
    assert fields["neither"] == [("28", str(narrow))] * 2


@pytest.mark.slow
def test_the_lattice_of_level_5(visit):
    """Chapter 02's explorer opens on it: every second cell of level 5 by the exact rule, every fourth by Fig. 5's."""
    _, figure = visit("receptive-02")
    exact, levels = words(figure)
    for text, dilations in ((exact, (2, 4, 4, 4)), (levels, (4, 4, 4, 4))):
        reached = geometry.reach([Layer("", 3, 1, d, d) for d in dilations], 16, 28)
        span = range(max(0, 16 - sum(dilations)), min(28, 16 + sum(dilations) + 1))
        assert f"({len(reached)} of {len(span)} down" in text
    assert "every second one" in exact and "every 4th one" in levels


@pytest.mark.slow
def test_point_click_and_arrows(visit):
    seen, figure = visit("receptive-01")
    stage = figure.locator(".stage").nth(1)

    def cell() -> tuple[int, ...]:
        return tuple(map(int, re.search(r"row (\d+), column (\d+)", words(figure)[1]).groups()))

    assert cell() == (16, 16)
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    shown = figure.locator(".words").nth(1)
    seen.page.mouse.move(*middle)
    expect(shown).to_contain_text("row 14, column 14")  # pointing shows the cell under the pointer
    seen.page.mouse.move(5, 5)
    expect(shown).to_contain_text("row 16, column 16")  # and the chosen one again when the pointer leaves
    seen.page.mouse.click(*middle)
    seen.page.mouse.move(5, 5)
    figure.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert cell() == (14, 14)
    stage.focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft"):
        seen.page.keyboard.press(key)
    assert cell() == (12, 13)
    for _ in range(40):
        seen.page.keyboard.press("ArrowDown")
    assert cell() == (27, 13), "it stays on the map"


@pytest.mark.slow
@pytest.mark.parametrize("place", ONE_OF_EACH)
def test_the_keyboard_alone_reaches_and_works_everything(visit, place):
    """Tab goes through every control; a slider moves with the arrows; a screen reader is told in a whole sentence."""
    seen, figure = visit(place)
    figure.locator("details").evaluate_all("(parts) => parts.forEach((part) => { part.open = true; })")
    wanted = figure.locator("select, input:enabled, button:enabled, summary, [tabindex='0']")
    # Of a group of radio buttons Tab visits the chosen one; what a closed part holds is not reached.
    reachable = wanted.evaluate_all(
        """(nodes) => nodes.filter((n) => n.checkVisibility() && !(n.type === "radio" && !n.checked)).length"""
    )
    wanted.evaluate_all(
        "(nodes) => nodes.find((n) => n.checkVisibility() && !(n.type === 'radio' && !n.checked)).focus()"
    )
    visited = set()
    for _ in range(60):
        inside = seen.page.evaluate(
            """(id) => { const n = document.activeElement, f = document.getElementById(id);
            return f.contains(n) ? [...f.querySelectorAll("*")].indexOf(n) : -1; }""",
            f"explorer-{place}",
        )
        if inside < 0:
            break
        visited.add(inside)
        seen.page.keyboard.press("Tab")
    assert len(visited) >= reachable - 1
    live = figure.locator("[aria-live=polite]")
    assert live.inner_text() == "", "what stood there from the beginning is not news"
    sliders = figure.locator("input[type=range]:visible")
    if sliders.count():
        sliders.first.focus()
        at_start = sliders.first.input_value() == sliders.first.get_attribute("min")
        seen.page.keyboard.press("ArrowRight" if at_start else "ArrowLeft")
    else:  # a cell that no slider moves now: the presets' buttons are left
        figure.locator("button:enabled").last.press("Enter")
    expect(live).not_to_be_empty()
    said = live.text_content()
    assert said == " ".join(text.replace(" Its frame lies outside what is drawn.", "") for text in words(figure))


@pytest.mark.slow
@pytest.mark.parametrize("place", ONE_OF_EACH)
def test_controls_have_names_nothing_moves_by_itself_and_print_leaves_the_drawings(visit, place):
    """There is no animation, so there is none to reduce."""
    seen, figure = visit(place)
    seen.page.emulate_media(media="print")
    assert figure.locator("canvas").first.is_visible() and figure.locator(".words").first.is_visible()
    assert not any(control.is_visible() for control in figure.locator("input, .controls select").all())
    seen.page.emulate_media(media="screen")
    operate(place, figure)
    names = figure.locator("select, input, button").evaluate_all(NAMES)
    assert names and all(name.strip() for name in names), names
    values = figure.locator("input[type=range]").evaluate_all("(n) => n.map((i) => i.getAttribute('aria-valuetext'))")
    assert all(values), values
    assert figure.evaluate("(f) => f.getAnimations({ subtree: true }).length") == 0


@pytest.mark.slow
def test_the_reader_s_own_stack(visit):
    _, figure = visit("receptive-01")
    figure.get_by_text("Build a stack of your own").click()
    figure.get_by_label("kernel of layer 1").select_option("5")
    figure.get_by_label("stride of layer 2").select_option("2")
    figure.get_by_label("dilation of layer 3").select_option("8")
    chain = [Layer("1", 5, 1, 1, 2), Layer("2", 3, 2, 2, 2), Layer("3", 3, 1, 8, 8)]
    rows = geometry.table(chain, 224).rows
    cells = figure.locator(".stack tbody tr").evaluate_all(
        "(rows) => rows.map((r) => [...r.cells].map((c) => c.innerText))"
    )
    assert [line[5].split("= ")[-1] for line in cells] == [str(row.size[0]) for row in rows]
    assert [line[6].split("= ")[-1] for line in cells] == [str(row.receptive_field) for row in rows]
    assert [line[7].split("= ")[-1] for line in cells] == [str(row.jump) for row in rows]
    assert cells[1][5] == "⌊(224 + 2·2 − 2·2 − 1)/2⌋ + 1 = 112" and cells[1][6] == "5 + 2·2·1 = 9"
    last = rows[-1]
    assert f"Your own stack, level 3: {last.size[0]} ×" in words(figure)[1]
    assert f"field of {last.receptive_field} ×" in words(figure)[1]
    remove = figure.get_by_role("button", name="remove layer 3")
    remove.focus()
    remove.press("Enter")
    assert figure.locator(".stack tbody tr").count() == 2
    assert "level 2" in words(figure)[1]
    focused = figure.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == "remove layer 2", "the focus is not lost with the button"


@pytest.mark.slow
def test_which_tail_leaves_the_least(visit):
    """What the page says of each tail is what the library computes; the buttons set the layers."""
    seen, figure = visit("gridding-04")
    wave = torch.sin(2 * torch.pi * torch.arange(28).double() / 28)
    toy = wave[:, None] + wave + tile(4, 28)
    for label, dilations in (("1, 1", [1, 1]), ("1, 2", [1, 2]), ("2, 1", [2, 1]), ("2, 1 with links", [2, 1])):
        figure.get_by_role("button", name=label, exact=True).click()
        layers = [{"d": d, "relu": True, "link": "links" in label} for d in dilations]
        two, four = grid_shares(library_stages(toy, layers, wrap=True)[-1])
        assert f"{100 * four:.1f} % after; every 2 cells" in words(figure)[0]
        assert words(figure)[0].endswith(f"{100 * two:.1f} % after.")
    figure.get_by_text("Build a stack of your own").click()
    assert figure.get_by_label("residual links").is_checked()
    figure.get_by_label("one active cell").check()
    assert figure.get_by_label("ReLU").is_disabled()


@pytest.mark.slow
def test_sub_lattices_join_as_the_page_shows_them(visit):
    """Cells that have exchanged values share one color."""
    _, figure = visit("gridding-03")

    def shades(row: int) -> int:
        fills = figure.locator(".line rect").evaluate_all("(all) => all.map((rect) => rect.getAttribute('fill'))")
        return len(set(fills[28 * row : 28 * row + 28]))

    assert "16 sub-lattices that never exchange a value" in words(figure)[0]
    figure.get_by_role("button", name="4, 4, 2, 1").click()
    assert [shades(i) for i in range(5)] == [4, 4, 4, 2, 1]
    assert figure.locator(".energy").all_inner_texts() == 3 * ["16 separate maps"] + ["4 separate maps", "one map"]


@pytest.mark.slow
def test_the_active_cell_moves(visit):
    seen, figure = visit("gridding-03")
    figure.get_by_role("button", name="2, 2").click()
    figure.get_by_text("Build a stack of your own").click()
    assert "1, 9 and 25 of 784" in words(figure)[0]
    canvas = figure.locator("canvas").first
    box = canvas.bounding_box()
    canvas.click(position={"x": 1, "y": box["height"] - 1})
    values = figure.locator("input[type=range]").evaluate_all("(nodes) => nodes.map((n) => n.value)")
    assert values == ["27", "0"] and "1, 4 and 9 of 784" in words(figure)[0]
    figure.get_by_role("group", name="Along one axis").focus()
    for key in ("ArrowRight", "ArrowUp", "ArrowDown", "ArrowDown"):
        seen.page.keyboard.press(key)
    values = figure.locator("input[type=range]").evaluate_all("(nodes) => nodes.map((n) => n.value)")
    assert values == ["27", "1"]


@pytest.mark.slow
@pytest.mark.parametrize("place", PAGES)
def test_without_javascript_there_is_a_still_with_its_caption(browser, explorer_pages, place):
    context = browser.new_context(java_script_enabled=False, viewport=WIDTHS["narrow"])
    page = context.new_page()
    page.goto(f"{explorer_pages}/notebooks/{place}.html", wait_until="load")
    figure = page.locator(f"#explorer-{place}")
    assert len(figure.locator("img").get_attribute("alt")) > 40
    expect(figure.locator("img")).not_to_have_js_property("naturalWidth", 0)
    assert figure.locator("img").bounding_box()["height"] > 50
    assert "needs JavaScript" in figure.locator("figcaption").inner_text()
    context.close()


@pytest.mark.slow
def test_the_still_stays_where_something_is_missing(browser, explorer_pages):
    for missing in ("gridding.json", "lattice.mjs"):
        page = browser.new_page()
        page.route(f"**/{missing}", lambda route: route.abort())
        page.goto(f"{explorer_pages}/notebooks/gridding-04.html", wait_until="load")
        page.wait_for_load_state("networkidle")
        assert page.locator("#explorer-gridding-04 img").count() == 1, missing
        page.close()


@pytest.mark.slow
def test_the_drawing_follows_the_color_scheme(visit):
    seen, figure = visit("receptive-02")
    pixels = "(canvas) => canvas.toDataURL()"
    light = figure.locator("canvas").first.evaluate(pixels)
    seen.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    figure.page.wait_for_function(
        "(light) => document.querySelector('#explorer-receptive-02 canvas').toDataURL() !== light", arg=light
    )


# ------------------------------------------------------------------------------------------------ in the built book


@pytest.mark.slow
@pytest.mark.parametrize("place", PAGES)
def test_in_the_book(in_book, axe_script, built, place):
    """Live, all opened: no error, no other host; wide and narrow, light and dark: no overflow, accessible."""
    # Formulas are tested with the other pages; here they would only cost time.
    in_book.page.route("**/mathjax/**", lambda route: route.fulfill(content_type="text/javascript", body=""))
    in_book.page.goto(f"{in_book.address}/notebooks/{PAGES[place]}.html", wait_until="load")
    in_book.page.wait_for_selector(f"#explorer-{place}.explorer-live")
    figure = in_book.page.locator(f"#explorer-{place}")
    before = words(figure)
    assert before and all(len(text) > 60 for text in before)
    operate(place, figure)
    assert words(figure) != before
    assert in_book.page.get_by_text("The book’s page has").count() == 0, "that sentence is Colab's"
    assert in_book.part_faults(axe_script, f"#explorer-{place}") == []
    assert in_book.problems == []
    loaded = {url.split("?")[0].rsplit("/", 1)[-1] for url in in_book.requests if "/explorers/" in url}
    kinds = {"receptive", "sort", "gridding", "threshold"}
    here = {other.split("-")[0] for other, chapter in PAGES.items() if chapter == PAGES[place]}
    assert {name.split(".")[0] for name in loaded} & kinds == here
    found = {name: (built / "_static" / "explorers" / name).stat().st_size for name in loaded}
    assert found == {name: sizes()[name] for name in loaded}, "the site has the scripts as they are written"
    assert "start.mjs" in loaded and sum(found.values()) < MOST_OF_A_PAGE


def test_only_the_pages_with_an_explorer_load_one(built):
    with_one = {path.stem for path in built.rglob("*.html") if "/explorers/start.mjs" in path.read_text()}
    assert with_one == set(PAGES.values())
