"""Exercises: the task, hints in steps, the marking. The tasks stand in the YAML files beside this one, once.

In a chapter `check("output-size", ...)` shows the task; `check("output-size", 28)` marks an answer. It never
raises: a wrong answer, an answer of the wrong kind and a function that fails each get a sentence. The reader's function
gets copies of the arguments, so that whatever it does to them changes nothing about what is right.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import numbers
import reprlib
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from drn_lib.checks import UnknownName, one_of

PARTS = ("tour", "arithmetic", "gridding", "classification", "localization", "segmentation", "speed", "remedies")
"""The YAML files with the texts, in the order of the chapters; beside each stands the module of its functions.

Such a module has the solutions and the random inputs as functions, and `WRONG`, the wrong answers of one line."""
LINE = 72
"""Characters a line: what a page of the book shows without scrolling."""

_attempts: dict[str, int] = {}
_short = reprlib.Repr()
_short.maxlevel, _short.maxlist, _short.maxtuple, _short.maxdict = 4, 30, 30, 30
_short.maxother = _short.maxstring = 1000


class _Failed(Exception):
    """The reader's function did not come to an answer; the message tells the reader why."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that readers give, and the hint that fits it. For a function exercise it is a function."""

    answer: Any
    hint: str


@dataclass(frozen=True)
class Exercise:
    """One exercise."""

    name: str  # as `check` takes it, unique in the book
    chapter: int
    task: str  # a few sentences of Markdown
    solution: Any  # a number, one of `choices`, a tuple of numbers, or a function
    explanation: str  # why, shown after a right answer and on the page of solutions
    hints: tuple[str, ...]  # shown one after the other for wrong answers that are no known mistake
    mistakes: tuple[Mistake, ...] = ()
    choices: tuple[str, ...] = ()
    inputs: Callable[[np.random.Generator], tuple] | None = None  # for a function: makes the arguments of one call
    tolerance: float = 1e-6  # the relative difference that still counts as right

    @property
    def is_function(self) -> bool:
        """Whether the answer is a function, marked on random inputs."""
        return self.inputs is not None

    def mark(self, answer: Any, attempt: int = 0) -> tuple[bool, str]:
        """(right or not, what to tell the reader) for the answer of a given attempt, counted from 0; never raises."""
        try:
            if self.is_function and not callable(answer):
                return False, f"This one wants a function, not {type(answer).__name__}."
            if isinstance(answer, str) and not (self.is_function or self.choices):
                return False, "This one wants a number, such as 12, 0.25 or 1/3."
            problem = self._problem(answer)
            if problem is None:
                return True, f"Right. {self.explanation}"
            for mistake in self.mistakes:
                if self._same(answer, mistake.answer):
                    return False, f"Not yet. {mistake.hint}"
        except _Failed as failure:
            problem = str(failure)
        except BaseException:  # an answer may raise anything wherever it is touched
            problem = "This answer raises an error when it is looked at. "
        return False, f"Not yet. {problem}{self.hints[min(attempt, len(self.hints) - 1)]}"

    def solution_text(self) -> str:
        """The solution as the page of solutions shows it: a value, or the function's source."""
        return textwrap.dedent(inspect.getsource(self.solution)) if self.is_function else str(self.solution)

    def _problem(self, answer: Any) -> str | None:
        """None for a right answer, else what can be said of it without giving the solution away."""
        if self.choices and not any(self._equal(answer, choice) for choice in self.choices):
            return f"Choose one of {', '.join(map(repr, self.choices))}. "
        if not self.is_function:
            return None if self._equal(answer, self.solution) else ""
        for arguments in self._arguments():
            right, got = self.solution(*copy.deepcopy(arguments)), _call(answer, arguments)
            if not self._equal(got, right):
                return f"For {_show(arguments)} your function gives {_show(got)}, which is not it. "
        return None

    def _same(self, answer: Any, mistake: Any) -> bool:
        """Whether an answer is a known mistake; functions are compared by what they give."""
        if not self.is_function:
            return self._equal(answer, mistake)
        return all(self._equal(_call(answer, given), mistake(*copy.deepcopy(given))) for given in self._arguments())

    def _arguments(self) -> Iterator[tuple]:
        """The random inputs on which a function is compared with the solution."""
        random = np.random.default_rng(0)
        return (self.inputs(random) for _ in range(20))

    def _equal(self, answer: Any, expected: Any) -> bool:
        """Equal as words, or as arrays of numbers of one shape within the tolerance."""
        if isinstance(expected, str):
            return isinstance(answer, str) and str.__str__(answer) == expected  # whatever a subclass calls equal
        expected = np.asarray(expected, dtype=float)
        try:
            with np.errstate(all="ignore"):
                given = _as_numbers(answer, expected)
                return bool(np.allclose(given, expected, rtol=self.tolerance, atol=self.tolerance))
        except Exception:  # the answer's own methods may fail in any way
            return False


