"""The way through the book: its chapters in order, how long each takes to read, and the map that heads each of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from book import ROOT
from book.studies.files import results_dir

FOLDER = ROOT / "notebooks"
WORDS_A_MINUTE = 150
"""How fast prose with figures and code between its paragraphs is read."""

END = re.compile(r"^#+ (?:[\d.]+ )?(?:Claims|Exercises)", re.MULTILINE)
"""The heading where a chapter's own text ends."""


@dataclass(frozen=True)
class Chapter:
    """One stop of the way.

    number   as the file's name begins: "01"
    title    the first heading without the number, up to a colon
    file     name in notebooks/
    minutes  to read it, from its words
    seconds  that it ran on two cores, None where it was not measured yet
    """

    number: str
    title: str
    file: str
    minutes: int
    seconds: float | None


def prose(source: str) -> str:
    """The sentences of a Markdown cell: no headings, tables, code, displayed formulas, comments or addresses.

    Nor what stands between the comments of a filled table: nobody wrote its words.
    """
    generated, comment, code, formula = r"<!-- table:.*?<!-- /table -->", r"<!--.*?-->", r"```.*?```", r"\$\$.*?\$\$"
    for pattern in (generated, comment, code, formula):
        source = re.sub(pattern, "", source, flags=re.DOTALL)
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("|", "#"))]
    return re.sub(r"\]\([^)]*\)", "]", " ".join(lines))


def text(path: Path) -> str:
    """The prose of a chapter, from its title to the claims or exercises at its end."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found = []
    shown = [cell for cell in cells if "remove-cell" not in cell["metadata"].get("tags", [])]
    for source in ("".join(cell["source"]) for cell in shown if cell["cell_type"] == "markdown"):
        end = END.search(source)
        found.append(prose(source[: end.start()] if end else source))
        if end:
            break
    return " ".join(found)


def minutes(path: Path) -> int:
    """How many minutes a chapter takes to read."""
    return max(1, round(len(text(path).split()) / WORDS_A_MINUTE))


def chapters() -> list[Chapter]:
    """All chapters that exist, in order."""
    timings = json.loads((results_dir() / "timings.json").read_text(encoding="utf-8"))["chapters"]
    found = []
    for path in sorted(FOLDER.glob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        lines = (line for cell in cells for line in "".join(cell["source"]).splitlines())
        heading = next(line for line in lines if re.match(r"# \d\d ", line))
        number, title = heading.removeprefix("# ").split(" ", 1)
        seconds = timings.get(number, {}).get("seconds")
        found.append(Chapter(number, title.split(":")[0], path.name, minutes(path), seconds))
    return found


def of(number: str) -> Chapter:
    """The chapter of a number such as "01".

    Raises:
        ValueError: there is no such chapter.
    """
    found = {chapter.number: chapter for chapter in chapters()}
    if number not in found:
        raise ValueError(f"there is no chapter {number!r}; there are {', '.join(found)}")
    return found[number]


def times(chapter: Chapter) -> str:
    """How long a chapter takes, in words."""
    read = f"About {chapter.minutes} minutes to read"
    return read if chapter.seconds is None else f"{read}, {chapter.seconds:.0f} seconds to run on two CPU cores"


def as_markdown(number: str) -> str:
    """The map of chapter `number` in plain Markdown, as Jupyter and Colab show it."""
    here = of(number)
    stops = [
        f"**{stop.number} {stop.title}**" if stop == here else f"[{stop.number} {stop.title}]({stop.file})"
        for stop in chapters()
    ]
    return f"> You are here: {' → '.join(stops)}. {times(here)}. <!-- map:{number} -->"


def as_html(number: str, prefix: str) -> str:
    """The map of chapter `number` as the rendered page shows it; `prefix` leads to the site's root."""
    here, stops = of(number), []
    for stop in chapters():
        label = f"<b>{stop.number}</b> <span>{escape(stop.title)}</span>"
        if stop == here:
            stops.append(f'<li aria-current="step">{label}</li>')
        else:
            address = f"{prefix}notebooks/{Path(stop.file).stem}.html"
            stops.append(f'<li><a href="{address}" title="{escape(stop.title)}">{label}</a></li>')
    return (
        f'<nav class="chapter-map" aria-label="You are here"><ol>{"".join(stops)}</ol>'
        f"<p>You are here. {times(here)}.</p></nav>"
    )
