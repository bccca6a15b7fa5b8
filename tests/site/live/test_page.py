"""The live page in Chromium: what is fetched and when, and every control."""

from __future__ import annotations

import json
import re

import pytest
import torch
from playwright.sync_api import expect

from book.extensions import live as live_page
from book.live import files
from book.studies.files import results_dir
from drn_lib import localization
from drn_lib.checkpoints.files import SHIPPED
from drn_lib.checkpoints.weights import load_trained
from drn_lib.images import normalize
from tests.site.browser import NAMES, PATIENCE
from tests.site.live.site import FIRST, choose, panels, said, words


def name_of(url: str) -> str:
    return url.rsplit("/", 1)[-1]


# ------------------------------------------------------------------------------------------ before and after the click


@pytest.mark.slow
def test_nothing_is_fetched_before_the_click_and_exactly_these_files_after(running, live):
    folder = "/_static/live/"
    assert sorted(name_of(url) for url in running.before if folder in url) == ["live.css", "start.mjs", "stored.webp"]
    pictures = {name for name in map(name_of, running.after) if name.endswith(".webp")}
    assert {name_of(url) for url in running.after} == {*map(name_of, live_page.ON_CLICK), *live.files, *pictures}
    assert pictures == {"wall.webp", "coffee.webp", "rocket.webp", "chelsea.webp"}
    assert all(folder in url or url.endswith("/_static/explorers/boxes.mjs") for url in running.after)


@pytest.mark.slow
def test_the_button_says_how_much_that_is(running, live):
    sizes = {path.name: path.stat().st_size for path in live_page.FOLDER.iterdir()}
    sizes["boxes.mjs"] = (live_page.FOLDER / "../explorers/boxes.mjs").stat().st_size
    sizes |= {name: len(content) for name, content in live.files.items()}
    total = sum(sizes[name] for name in {name_of(url) for url in running.after})
    assert f"({total / 1e6:.1f} MB)" in running.offer


@pytest.mark.slow
def test_the_networks_are_loaded_once(running):
    count = len(running.asked)
    for sample in ("rocket", "nine photographs"):
        choose(running, sample, 224)
    assert running.asked[count:] == []


# --------------------------------------------------------------------------------------------------- what a reader does


@pytest.mark.slow
def test_it_opens_on_the_cup_at_64_pixels_with_the_study_s_thresholds(running):
    assert running.opened == {"pressed": ["espresso"], "size": "64", "class": "espresso"}
    for text, name in zip(running.opened_words, files.NETWORKS, strict=True):
        study = json.loads((results_dir() / f"{SHIPPED.format(name)}.json").read_text(encoding="utf-8"))
        chosen = study["metrics"]["localization.native.threshold"]
        assert text == f"{chosen:.1f} (the study's)".replace("-", "−")


@pytest.mark.slow
def test_the_cup_at_64_pixels_is_an_espresso_and_its_box_the_library_s(running):
    choose(running, "espresso", 64)
    firsts = [panel.locator("ol.names li span").first.inner_text() for panel in panels(running)]
    assert firsts == ["espresso"] * 3
    assert running.figure.get_by_label("Class").evaluate("(list) => list.selectedOptions[0].text") == "espresso"
    shown = running.figure.locator(".question canvas")
    pixels = shown.evaluate("(c) => [...c.getContext('2d').getImageData(0, 0, 64, 64).data]")
    image = torch.tensor(pixels, dtype=torch.uint8).view(64, 64, 4)[..., :3].permute(2, 0, 1)[None]
    for text, name in zip(words(running), files.NETWORKS, strict=True):
        model = load_trained(SHIPPED.format(name))
        classes = torch.tensor([model.classes.index("espresso")])
        threshold = files.thresholds(name)["single"]["64"]
        _, (edges,) = localization.localize(model, normalize(image), threshold, classes)
        x0, y0, x1, y1 = (int(edge) for edge in edges)
        assert f"x {x0} to {x1}, y {y0} to {y1} px" in text


@pytest.mark.slow
def test_each_kind_of_picture_has_its_own_threshold_of_the_study(running):
    for sample, kind, size in (("espresso", "single", 224), ("nine photographs", "several", 224)):
        choose(running, sample, size)
        wanted = [files.thresholds(name)[kind][str(size)] for name in files.NETWORKS]
        assert said(running) == [f"{value:.1f} (the study's)".replace("-", "−") for value in wanted]
    for sample, size in (("nine photographs", 64), ("nine photographs", 448), ("rocket", 448)):
        choose(running, sample, size)
        assert said(running) == ["none"] * 3, "of these the study has none"


@pytest.mark.slow
def test_a_threshold_of_the_reader_s_stays_until_something_else_is_asked(running):
    choose(running, "nine photographs", 224)
    slide, back = (running.figure.get_by_label(f"{name}, DRN-A-18") for name in ("Threshold", "Back to the study's"))
    before = words(running), said(running)
    assert not back.is_visible()
    slide.press("ArrowLeft")
    assert "study" not in said(running)[1] and said(running)[::2] == before[1][::2]
    assert float(said(running)[1]) < files.thresholds("drn_a_18")["several"]["224"]
    back.press("Enter")
    assert (words(running), said(running)) == before and slide.evaluate("(s) => s === document.activeElement")
    slide.press("Home")
    choose(running, "rocket", 224)
    assert "study" in said(running)[1]


