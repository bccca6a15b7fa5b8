"""Which cells of a chapter can run in a page: those that need only the arithmetic of `drn_lib`, which needs no torch.

A cell is taken statement by statement. A statement stays where every name that it reads is Python's own, comes from a
module in `MODULES`, or was made by statements that stay; the others, such as those that draw a figure, are left out.
What is left is run here, in a Python without torch, and the cell is offered only where it prints what the chapter
stores.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from book.running import runner

MODULES = ("drn_lib.architecture", "drn_lib.geometry", "drn_lib.names", "drn_lib.costs")
"""The parts of the library that the page's Python has."""
STANDARD = ("collections", "dataclasses", "fractions", "functools", "itertools", "math", "statistics")


@dataclass(frozen=True)
class Runnable:
    """A cell for the page: what runs before it unseen, the code that is shown, and what it prints."""

    before: str
    code: str
    expected: str


@dataclass(frozen=True)
class _Part:
    """A statement that stays: its text, and the names that it makes and reads."""

    text: str
    makes: frozenset[str]
    reads: frozenset[str]


def runnable(cells: Iterable[tuple[str, str]]) -> dict[int, Runnable]:
    """The cells of a chapter, (source, what it printed) in order, that run in a page, by their place."""
    known: dict[str, _Part] = {}
    found = {}
    for place, (source, stored) in enumerate(cells):
        try:
            tree = ast.parse(source)
        except SyntaxError:  # a magic of the notebook's
            continue
        earlier, kept, dropped, computes = dict(known), [], [], False
        for statement in tree.body:
            part = _part(statement, source, known)
            for name in _stored(statement):
                known.pop(name, None)
            if part is None:
                dropped.append(statement)
                continue
            kept.append(statement)
            computes |= any(_from_library(known[name]) for name in part.reads if name in known)
            known |= dict.fromkeys(part.makes, part)
        if computes and stored.strip():
            cell = Runnable(_before(kept, earlier), _without(source, dropped), stored)
            if _prints_what_is_stored(cell):
                found[place] = cell
    return found


def _part(statement: ast.stmt, source: str, known: dict[str, _Part]) -> _Part | None:
    """The statement, where it can run in a page."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return _import(statement)
    makes, reads = _stored(statement), _loaded(statement)
    unknown = reads - makes - known.keys() - vars(builtins).keys()
    return None if unknown or "input" in reads else _Part(ast.get_source_segment(source, statement), makes, reads)


def _import(statement: ast.Import | ast.ImportFrom) -> _Part | None:
    for alias in statement.names:
        whole = alias.name if isinstance(statement, ast.Import) else f"{statement.module}.{alias.name}"
        module = alias.name if isinstance(statement, ast.Import) else statement.module
        if whole not in MODULES and module not in (*MODULES, *STANDARD):
            return None
    makes = frozenset(alias.asname or alias.name.partition(".")[0] for alias in statement.names)
    return _Part(ast.unparse(statement), makes, frozenset())


def _from_library(part: _Part) -> bool:
    return "import" in part.text and "drn_lib" in part.text


def _stored(statement: ast.stmt) -> frozenset[str]:
    """Names that a statement makes, at any depth: arguments and counters too, which is more than it leaves behind."""
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
    return frozenset(names)


def _loaded(statement: ast.stmt) -> frozenset[str]:
    """Names that a statement reads, without its own counters and arguments."""
    names, own = set(), set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.For | ast.comprehension):
            own |= {target.id for target in ast.walk(node.target) if isinstance(target, ast.Name)}
    return frozenset(names - own)


def _before(kept: list[ast.stmt], known: dict[str, _Part]) -> str:
    """The earlier statements whose names the kept ones read, and those whose names these read, in their order."""
    wanted, open_names = set(), {name for statement in kept for name in _loaded(statement)}
    while open_names:
        parts = {known[name] for name in open_names if name in known} - wanted
        wanted |= parts
        open_names = {name for part in parts for name in part.reads | part.makes}
    in_order = sorted(dict.fromkeys(known.values()), key=lambda part: not part.text.startswith(("import ", "from ")))
    return "\n".join(part.text for part in in_order if part in wanted)


def _without(source: str, dropped: list[ast.stmt]) -> str:
    """The source without the lines of some of its statements, and without the empty lines that these leave on top."""
    gone = {line for statement in dropped for line in range(statement.lineno, statement.end_lineno + 1)}
    lines = [line for number, line in enumerate(source.splitlines(), start=1) if number not in gone]
    return "\n".join(lines).strip("\n")


def _prints_what_is_stored(cell: Runnable) -> bool:
    with _without_torch():
        went_well, printed = runner.run(cell.before, cell.code)
    return went_well and printed.strip() == cell.expected.strip()


@contextmanager
def _without_torch() -> Iterator[None]:
    """While a cell runs, torch cannot be imported, as in a browser."""
    hidden = {name: sys.modules.get(name) for name in ("torch", "numpy")}
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name, module in hidden.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
