"""Numbers and tables between invisible comments, filled from data/ and never typed.

In a Markdown cell of a chapter or in a page of book/:

    DRN-A-18 errs on <!-- n:results:first_networks/drn_a_18/final.test.top1|.1f -->40.2<!-- /n --> % of the images.

A line must not begin with such a comment (Markdown would take the whole line for HTML). The key is one term, or two
with " - " or " / " between them, then perhaps "|" ("\\|" in a table's cell) and a Python format:

    results:STUDY/NETWORK/METRIC        mean over seeds; after it #n, #std, #min, #max, #s0 (one seed) or #interval
    diff:STUDY/LEFT/RIGHT/METRIC        left - right; after it #n, #p or #interval. A network of another study
                                        is STUDY:NAME
    run:STUDY/NETWORK-s0/FIELD          a field of one run, dots go deeper: dataset.counts.test
    paper:TABLE/ROW/COLUMN              a cell of data/paper/TABLE.csv, as printed where no format is given
    time:CHAPTER/FIELD                  data/results/timings.json, for example time:00/seconds
    read:CHAPTER/FIELD                  a field of `book.chapters.road.Chapter`, for example read:00/minutes
    file:NAME/FIELD                     a field of data/results/NAME.json, dots go deeper; of a list of numbers the mean
    bench:NETWORK,HEIGHT,THREADS/WAY/FIELD   of data/results/bench.json, for example drn_c_26,224,1/kernel/ratio
    grid:KIND/NETWORK/LEVEL/PERIOD      mean grid contrast, as grid:trained/drn_a_18/score_map/4; #n, #interval
    gridgap:LEFT/LEVEL/RIGHT/LEVEL/PERIOD    left - right of two trained networks' grid contrasts; #n, #interval

A number that was not measured yet reads "not yet measured"; a key that names nothing is an error. A whole table:

    <!-- table:results/first_networks/final.test.top1,final.test.top5 -->
    <!-- /table -->

    table:map/CHAPTER                   the way through the book with this chapter marked on it
    table:paper/TABLE/COLUMN,COLUMN     columns of a table of the paper (all of them where none are named)
    table:results/STUDY/METRIC,METRIC   every network of a study: seeds, then each metric's mean
    table:beside/STUDY/METRIC/TABLE/COLUMN   our mean and interval beside the paper's number
    table:summary/STUDY/METRIC,METRIC/NAMES  variants with intervals and costs (NAMES: "all", variants, groups)
    table:scores/STUDY/METRIC,METRIC/NAMES   the same without costs
    table:differences/STUDY/METRIC/LEFT-RIGHT,LEFT-RIGHT   left - right, both intervals, Holm's p over all of them
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import fmean

from book.chapters import road
from book.numbers.tables import common
from book.numbers.text import NOT_MEASURED, MarkerError, sample
from book.studies import files, intervals, paper, results
from book.studies.bench import stored
from book.studies.evidence.grid import contrasts
from book.studies.metrics import interval_text, signed

NUMBER = re.compile(r"<!-- n:(?P<key>[^\n]+?) -->(?P<value>.*?)<!-- /n -->", re.DOTALL)
TABLE = re.compile(r"<!-- table:(?P<key>\S+) -->\n(?P<value>.*?)<!-- /table -->", re.DOTALL)

TABLES = {
    "map": (road.as_markdown, (1,)),
    "paper": (common.paper_table, (1, 2)),
    "results": (common.results_table, (2,)),
    "beside": (common.beside_table, (4,)),
    "summary": (common.summary_table, (3,)),
    "scores": (partial(common.summary_table, costs=False), (3,)),
    "differences": (common.differences_table, (3,)),
}
"""By the first word of a table's key: what makes it, and how many names may follow."""


def fill(text: str, where: str, tables: dict[str, Callable[[], str]] | None = None) -> str:
    """The text with every number and table between comments computed again.

    Args:
        text: Markdown.
        where: name of the file, for messages.
        tables: more tables by name than those described above, each a function that gives Markdown.

    Raises:
        MarkerError: a key names nothing, a comment is not closed, or a line begins with a number's comment.
    """
    _check_form(text, where)
    try:
        text = NUMBER.sub(lambda found: f"<!-- n:{found['key']} -->{number(found['key'])}<!-- /n -->", text)
        return TABLE.sub(
            lambda found: f"<!-- table:{found['key']} -->\n\n{table(found['key'], tables)}\n\n<!-- /table -->", text
        )
    except (MarkerError, FileNotFoundError) as error:
        raise MarkerError(f"{where}: {error}") from error