@pytest.mark.slow
def test_a_class_of_a_list_can_be_clicked(running):
    choose(running, "nine photographs", 224)
    row = panels(running)[1].locator("ol.names button").nth(2)
    name = row.locator("span").first.inner_text()
    assert name != "espresso" and row.get_attribute("aria-pressed") == "false"
    row.press("Enter")
    assert all(text.startswith(f"{name}:") for text in words(running))
    assert running.figure.get_by_label("Class").evaluate("(list) => list.selectedOptions[0].text") == name
    focused = "[document.activeElement.ariaPressed, document.activeElement.firstChild.textContent]"
    assert running.page.evaluate(focused) == ["true", name], "the focus stays on it"
    for panel in panels(running):
        pressed = panel.locator("ol.names [aria-pressed=true] > span:first-child").all_inner_texts()
        assert pressed in ([name], []), "the same class in every list that has it"


@pytest.mark.slow
def test_each_level_has_its_grid_contrast_or_too_few_cells(running):
    choose(running, "espresso", 64)
    columns = running.figure.locator("section:has(.maps)").all()
    levels = [column.locator("li").all_inner_texts() for column in columns]
    few = [["few cells" in text for text in column] for column in levels]
    assert few == [[False] * 3 + [True] * 2, [False] * 5, [False] * 8], "a ResNet's last maps have 16 and 4 cells"
    assert all(re.search(r"grid of 4: −?\d\.\d\d\ngrid of 2: −?\d\.\d\d$", text) for text in levels[1])
    choose(running, "nine photographs", 224)
    last = [
        float(column.locator("li").last.inner_text().split("grid of 4: ")[1].split()[0].replace("−", "-"))
        for column in columns
    ]
    assert last[1] > 0.1 > max(last[0], last[2]), "DRN-A-18 alone has a grid at its end"


@pytest.mark.slow
def test_another_class_and_threshold_with_the_keyboard(running):
    choose(running, "nine photographs", 448)
    before = words(running)
    assert all(text.startswith("espresso:") for text in before)
    slide = running.figure.get_by_label("Threshold, DRN-C-26")
    slide.focus()
    running.page.keyboard.press("ArrowRight")
    count = [int(re.search(r"around (\d+) cell", text)[1]) for text in (before[2], words(running)[2])]
    assert words(running)[:2] == before[:2] and count[1] <= count[0]
    running.page.keyboard.press("End")
    assert "No cell qualifies" in words(running)[2] or "around 1 cell:" in words(running)[2]
    running.page.keyboard.press("Home")
    assert words(running)[2] == before[2], "at its left end there is no threshold"
    running.figure.get_by_label("Class").select_option(label="sock")
    assert all(text.startswith("sock:") for text in words(running))
    said = running.figure.locator("[aria-live=polite]")
    for part in (*words(running), "ResNet-18 names", "DRN-A-18 names", "DRN-C-26 names"):
        expect(said).to_contain_text(part, timeout=PATIENCE)


@pytest.mark.slow
def test_tab_reaches_every_control(running):
    reachable = running.figure.locator("button, select, input").evaluate_all(
        "(all) => all.filter((n) => n.checkVisibility() && !(n.type === 'radio' && !n.checked)).length"
    )
    running.figure.locator("button").first.focus()
    visited = set()
    inside = "(f) => [...f.querySelectorAll('*')].indexOf(document.activeElement)"  # -1: outside
    for _ in range(40):
        visited.add(running.figure.evaluate(inside))
        running.page.keyboard.press("Tab")
    assert len(visited - {-1}) == reachable
    names = running.figure.locator("button, select, input").evaluate_all(NAMES)
    assert all(name.strip() for name in names)


@pytest.mark.slow
def test_448_pixels_have_four_times_the_cells(running):
    for size, cells in ((448, (14, 56, 56)), (224, (7, 28, 28))):
        choose(running, "nine photographs", size)
        for panel, side in zip(panels(running), cells, strict=True):
            assert f"{side} × {side} cells" in panel.inner_text()


@pytest.mark.slow
def test_nothing_is_animated_and_in_print_the_answers_stay_and_the_controls_go(running):
    assert running.figure.evaluate("(f) => f.getAnimations({ subtree: true }).length") == 0
    running.page.emulate_media(media="print")
    assert running.figure.locator(".panel > canvas").first.is_visible() and all(words(running))
    controls = running.figure.locator("button, input, select").all()
    rows = running.figure.locator("ol.names button").all()
    assert (
        [control.is_visible() for control in controls].count(True) == len(rows) == sum(row.is_visible() for row in rows)
    )
    running.page.emulate_media(media="screen")


# ------------------------------------------------------------------------------------------------------ in the book


@pytest.mark.slow
def test_in_the_book(in_book, axe_script, live):
    """Live: no error, no other host; wide and narrow, light and dark: no overflow, accessible."""
    in_book.page.goto(f"{in_book.address}/book/live.html", wait_until="load")
    in_book.page.locator(".begin").click()
    in_book.page.wait_for_selector(FIRST)
    assert in_book.part_faults(axe_script) == []
    assert in_book.problems == []


def test_only_the_live_page_offers_it_and_the_tour_leads_there(built):
    texts = {path.stem: path.read_text(encoding="utf-8") for path in built.rglob("*.html")}
    assert {stem for stem, text in texts.items() if "live/start.mjs" in text} == {"live"}
    cards = {stem: text.count('class="live-card" href="../book/live.html"') for stem, text in texts.items()}
    assert {stem: count for stem, count in cards.items() if count} == {"00_the_tour": 1}
    if not files.collect().missing:
        assert all((built / "_static" / "live" / name).is_file() for name in files.RUNTIME.files)
