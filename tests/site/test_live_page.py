"""The live page in Chromium: what is fetched and when, the numbers, every control, every error, every fallback."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from book.cells.photographs import photograph
from book.extensions import live as live_page
from book.live import files
from drn_lib import localization
from drn_lib.checkpoints.files import SHIPPED
from drn_lib.checkpoints.weights import load_trained
from drn_lib.images import normalize
from tests.site.browser import NAMES, PATIENCE, WIDTHS, Visit, serve
from tests.site.explorers import words as words_of
from tests.site.live import FIRST, ask_worker, difference, native, write_site

STUBBED_CAMERA = """() => { navigator.mediaDevices.getUserMedia = async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
  const context = canvas.getContext("2d");
  window.painted = 0;
  window.cameraPaints = setInterval(() => {
    window.painted += 1;
    context.fillStyle = `hsl(${performance.now() % 360}, 80%, 50%)`;
    context.fillRect(0, 0, 320, 240);
  }, 50);
  return (window.cameraStream = canvas.captureStream());
}; }"""
REFUSED_CAMERA = """() => {
  navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotAllowedError"); };
}"""


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


def start(browser, address: str) -> SimpleNamespace:
    """The page before the click, in a context of its own, with a list of the files it asks for."""
    seen = Visit(browser, address.split("/some/")[0])
    seen.page.goto(address, wait_until="load")
    return SimpleNamespace(seen=seen, page=seen.page, figure=seen.page.locator("#live"), asked=seen.requests)


@pytest.fixture(scope="module")
def running(browser, address):
    """One page whose networks were loaded once, and what was asked for before and after the click; tests share it."""
    opened = start(browser, address)
    opened.page.wait_for_selector(".begin")
    opened.before = list(opened.asked)
    opened.offer = opened.page.locator(".begin").inner_text()
    opened.page.locator(".begin").click()
    opened.page.wait_for_selector(FIRST)
    opened.page.wait_for_load_state("networkidle")
    opened.after = opened.asked[len(opened.before) :]
    yield opened
    problems = opened.seen.problems
    opened.seen.context.close()
    assert problems == []


def settle(page) -> None:
    """Wait until both networks have answered what was asked last."""
    page.wait_for_function("!document.querySelector('.live-body').hasAttribute('aria-busy')")


def choose(running, sample: str) -> None:
    running.figure.get_by_role("button", name=sample).click()
    settle(running.page)


def panels(running) -> list:
    return running.figure.locator(".panel:has(ol.names)").all()


def words(running) -> list[str]:
    return words_of(running.figure)


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
        choose(running, sample)
    assert running.asked[count:] == []


# ------------------------------------------------------------------------------------------------ numbers in Chromium


@pytest.mark.slow
def test_chromium_computes_what_onnxruntime_computes(running, live):
    """Every class's map, and every level's channel of highest mean; a cup and pure noise, three sizes."""
    noise = np.random.default_rng(6).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pictures = [noise, *(photograph("coffee", size).permute(1, 2, 0).numpy() for size in (224, 448))]
    for picture, answers in zip(pictures, ask_worker(running.page, live, pictures), strict=True):
        for answer, outputs in zip(answers, native(live, picture), strict=True):
            assert difference(answer, outputs) < 1e-4


@pytest.mark.slow
def test_the_comparison_can_fail(running, live):
    """One grey level of one pixel's change is more than the difference between the two runtimes."""
    picture = photograph("coffee", 64).permute(1, 2, 0).numpy()
    (answers,) = ask_worker(running.page, live, [picture])
    changed = picture.copy()
    changed[32, 32] ^= 8
    assert difference(answers[1], native(live, changed)[1]) > 1e-4


