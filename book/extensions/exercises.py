"""A Sphinx extension: a reader of the rendered page can answer its exercises there, and gets the marks of `check`.

Behind each code cell that calls `check("name", ...)` it puts an empty element with what the script
`_static/exercises/exercises.mjs` needs to ask and to mark, taken from `book.exercises` when the book is built; the
script makes a form of it. An exercise that wants a function gets a sentence instead, and its solution folded away.
Without JavaScript nothing else stands there.

Each message is what `Exercise.mark` says, so that the page only has to find which one is due. The answers are in it, as
base64: not to be read at a glance in the page's source, and not a secret, for they stand on the page of solutions. A
hash of the answer could hide them no better, as most are small numbers or one of four choices; and it could not
tell what is equal within the tolerance.
"""

from __future__ import annotations

import base64
import json
import math
import re
from html import escape

from docutils import nodes

from book.exercises.exercise import Exercise, all_exercises
from book.extensions.placing import load_where

CALL = re.compile(r'^check\("([\w-]+)"', re.MULTILINE)


def asked_in_page(exercise: Exercise) -> bool:
    """Whether the answer can be given in a page: one of a few choices, or one number."""
    return bool(exercise.choices) or isinstance(exercise.solution, int | float)


def known(exercise: Exercise) -> dict:
    """What the page knows of an exercise that is answered there.

    `answers` are the solution, the known mistakes and, where there is a choice, all choices: each with whether it is
    right and the messages of the first attempt, the second and so on, the last of which stays. `other` are the
    messages for any other number, `words` for what is no number.
    """
    attempts = range(len(exercise.hints))

    def messages(answer) -> list[str]:
        found = [exercise.mark(answer, attempt)[1] for attempt in attempts]
        return found if len(set(found)) > 1 else found[:1]

    listed = [exercise.solution, *(mistake.answer for mistake in exercise.mistakes), *exercise.choices]
    answers = list(dict.fromkeys(listed))
    return {
        "name": exercise.name,
        "choices": exercise.choices,
        "tolerance": exercise.tolerance,
        "answers": [[answer, exercise.mark(answer)[0], messages(answer)] for answer in answers],
        "other": messages(math.nan),
        "words": messages("words"),
    }


def element(name: str) -> str:
    """The HTML after the cell of the exercise `name`, as it stands before the script runs.

    Raises:
        ValueError: there is no such exercise.
    """
    exercises = all_exercises()
    if name not in exercises:
        raise ValueError(f"a chapter calls check({name!r}), but book.exercises has no exercise of this name")
    exercise = exercises[name]
    if not asked_in_page(exercise):
        return f'<div class="page-exercise" data-exercise="">{folded(exercise)}</div>'
    content = base64.b64encode(json.dumps(known(exercise), ensure_ascii=False).encode()).decode()
    return f'<div class="page-exercise" data-exercise="{content}"></div>'


def folded(exercise: Exercise) -> str:
    """The HTML of a solution that the reader unfolds, for an exercise that only the notebook can mark."""
    code, why = escape(exercise.solution_text().strip()), escape(exercise.explanation)
    return f"<details><summary>Show a solution</summary><pre>{code}</pre><p>{why}</p></details>"


def in_one_line(task: str) -> str:
    """The task as `check` prints it, without its line breaks: the page breaks lines where the window ends."""
    return re.sub(r"\n(?!Choose from:|- ) *", " ", task.strip())


def place(app, doctree: nodes.document, docname: str) -> None:
    """Put the element of each exercise after its cell, and let its task fill the line; only in HTML."""
    if app.builder.format != "html":
        return
    for code in list(doctree.findall(nodes.literal_block)):
        call, cell = CALL.search(code.astext()), code.parent
        while cell is not None and "cell" not in cell.get("classes", ()):
            cell = cell.parent
        if call and cell is not None:
            for output in cell.findall(nodes.literal_block):
                if output.astext().startswith("Task: "):
                    output.rawsource = in_one_line(output.astext())
                    output[:] = [nodes.Text(output.rawsource)]
            cell.parent.insert(cell.parent.index(cell) + 1, nodes.raw("", element(call[1]), format="html"))


def setup(app) -> dict:
    app.connect("doctree-resolved", place)
    load_where(app, 'class="page-exercise"', "exercises/exercises.css", "exercises/exercises.mjs")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