def number(key: str) -> str:
    """The text of a number's key; see the head of this file."""
    expression, _, style = key.replace("\\|", "|").partition("|")
    for sign, operation in ((" - ", lambda a, b: a - b), (" / ", lambda a, b: a / b)):
        if sign in expression:
            sides = [_term(term.strip()) for term in expression.split(sign)]
            if len(sides) != 2 or not all(side is None or isinstance(side, (int, float)) for side in sides):
                raise MarkerError(f"{key!r}: one {sign.strip()!r} between two numbers is understood, nothing else")
            return NOT_MEASURED if None in sides else _formatted(operation(*sides), style, key)
    value = _term(expression.strip(), as_text=not style)
    return NOT_MEASURED if value is None else _formatted(value, style, key)


def table(key: str, tables: dict[str, Callable[[], str]] | None = None) -> str:
    """The Markdown of a table's key; see the head of this file."""
    if tables and key in tables:
        return tables[key]()
    kind, *parts = key.split("/")
    make, lengths = TABLES.get(kind, (None, ()))
    if len(parts) in lengths:
        return make(*parts)
    known = [*(f"{kind}/…" for kind in TABLES), *(tables or ())]
    raise MarkerError(f"no table is called {key!r}; there are: {', '.join(known)}")


def _term(term: str, as_text: bool = False) -> object:
    address, _, statistic = term.partition("#")
    source, _, path = address.partition(":")
    parts = path.split("/")
    readers = {
        "results": (_results, 3),
        "diff": (_difference, 4),
        "run": (_run, 3),
        "paper": (_paper, 3),
        "time": (_time, 2),
        "read": (_read, 2),
        "file": (_file, 2),
        "bench": (_bench, 3),
        "grid": (_grid, 4),
        "gridgap": (_grid_difference, 5),
    }
    if source not in readers:
        raise MarkerError(f"{term!r}: a key begins with one of {', '.join(readers)} and a colon")
    reader, length = readers[source]
    if len(parts) != length or not all(parts):
        raise MarkerError(f"{term!r}: {source}: takes {length} names with / between them")
    with_statistic = ("results", "diff", "grid", "gridgap")
    if statistic and source not in with_statistic:
        raise MarkerError(f"{term!r}: only {', '.join(with_statistic)} know a statistic after '#'")
    if source == "paper":
        return _paper(*parts, as_text=as_text)
    return reader(*parts, statistic) if source in with_statistic else reader(*parts)


def _results(study: str, network: str, metric: str, statistic: str) -> object:
    values = sample(study, network, metric)
    if statistic == "n" or not values.n:
        return values.n if statistic == "n" else None
    simple = {"": lambda: values.mean, "min": lambda: min(values.values), "max": lambda: max(values.values)}
    if statistic in simple:
        return simple[statistic]()
    if statistic == "std":
        return None if values.n < 2 else values.std
    if statistic == "interval":
        return intervals.student_t(values)
    if re.fullmatch(r"s\d+", statistic):
        return dict(zip(values.seeds, values.values, strict=True)).get(int(statistic[1:]))
    raise MarkerError(f"#{statistic} is not known; there are #n, #std, #min, #max, #s0 and #interval")


def _difference(study: str, left: str, right: str, metric: str, statistic: str) -> object:
    left, right = left.replace(":", "/"), right.replace(":", "/")
    for network in (left, right):
        sample(study, network, metric)  # says so where the name or the metric does not exist
    found = results.difference(study, left, right, metric)
    choices = {"": "estimate", "n": "n", "p": "p"}
    if statistic not in (*choices, "interval"):
        raise MarkerError(f"#{statistic} is not known; there are #n, #p and #interval")
    return found if found is None or statistic == "interval" else getattr(found, choices[statistic])