def _call(function: Callable, arguments: tuple) -> Any:
    """What the reader's function gives for copies of the arguments.

    Raises:
        _Failed: it raised an error, ended Python, was stopped, or has to be awaited.
    """
    try:
        got = function(*copy.deepcopy(arguments))
    except KeyboardInterrupt:
        raise _Failed("Your function was stopped before it came to an answer. ") from None
    except BaseException as error:  # SystemExit too
        raise _Failed(f"Your function raised {type(error).__name__}{_text_of(error)}. ") from None
    if inspect.iscoroutine(got):
        got.close()
        raise _Failed("Your function gives a coroutine: write it with def alone, without async. ")
    return got


def _as_numbers(value: Any, like: np.ndarray) -> np.ndarray:
    """The numbers that a reader gives, in the shape of `like`; sizes are compared before any value is read.

    Raises:
        ValueError: another shape, or something else than numbers: words, truth values, masked or missing ones.
    """
    if hasattr(value, "detach"):  # a tensor, which may require a gradient or have numbers that numpy lacks
        value = value.detach().cpu()
        value = value.tolist() if tuple(value.shape) == like.shape else None
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
        if len(value) == len(like):
            return np.array([_as_numbers(part, row) for row, part in zip(like, value)]).reshape(like.shape)
    elif hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.shape == like.shape and not np.ma.is_masked(value):
            if array.dtype.kind == "O":
                return _as_numbers(array.ravel().tolist(), like.ravel()).reshape(like.shape)
            if array.dtype.kind in "iufc":
                return array
    elif isinstance(value, numbers.Number) and not isinstance(value, bool) and like.shape == ():
        return np.array(value if isinstance(value, complex) else float(value))
    raise ValueError("no numbers of that shape")


@cache
def all_exercises() -> dict[str, Exercise]:
    """Every exercise of the book by name, in the order of the chapters."""
    found = {}
    for part in PARTS:
        module = importlib.import_module(f"book.exercises.{part}")
        functions = vars(module) | module.WRONG
        text = Path(__file__).with_name(f"{part}.yml").read_text(encoding="utf-8")
        found.update({row["name"]: _from_text(row, functions) for row in yaml.safe_load(text)})
    return found


def _from_text(row: dict, functions: dict[str, Any]) -> Exercise:
    """An exercise as its file writes it: names of functions and fractions ("1/9") become what they stand for."""

    def value(written: Any) -> Any:
        if "inputs" in row:
            return functions[written]
        return float(Fraction(written)) if isinstance(written, str) and "choices" not in row else written

    made = {name: tuple(row.get(name, ())) for name in ("choices", "hints")}
    made["mistakes"] = tuple(Mistake(value(mistake["answer"]), mistake["hint"]) for mistake in row["mistakes"])
    if "inputs" in row:
        made["inputs"] = functions[row["inputs"]]
    return Exercise(**row | made | {"solution": value(row["solution"])})


def check(name: str, answer: Any = ...) -> None:
    """Mark an answer to the exercise `name`, or show its task where the answer is `...`. Prints; never raises."""
    try:
        exercise = all_exercises()[one_of("exercise", name, all_exercises())]
    except BaseException as error:  # a name may raise anything, too
        said = _text_of(error)[2:-1] if isinstance(error, UnknownName) else "an exercise has a name, such as 'split'"
        print(textwrap.fill(said[:1].upper() + said[1:], LINE, break_on_hyphens=False))
        return
    if answer is ...:
        print(textwrap.fill(f"Task: {exercise.task}", LINE, replace_whitespace=True))
        if exercise.choices:
            print("Choose from:", *(_choice_line(choice) for choice in exercise.choices), sep="\n")
        return
    attempt = _attempts.get(exercise.name, 0)
    right, message = exercise.mark(answer, attempt)
    _attempts[exercise.name] = 0 if right else attempt + 1
    print(textwrap.fill(message, LINE))


def _choice_line(choice: str) -> str:
    return textwrap.fill(repr(choice), LINE, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)


def _show(value: Any) -> str:
    """A value in a few characters."""
    try:
        text = np.array2string(np.asarray(value), precision=4) if isinstance(value, np.ndarray) else _short.repr(value)
        return _printable(text, 60)
    except BaseException:
        return f"something of the type {type(value).__name__}"


def _text_of(error: BaseException) -> str:
    """An error's own words in brackets, where it has some."""
    try:
        text = _printable(str(error), 300)
    except BaseException:
        text = ""
    return f" ({text})" if text else ""


def _printable(text: str, width: int) -> str:
    """A text of at most `width` characters, of which every one can be printed."""
    return textwrap.shorten(text[: 10 * width], width).encode("utf-8", "backslashreplace").decode()
