"""Exercises: the task, hints in steps, the marking. The tasks stand in the YAML files beside this one, once.

In a chapter `check("output-size", ...)` shows the task; `check("output-size", 28)` marks an answer. It never
raises: a wrong answer, an answer of the wrong kind and a function that fails each get a sentence.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

PARTS = ("tour", "arithmetic", "gridding", "classification", "localization", "segmentation")
"""The YAML files with the texts, in the order of the chapters; beside each stands the module of its functions.

Such a module has the solutions and the random inputs as functions, and `WRONG`, the wrong answers of one line."""
LINE = 86
"""Characters a line: what a page of the book shows without scrolling."""

_attempts: dict[str, int] = {}


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
        """(right or not, what to tell the reader) for the answer of a given attempt, counted from 0."""
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
        return False, f"Not yet. {problem}{self.hints[min(attempt, len(self.hints) - 1)]}"

    def solution_text(self) -> str:
        """The solution as the page of solutions shows it: a value, or the function's source."""
        return textwrap.dedent(inspect.getsource(self.solution)) if self.is_function else str(self.solution)

    def _problem(self, answer: Any) -> str | None:
        """None for a right answer, else what can be said of it without giving the solution away."""
        if self.choices and answer not in self.choices:
            return f"Choose one of {', '.join(map(repr, self.choices))}. "
        if not self.is_function:
            return None if self._equal(answer, self.solution) else ""
        for arguments in self._arguments():
            try:
                got = answer(*arguments)
            except Exception as error:  # the reader's own function may fail in any way
                return f"Your function raised {type(error).__name__} ({error}). "
            if not self._equal(got, self.solution(*arguments)):
                return f"For {_show(arguments)} your function gives {_show(got)}, which is not it. "
        return None

    def _same(self, answer: Any, mistake: Any) -> bool:
        """Whether an answer is a known mistake; functions are compared by what they give."""
        if not self.is_function:
            return self._equal(answer, mistake)
        try:
            return all(self._equal(answer(*given), mistake(*given)) for given in self._arguments())
        except Exception:
            return False

    def _arguments(self) -> Iterator[tuple]:
        """The random inputs on which a function is compared with the solution."""
        random = np.random.default_rng(0)
        return (self.inputs(random) for _ in range(20))

    def _equal(self, left: Any, right: Any) -> bool:
        """Equal as words, or as arrays of numbers of one shape within the tolerance."""
        if isinstance(left, str) or isinstance(right, str):
            return isinstance(left, str) and isinstance(right, str) and left == right
        try:
            left, right = np.asarray(left, dtype=float), np.asarray(right, dtype=float)
        except (TypeError, ValueError):
            return False
        return left.shape == right.shape and np.allclose(left, right, rtol=self.tolerance, atol=self.tolerance)


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
    exercises = all_exercises()
    if name not in exercises:
        print(f"There is no exercise {name!r}; this book has {', '.join(exercises)}.")
        return
    exercise = exercises[name]
    if answer is ...:
        print(textwrap.fill(f"Task: {exercise.task}", LINE, replace_whitespace=True))
        if exercise.choices:
            print("Choose from:", ", ".join(map(repr, exercise.choices)))
        return
    right, message = exercise.mark(answer, _attempts.get(name, 0))
    _attempts[name] = 0 if right else _attempts.get(name, 0) + 1
    print(textwrap.fill(message, LINE))


def _show(value: Any) -> str:
    """A value in a few characters."""
    text = np.array2string(np.asarray(value), precision=4) if isinstance(value, np.ndarray) else repr(value)
    return textwrap.shorten(text, 60)
