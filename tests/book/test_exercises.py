"""Every exercise can be solved, and its wrong answers are told apart. The engine's own tests stand below."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import yaml

from book.exercises import exercise as exercises
from book.exercises.exercise import Exercise, Mistake, all_exercises, check
from drn_lib import geometry
from drn_lib.architecture import architecture
from tests import ROOT

EXERCISES = list(all_exercises().values())
BY_NAME = [pytest.param(exercise, id=exercise.name) for exercise in EXERCISES]


@pytest.fixture(autouse=True)
def first_attempt(monkeypatch):
    monkeypatch.setattr(exercises, "_attempts", {})


@pytest.mark.parametrize("exercise", BY_NAME)
def test_the_solution_passes(exercise):
    right, message = exercise.mark(exercise.solution)
    assert right and exercise.explanation in message, message


@pytest.mark.parametrize("exercise", BY_NAME)
def test_three_wrong_answers_fail_with_hints_of_their_own(exercise):
    marks = [exercise.mark(mistake.answer) for mistake in exercise.mistakes]
    assert marks == [(False, f"Not yet. {mistake.hint}") for mistake in exercise.mistakes]
    assert len(set(marks)) == len(marks) >= 3


NONSENSE = [None, "nonsense", -12345.678, [], {"a": 1}, lambda: 1, lambda *anything: 1 / 0, object()]


@pytest.mark.parametrize("exercise", BY_NAME)
@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_is_marked_wrong_and_never_raises(exercise, nonsense, capsys):
    check(exercise.name, nonsense)
    assert not capsys.readouterr().out.startswith("Right")


@pytest.mark.parametrize("exercise", BY_NAME)
def test_the_task_is_shown_and_has_words(exercise, capsys):
    check(exercise.name, ...)
    assert capsys.readouterr().out.startswith("Task: ")
    assert exercise.hints and exercise.explanation and exercise.solution_text()


@pytest.mark.parametrize("exercise", [e for e in EXERCISES if e.is_function], ids=lambda exercise: exercise.name)
def test_random_inputs_differ_from_each_other(exercise):
    random = np.random.default_rng(0)
    assert len({repr(exercise.inputs(random)) for _ in range(20)}) > 10


def test_names_are_unique_and_each_chapter_has_three_to_five():
    files = [ROOT / "book" / "exercises" / f"{part}.yml" for part in exercises.PARTS]
    assert sum(len(yaml.safe_load(file.read_text(encoding="utf-8"))) for file in files) == len(EXERCISES)
    for chapter, count in Counter(exercise.chapter for exercise in EXERCISES).items():
        assert 3 <= count <= 5, f"chapter {chapter} has {count}"


def test_half_of_the_exercises_of_the_book_are_functions():
    assert 2 * sum(exercise.is_function for exercise in EXERCISES) >= len(EXERCISES)


def test_solutions_agree_with_the_library():
    """What the exercises call right is what `geometry` and the networks compute."""
    found, random = all_exercises(), np.random.default_rng(1)
    for _ in range(20):
        arguments = found["output-size"].inputs(random)
        assert found["output-size"].solution(*arguments) == geometry.output_size(*arguments)
        (layers,) = found["receptive-field"].inputs(random)
        chain = [geometry.Layer("", kernel, stride, dilation, 9) for kernel, stride, dilation in layers]
        assert found["receptive-field"].solution(layers) == geometry.receptive_field(chain)
    assert found["live-taps"].solution == pytest.approx(geometry.live_taps(4, 3, 4))
    rows = [(level.stride, level.first_dilation[0], level.dilation) for level in architecture("drn_a_18").levels]
    assert found["dilation-schedule"].solution([1, 2, 2, 2], 2) == rows
    assert found["first-of-level-6"].solution == str(rows[-1][1])


def test_the_exercises_need_no_torch():
    code = "import sys; from book.exercises import all_exercises; all_exercises(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


class TestEngine:
    hints = ("first hint", "second hint")
    number = Exercise("n", 1, "Task?", 4, "Because.", hints, (Mistake(2, "half of it"),), tolerance=1e-3)

    def test_a_number_counts_within_the_tolerance(self):
        assert self.number.mark(4.0001)[0] and not self.number.mark(4.1)[0]

    def test_hints_come_one_after_the_other(self, monkeypatch, capsys):
        monkeypatch.setattr(exercises, "all_exercises", lambda: {"n": self.number})
        for answer in (7, 8, 9):
            check("n", answer)
        assert [line[9:] for line in capsys.readouterr().out.splitlines()] == ["first hint"] + ["second hint"] * 2

    def test_a_known_mistake_and_words_for_a_number_get_their_own_hint(self):
        assert self.number.mark(2) == (False, "Not yet. half of it")
        assert self.number.mark("four") == (False, "This one wants a number, such as 12, 0.25 or 1/3.")

    def test_an_unknown_name_says_which_there_are(self, capsys):
        check("no-such-exercise", 1)
        assert EXERCISES[0].name in capsys.readouterr().out

    def test_a_function_that_fails_gets_its_error_told(self):
        double = Exercise("f", 1, "Task?", lambda x: 2 * x, "Because.", ("hint",), inputs=lambda r: (r.random(),))
        assert double.mark(lambda x: x + x)[0]
        assert "ZeroDivisionError" in double.mark(lambda x: x / 0)[1]
        assert "wants a function" in double.mark(3)[1]