def _run(study: str, name: str, field: str) -> object:
    path = files.results_dir() / study / f"{name}.json"
    if not path.is_file():
        return None
    return _deep(vars(files.load_run(path)), field, f"the run {study}/{name}")


def _read(number: str, field: str) -> object:
    try:
        return _deep(vars(road.of(number)), field, f"chapter {number}")
    except ValueError as error:
        raise MarkerError(str(error)) from error


def _file(name: str, field: str) -> object:
    path = files.results_dir() / f"{name}.json"
    if not path.is_file():
        raise MarkerError(f"there is no {path.name} in data/results")
    found = _deep(json.loads(path.read_text(encoding="utf-8")), field, path.name)
    of_numbers = isinstance(found, list) and found and all(isinstance(value, (int, float)) for value in found)
    return fmean(found) if of_numbers else found


def _bench(setting: str, way: str, field: str) -> object:
    network, *numbers = setting.split(",")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise MarkerError(f"bench: takes NETWORK,HEIGHT,THREADS, for example drn_c_26,224,1, not {setting!r}")
    try:
        return stored.field(network, *map(int, numbers), way, field)
    except ValueError as error:
        raise MarkerError(str(error)) from error


def _grid(kind: str, network: str, level: str, period: str, statistic: str) -> object:
    return _of_interval(lambda: contrasts.contrast(network, level, int(period), kind), statistic)


def _grid_difference(left: str, of_left: str, right: str, of_right: str, period: str, statistic: str) -> object:
    return _of_interval(lambda: contrasts.difference((left, of_left), (right, of_right), int(period)), statistic)


def _of_interval(read: Callable[[], intervals.Interval], statistic: str) -> object:
    try:
        found = read()
    except ValueError as error:
        raise MarkerError(str(error)) from error
    rounded = round(found.estimate, 2) + 0.0  # no −0.00
    choices = {"": rounded, "n": found.n, "interval": found}
    if statistic not in choices:
        raise MarkerError(f"#{statistic} is not known; there are #n and #interval")
    return choices[statistic]


def _deep(value: object, field: str, where: str) -> object:
    for step in field.split("."):
        if not isinstance(value, dict) or step not in value:
            raise MarkerError(f"{where} has no field {field!r}")
        value = value[step]
    return value


def _paper(name: str, row: str, column: str, as_text: bool) -> object:
    rows = paper.paper_table(name)
    if row not in rows:
        raise MarkerError(f"the table {name} has no row {row!r}; it has {', '.join(rows)}")
    if column not in rows[row]:
        raise MarkerError(f"the table {name} has no column {column!r}; it has {', '.join(rows[row])}")
    text = rows[row][column]
    if as_text:
        return text
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        raise MarkerError(f"{name}/{row}/{column} is {text!r}, which is not a number") from None


def _time(chapter: str, field: str) -> object:
    path = files.results_dir() / "timings.json"
    chapters = json.loads(path.read_text(encoding="utf-8"))["chapters"] if path.is_file() else {}
    if chapter in chapters and field not in chapters[chapter]:
        raise MarkerError(f"timings.json has no {field!r} for chapter {chapter}; it has {', '.join(chapters[chapter])}")
    return chapters.get(chapter, {}).get(field)


def _formatted(value: object, style: str, key: str) -> str:
    if isinstance(value, intervals.Interval):
        return interval_text(value, style or ".1f")
    if isinstance(value, str) and style:
        raise MarkerError(f"{key!r}: the text {value!r} takes no format")
    try:
        return signed(value, style) if isinstance(value, (int, float)) else str(value)
    except ValueError as error:
        raise MarkerError(f"{key!r}: {error}") from error


def _check_form(text: str, where: str | Path) -> None:
    for opening, pattern in (("<!-- n:", NUMBER), ("<!-- table:", TABLE)):
        closing = f"<!-- /{opening[5:-1]} -->"
        if not text.count(opening) == text.count(closing) == len(pattern.findall(text)):
            raise MarkerError(f"{where}: each '{opening}KEY -->' needs its own '{closing}' behind it")
    for line in text.splitlines():
        if line.lstrip().startswith("<!-- n:"):
            raise MarkerError(f"{where}: a line begins with {line.strip()[:60]!r}; put a word before it")
