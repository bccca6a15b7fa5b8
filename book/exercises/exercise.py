"""Exercises: the task, hints in steps, the marking. The tasks stand beside this file, one module a subject.

In a chapter `check("output-size", ...)` shows the task; `check("output-size", 28)` marks an answer. It never
raises: a wrong answer, an answer of the wrong kind and a function that fails each get a sentence.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_TASK_MODULES = (
    "tour",
    "arithmetic",
    "gridding",
    "classification",
    "localization",
    "segmentation",
)
LINE = 86
"""Characters a line: what a page of the book shows without scrolling."""
_ROUNDS = 20
"""Random inputs on which a function is compared with the solution."""

_attempts: dict[str, int] = {}


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that readers give, and the hint that fits it. For a function exercise it is a function."""

    answer: Any
    hint: str


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Args:
        name: as `check` takes it, unique in the book.
        chapter: number of the chapter that poses it.
        task: what to do, in a few sentences of Markdown.
        solution: a number, one of `choices`, a tuple of numbers, or a function.
        explanation: why, shown after a right answer and on the page of solutions.
        hints: shown one after the other for wrong answers that are no known mistake.
        mistakes: wrong answers with a hint of their own.
        choices: the answers to choose from, where it is a choice.
        inputs: for a function: makes the arguments of one call from a random generator.
        tolerance: the relative difference that still counts as right.
    """

    name: str
    chapter: int
    task: str
    solution: Any
    explanation: str
    hints: tuple[str, ...]
    mistakes: tuple[Mistake, ...] = ()
    choices: tuple[str, ...] = ()
    inputs: Callable[[np.random.Generator], tuple] | None = None
    tolerance: float = 1e-6

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
        if self.is_function:
            return textwrap.dedent(inspect.getsource(self.solution))
        return str(self.solution)

    def _problem(self, answer: Any) -> str | None:
        """None for a right answer, else what can be said of it without giving the solution away."""
        if self.choices and answer not in self.choices:
            return f"Choose one of {', '.join(map(repr, self.choices))}. "
        if not self.is_function:
            return None if self._equal(answer, self.solution) else ""
        random = np.random.default_rng(0)
        for _ in range(_ROUNDS):
            arguments = self.inputs(random)
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
        random = np.random.default_rng(0)
        try:
            return all(
                self._equal(answer(*arguments), mistake(*arguments))
                for arguments in (self.inputs(random) for _ in range(_ROUNDS))
            )
        except Exception:
            return False

    def _equal(self, left: Any, right: Any) -> bool:
        """Equal as words, or as arrays of numbers of one shape within the tolerance."""
        if isinstance(left, str) or isinstance(right, str):
            return isinstance(left, str) and isinstance(right, str) and left == right
        try:
            left, right = np.asarray(left, dtype=float), np.asarray(right, dtype=float)
        except (TypeError, ValueError):
            return False
        return left.shape == right.shape and np.allclose(left, right, rtol=self.tolerance, atol=self.tolerance)


def all_exercises() -> dict[str, Exercise]:
    """Every exercise of the book by name, in the order of the chapters."""
    found = {}
    for module in _TASK_MODULES:
        for exercise in importlib.import_module(f"book.exercises.{module}").EXERCISES:
            found[exercise.name] = exercise
    return found


def check(name: str, answer: Any = ...) -> None:
    """Show the task `name`, or mark an answer to it. Prints; never raises.

    Args:
        name: of the exercise, as the chapter gives it.
        answer: yours; `...` shows the task.
    """
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
