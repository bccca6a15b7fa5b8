"""The page of solutions: every exercise of the book from `book.exercises`, its solution folded away."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby

from book.chapters import road
from book.exercises.exercise import Exercise, all_exercises


def solutions() -> str:
    """One section for each chapter, one exercise after the other, in Markdown."""
    listed = sorted(all_exercises().values(), key=lambda exercise: exercise.chapter)
    parts = []
    for chapter, exercises in groupby(listed, key=lambda exercise: exercise.chapter):
        parts.append(f"## {chapter:02d} {road.of(f'{chapter:02d}').title}")
        parts += [_solution(f"{chapter}.{place}", exercise) for place, exercise in enumerate(exercises, 1)]
    return "\n\n".join(parts)


def _solution(number: str, exercise: Exercise) -> str:
    """`number` is the chapter's and the place in it; the name of `check` stays an address within the page."""
    choices = "\n\nChoose from:\n\n" + _bullets(exercise.choices) if exercise.choices else ""
    text = exercise.solution_text().rstrip()
    answer = f"```python\n{text}\n```" if exercise.is_function else f"**{_short(exercise.solution, text)}**"
    hints = _bullets(exercise.hints)
    return (
        f"({exercise.name})=\n### Exercise {number}\n\n{exercise.task}{choices}\n\n"
        f'In the chapter: `check("{exercise.name}", ...)`\n\n'
        f":::{{dropdown}} Hints for exercise {number}\n{hints}\n:::\n\n"
        f":::{{dropdown}} Solution of exercise {number}\n{answer}\n\n{exercise.explanation}\n:::"
    )


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _short(solution: object, text: str) -> str:
    """A number with endless digits as a fraction and three decimals, anything else as it stands."""
    if isinstance(solution, float) and len(text) > 8:
        return f"{Fraction(solution).limit_denominator(1000)}, about {solution:.3f}"
    return text
