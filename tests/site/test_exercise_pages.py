"""Exercises in the rendered pages: marked as `check` marks them, usable by everyone, unseen without JavaScript."""

from __future__ import annotations

import base64
import json
import re

import pytest

from book.exercises import exercise as exercises
from book.exercises.exercise import all_exercises, check
from book.extensions import exercises as exercise_pages
from book.figures import style
from tests import ROOT
from tests.notebooks import chapters
from tests.site.browser import Visit, serve

EXERCISES = all_exercises()
IN_PAGE = [name for name, exercise in EXERCISES.items() if exercise_pages.asked_in_page(exercise)]
FOLDER = ROOT / "book" / "_static"
MOST_BYTES = 6_000  # script and style as they are written, without the explorers' dom.mjs
JUNK = ["junk", "", "49 cells", "1/0", "-12345.678", "1e300", "0", "-0.1", "three", "2/", "nan", "Infinity", "0x10"]
PAGE = """<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>A page</title>
<link rel="stylesheet" href="../_static/exercises/exercises.css">
<script type="module" src="../_static/exercises/exercises.mjs"></script></head>
<body><main>{body}</main></body></html>"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page with three exercises, a number, a choice and a function, in a sub-folder of a host."""
    root = tmp_path_factory.mktemp("host")
    folder = root / "some" / "folder" / "notebooks"
    folder.mkdir(parents=True)
    (folder.parent / "_static").symlink_to(FOLDER, target_is_directory=True)
    body = "".join(map(exercise_pages.element, ("live-taps", "dense-reading", "overlap")))
    (folder / "page.html").write_text(PAGE.format(body=body), encoding="utf-8")
    server = serve(root)
    yield f"http://127.0.0.1:{server.server_port}/some/folder"
    server.shutdown()


@pytest.fixture
def seen(browser, address):
    visit = Visit(browser, address, "narrow")
    visit.page.goto(f"{address}/notebooks/page.html", wait_until="load")
    visit.page.wait_for_selector("form")
    yield visit
    problems = visit.problems
    visit.context.close()
    assert problems == []


def test_a_task_in_the_page_breaks_its_lines_where_the_window_ends(capsys):
    check("which-control", ...)
    printed, asked = capsys.readouterr().out, EXERCISES["which-control"]
    task, choose, *choices = exercise_pages.in_one_line(printed).splitlines()
    assert task.split() == ["Task:", *asked.task.split()] and choose == "Choose from:"
    assert choices == [f"- {choice!r}" for choice in asked.choices]
    assert max(map(len, printed.splitlines())) <= 72


def test_every_exercise_is_answered_in_the_page_or_wants_a_function():
    assert len(IN_PAGE) >= 13
    assert all(exercise.is_function for name, exercise in EXERCISES.items() if name not in IN_PAGE)


def test_a_chapter_s_unknown_exercise_is_an_error():
    with pytest.raises(ValueError, match="no-such-exercise"):
        exercise_pages.element("no-such-exercise")


def test_no_answer_is_read_at_a_glance():
    for name in IN_PAGE:
        html = exercise_pages.element(name)
        told = [EXERCISES[name].explanation, *EXERCISES[name].hints, *EXERCISES[name].choices, '"answers"']
        assert not any(text[:20] in html for text in told if len(text) > 3)
        code = re.search(r'data-exercise="([^"]+)"', html)[1]
        assert json.loads(base64.b64decode(code))["name"] == name
    assert 'data-exercise=""' in exercise_pages.element("overlap")


def test_script_and_style_are_small_and_quiet():
    files = list((FOLDER / "exercises").iterdir())
    assert len(files) == 2 and sum(path.stat().st_size for path in files) < MOST_BYTES
    for path in files:
        assert not re.search(r"https?://|url\(", path.read_text()), path.name
    assert f"--exercise-accent: {style.ACCENT};" in (FOLDER / "exercises" / "exercises.css").read_text()


@pytest.mark.slow
def test_the_page_marks_as_check_does(seen, capsys, monkeypatch):
    """Every solution, mistake, choice and some junk, four times in a row: message for message what `check` prints."""
    cases = []
    for name in IN_PAGE:
        exercise = EXERCISES[name]
        near = []
        if not exercise.choices:
            for value in (exercise.solution, *(mistake.answer for mistake in exercise.mistakes)):
                reach = exercise.tolerance * (1 + abs(value))
                near += [value + share * reach for share in (-1.01, -0.99, 0.99, 1.01)]
        answers = [exercise.solution, *(mistake.answer for mistake in exercise.mistakes), *exercise.choices]
        texts = [*map(str, answers), *map(repr, near), *JUNK]
        cases += [{"name": name, "text": text, "known": exercise_pages.known(exercise)} for text in texts]
    found = seen.page.evaluate(
        """async (cases) => {
          const { mark, read } = await import("../_static/exercises/exercises.mjs");
          return cases.map(({ text, known }) => {
            const answer = known.choices.length ? text : read(text);
            return [answer, [0, 1, 2, 3].map((attempt) => mark(known, answer, attempt))];
          });
        }""",
        cases,
    )
    monkeypatch.setattr(exercises.textwrap, "fill", lambda text, width: text)
    right = 0
    for case, (answer, marks) in zip(cases, found, strict=True):
        monkeypatch.setattr(exercises, "_attempts", {})
        for attempt, (is_right, message) in enumerate(marks):
            exercises._attempts[case["name"]] = attempt
            check(case["name"], answer)
            assert capsys.readouterr().out == message + "\n", case
            assert is_right == message.startswith("Right. "), case
            right += is_right
    assert right >= 4 * 2 * len(IN_PAGE)