@pytest.mark.slow
def test_names_and_boxes_are_the_library_s(running):
    """Random maps, some with ties, some thresholds that leave nothing: the JavaScript answers as drn_lib does."""
    draw = np.random.default_rng(7)
    cases = []
    for _ in range(300):
        classes, rows, columns = (int(n) for n in draw.integers(1, 7, 3))
        values = draw.normal(0, 2, (classes, rows, columns)).astype(np.float32)
        values = np.round(values) if draw.random() < 0.4 else values
        threshold = float(draw.choice([-1e9, draw.normal(0, 2), float(values.flat[0]), 9.0]))
        size = [8 * rows - int(draw.integers(0, 8)), 8 * columns - int(draw.integers(0, 8))]
        cases.append({"values": values, "index": int(draw.integers(classes)), "threshold": threshold, "size": size})
    found = running.page.evaluate(
        """async ({ module, cases }) => {
          const { box, evidence, pooledLogits, softmax } = await import(module);
          return cases.map(({ values, shape: [classes, rows, columns], index, threshold, size }) => {
            const scores = { values: Float32Array.from(values), classes, rows, columns };
            const boxed = box(evidence(scores, index), scores, threshold, 8, size);
            return { box: boxed?.edges ?? null, shares: softmax(pooledLogits(scores)) };
          });
        }""",
        {
            "module": running.page.evaluate("new URL('../_static/live/answer.mjs', location).href"),
            "cases": [
                {**case, "values": case["values"].ravel().tolist(), "shape": case["values"].shape} for case in cases
            ],
        },
    )
    nothing = 0
    for case, ours in zip(cases, found, strict=True):
        scores, classes = torch.from_numpy(case["values"])[None], torch.tensor([case["index"]])
        wanted = localization.boxes(scores, classes, case["threshold"], tuple(case["size"]), jump=8)[0]
        nothing += bool(wanted.isnan().any())
        assert ours["box"] == (None if wanted.isnan().any() else wanted.tolist()), case
        shares = localization.pooled_logits(scores).double().softmax(dim=1)[0]
        assert ours["shares"] == pytest.approx(shares.tolist(), abs=1e-6)
    assert 50 < nothing < 250


# --------------------------------------------------------------------------------------------------- what a reader does


@pytest.mark.slow
def test_the_cup_at_64_pixels_is_an_espresso_and_its_box_the_library_s(running):
    choose(running, "espresso")
    running.figure.get_by_label("64", exact=True).check()
    settle(running.page)
    firsts = [panel.locator("ol.names li span").first.inner_text() for panel in panels(running)]
    assert firsts == ["espresso", "espresso"]
    assert running.figure.get_by_label("Class").evaluate("(list) => list.selectedOptions[0].text") == "espresso"
    shown = running.figure.locator(".question canvas")
    pixels = shown.evaluate("(c) => [...c.getContext('2d').getImageData(0, 0, 64, 64).data]")
    image = torch.tensor(pixels, dtype=torch.uint8).view(64, 64, 4)[..., :3].permute(2, 0, 1)[None]
    for text, name in zip(words(running), files.NETWORKS, strict=True):
        model = load_trained(SHIPPED.format(name))
        classes = torch.tensor([model.classes.index("espresso")])
        _, (edges,) = localization.localize(model, normalize(image), -np.inf, classes)
        x0, y0, x1, y1 = (int(edge) for edge in edges)
        assert f"x {x0} to {x1}, y {y0} to {y1} px" in text
    running.figure.get_by_label("224", exact=True).check()
    settle(running.page)


@pytest.mark.slow
def test_another_class_and_threshold_with_the_keyboard(running):
    choose(running, "nine photographs")
    before = words(running)
    assert all(text.startswith("espresso:") for text in before)
    slide = running.figure.get_by_label("Threshold, DRN-C-26")
    slide.focus()
    running.page.keyboard.press("ArrowRight")
    count = [int(re.search(r"around (\d+) cell", text)[1]) for text in (before[1], words(running)[1])]
    assert words(running)[0] == before[0] and count[1] <= count[0]
    running.page.keyboard.press("End")
    assert "No cell qualifies" in words(running)[1] or "around 1 cell:" in words(running)[1]
    running.page.keyboard.press("Home")
    assert words(running)[1] == before[1], "at its left end there is no threshold"
    running.figure.get_by_label("Class").select_option(label="sock")
    assert all(text.startswith("sock:") for text in words(running))
    said = running.figure.locator("[aria-live=polite]")
    for part in (*words(running), "DRN-A-18 names", "DRN-C-26 names"):
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
    running.figure.get_by_label("448", exact=True).check()
    settle(running.page)
    assert all("56 × 56 cells" in panel.inner_text() for panel in panels(running))
    running.figure.get_by_label("224", exact=True).check()
    settle(running.page)
    assert all("28 × 28 cells" in panel.inner_text() for panel in panels(running))