@pytest.mark.slow
def test_what_counts_as_a_number(seen):
    written = {
        "12": 12,
        " .5 ": 0.5,
        "1/9": 1 / 9,
        "2 / 3": 2 / 3,
        "−3": -3,
        "+1e-3": 0.001,
        "600,600": 600600,
        "7.": 7,
    }
    words = ["0,5", "600,60", "1/9/2", "twelve", "12 px", "--3", "1_000", "."]
    read = """async (texts) => {
      const { read } = await import("../_static/exercises/exercises.mjs");
      return texts.map(read);
    }"""
    assert seen.page.evaluate(read, list(written)) == pytest.approx(list(written.values()))
    assert seen.page.evaluate(read, words) == words


@pytest.mark.slow
def test_by_the_keyboard_alone(seen):
    """Type and press Enter; Tab to the choices, arrow to one, Tab to the button, Space: each verdict is a status."""
    page, (number, choice) = seen.page, seen.page.locator("form").all()
    hints, listed = EXERCISES["live-taps"].hints, EXERCISES["dense-reading"]
    number.get_by_label("Your answer").focus()
    page.keyboard.press("Enter")
    assert number.get_by_role("status").inner_text() == "Write an answer first."
    for text, expected in (
        ("a lot", "This one wants a number, such as 12, 0.25 or 1/3."),
        ("0.5", f"Not yet. {hints[1]}"),
        ("1/3", "Not yet. That is the fraction along one axis; the kernel has two."),
        ("1/9", f"Right. {EXERCISES['live-taps'].explanation}"),
        ("0.5", f"Not yet. {hints[0]}"),
    ):
        number.get_by_label("Your answer").fill(text)
        page.keyboard.press("Enter")
        assert number.get_by_role("status").inner_text() == expected
    page.keyboard.press("Tab")  # the button
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # the first choice, which is the right one
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert choice.get_by_role("status").inner_text() == f"Not yet. {listed.mistakes[0].hint}"
    assert choice.get_by_role("group", name="Your answer").get_by_role("radio").count() == 4
    choice.get_by_label(listed.solution).check()
    choice.get_by_role("button", name="Check").click()
    assert choice.get_by_role("status").inner_text().startswith("Right. ")
    assert page.get_by_text("asks for a function").count() == 1
    outline = number.get_by_label("Your answer").evaluate(
        "(n) => { n.focus(); return getComputedStyle(n).outlineStyle }"
    )
    assert outline == "solid"


@pytest.mark.slow
def test_nothing_chosen_is_said_and_print_leaves_all_of_it_out(seen):
    choice = seen.page.locator("form").nth(1)
    choice.get_by_role("button").click()
    assert choice.get_by_role("status").inner_text() == "Choose one of the answers first."
    assert choice.locator(".wrong").count() == 0
    seen.page.emulate_media(media="print")
    assert not any(place.is_visible() for place in seen.page.locator(".page-exercise").all())


@pytest.mark.slow
def test_without_javascript_there_is_nothing(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/notebooks/page.html", wait_until="load")
    places = page.locator(".page-exercise").all()
    assert len(places) == 3
    assert not any(place.is_visible() for place in places if place.get_attribute("data-exercise"))
    context.close()


# ------------------------------------------------------------------------------------------------ in the built book


def test_every_chapter_has_its_exercises_after_their_cells(built):
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        asked = []
        for cell in chapters.read(path)["cells"]:
            call = exercise_pages.CALL.search("".join(cell["source"])) if cell["cell_type"] == "code" else None
            asked += [call[1]] if call else []
        html = (built / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
        codes = re.findall(r'<div class="page-exercise" data-exercise="([^"]*)"></div>', html)
        names = [json.loads(base64.b64decode(code))["name"] if code else None for code in codes]
        assert asked and names == [name for name in asked if name in IN_PAGE], path.name
        others = [EXERCISES[name] for name in asked if name not in IN_PAGE]
        assert html.count("<summary>Show a solution</summary>") == len(others), path.name
        assert ("exercises/exercises.mjs" in html) and html.index("<h2>Exercises") < html.index('class="page-exercise"')


@pytest.mark.slow
def test_in_the_book(in_book, axe_script):
    """One chapter, each kind answered: no error, no other host; wide and narrow, light and dark: fits, accessible."""
    page = in_book.page
    page.route("**/mathjax/**", lambda route: route.fulfill(content_type="text/javascript", body=""))
    page.goto(f"{in_book.address}/notebooks/07_segmentation.html", wait_until="load")
    number, _, choice = page.locator("form.wrong, .page-exercise form").all()
    number.get_by_label("Your answer").fill("0.7")
    number.get_by_role("button").click()
    choice.get_by_label("every class has one vote").check()
    choice.get_by_role("button").click()
    assert number.get_by_role("status").inner_text().startswith("Not yet. ")
    assert choice.get_by_role("status").inner_text().startswith("Right. ")
    assert in_book.part_faults(axe_script, ".page-exercise") == []
    assert in_book.problems == []