@pytest.mark.slow
def test_a_file_of_one_s_own_is_cut_to_its_middle_square(running):
    picture = Image.new("RGB", (600, 224), (255, 0, 0))
    picture.paste((0, 0, 255), (188, 0, 412, 224))
    content = io.BytesIO()
    picture.save(content, "PNG")
    count = len(running.asked)
    file = {"name": "mine.png", "mimeType": "image/png", "buffer": content.getvalue()}
    running.figure.locator("input[type=file]").set_input_files(file)
    running.page.wait_for_function(
        "document.querySelector('.question canvas').getContext('2d').getImageData(5, 5, 1, 1).data[2] > 200"
    )
    settle(running.page)
    seen = running.figure.locator(".question canvas").evaluate(
        "(c) => [2, 221].map((x) => [...c.getContext('2d').getImageData(x, 100, 1, 1).data])"
    )
    assert seen == [[0, 0, 255, 255], [0, 0, 255, 255]]
    assert running.asked[count:] == [], "nothing leaves the machine, and nothing is fetched"
    pressed = running.figure.locator(".samples button[aria-pressed=true]").count()
    named = running.figure.locator("ol.names").nth(1).locator("li span").first.inner_text()
    assert pressed == 0 and words(running)[1].startswith(f"{named}:"), "asked for is what DRN-C-26 names"


@pytest.mark.slow
def test_a_file_that_is_dropped_and_one_that_is_no_picture(running):
    drop = """async (body, { bytes, name }) => {
      const files = new DataTransfer();
      files.items.add(new File([Uint8Array.from(bytes)], name));
      for (const kind of ["dragenter", "dragover", "drop"]) {
        body.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
      }
    }"""
    body = running.figure.locator(".live-body")
    body.evaluate(drop, {"bytes": list(b"no picture"), "name": "notes.txt"})
    running.page.wait_for_selector("text=notes.txt cannot be read as a picture")
    content = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 255, 0)).save(content, "PNG")
    body.evaluate(drop, {"bytes": list(content.getvalue()), "name": "green.png"})
    running.page.wait_for_function(
        "document.querySelector('.question canvas').getContext('2d').getImageData(5, 5, 1, 1).data[1] > 200"
    )
    settle(running.page)
    assert running.figure.locator(".live-body .status").inner_text() == ""
    assert not body.evaluate("(node) => node.classList.contains('over')")


@pytest.mark.slow
def test_the_camera_by_single_frames_and_one_after_the_other(running):
    """With reduced motion a frame is taken when the reader asks; a box says otherwise."""
    frame = "document.querySelector('.question canvas').toDataURL()"
    sample = running.page.evaluate(frame)
    running.page.evaluate(STUBBED_CAMERA)
    running.figure.get_by_role("button", name="Use the camera").click()
    running.page.wait_for_function(f"{frame} !== {sample!r}")
    settle(running.page)
    assert not running.figure.get_by_label("frame after frame").is_checked()
    first, painted = running.page.evaluate(f"[{frame}, painted]")
    running.page.wait_for_function(f"painted > {painted} + 5")
    assert running.page.evaluate(frame) == first, "nothing moves by itself"
    running.figure.get_by_role("button", name="Take a frame").click()
    running.page.wait_for_function(f"{frame} !== {first!r}")
    second = running.page.evaluate(frame)
    running.figure.get_by_label("frame after frame").check()
    running.page.wait_for_function(f"{frame} !== {second!r}")
    running.figure.get_by_role("button", name="Stop the camera").click()
    assert running.page.evaluate("cameraStream.getTracks().every((track) => track.readyState === 'ended')")
    settle(running.page)
    running.figure.get_by_label("64", exact=True).check()  # the last frame stays, to be asked more
    settle(running.page)
    assert all("8 × 8 cells" in panel.inner_text() for panel in panels(running))
    running.page.evaluate("clearInterval(cameraPaints)")
    running.page.evaluate(REFUSED_CAMERA)
    running.figure.get_by_role("button", name="Use the camera").click()
    running.page.wait_for_selector("text=The camera was refused")
    running.figure.get_by_label("224", exact=True).check()
    choose(running, "nine photographs")


@pytest.mark.slow
def test_nothing_is_animated_and_in_print_the_answers_stay_and_the_controls_go(running):
    assert running.figure.evaluate("(f) => f.getAnimations({ subtree: true }).length") == 0
    running.page.emulate_media(media="print")
    assert running.figure.locator(".panel > canvas").first.is_visible() and all(words(running))
    assert not any(control.is_visible() for control in running.figure.locator("button, input, select").all())
    running.page.emulate_media(media="screen")


# ------------------------------------------------------------------------------------------------- what can go wrong


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
