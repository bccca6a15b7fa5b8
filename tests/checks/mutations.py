"""Which small changes of a module's code are tried by `tests.checks.mutate`: one at a time, on one place.

Left alone is what no test should hold fast: docstrings, annotations, decorators, the texts of errors, progress bars,
lists of names to export, and keyword arguments that change nothing on a CPU under Linux.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.MatMult: ast.Mult,
}  # fmt: skip
COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}  # fmt: skip
OPPOSITES = [("min", "max"), ("amin", "amax"), ("minimum", "maximum"), ("argmin", "argmax"), ("any", "all")]
OPPOSITES += [("floor", "ceil"), ("sum", "mean"), ("sin", "cos")]
OPPOSITE = {one: other for pair in OPPOSITES for one, other in (pair, pair[::-1])}
SILENT = {"desc", "disable", "encoding", "help", "maxsize", "metavar", "mininterval", "newline", "non_blocking"}
SILENT |= {"pin_memory", "progress", "strict", "total", "unit", "unit_scale", "usage", "description", "stacklevel"}
BARS = ("bar", "progress_bar", "tqdm")
LISTS_OF_NAMES = {"__all__", "_HOMES", "__version__", "LOGGER"}


@dataclass(frozen=True)
class Place:
    """What stands between two bytes of a file, and what may stand there instead."""

    file: str
    line: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Mutation:
    """One change: the file, the line, its text before and after, and the whole source after it."""

    file: str
    line: int
    before: str
    after: str
    source: str


def places(root: Path, file: str) -> list[Place]:
    """All places of one module that may be changed."""
    source = (root / file).read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return [
        Place(
            file,
            node.lineno,
            starts[node.lineno - 1] + node.col_offset,
            starts[node.end_lineno - 1] + node.end_col_offset,
            text,
        )
        for node, text in _changes(ast.parse(source))
    ]


def mutation(root: Path, place: Place) -> Mutation | None:
    """The change at one place; None where it would be no Python, or the same Python as before."""
    source = (root / place.file).read_bytes()
    changed = source[: place.start] + place.text.encode() + source[place.end :]
    try:
        if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source)):
            return None
    except SyntaxError:
        return None
    left = source.rfind(b"\n", 0, place.start) + 1
    right = source.find(b"\n", place.end)
    before, after = source[left:right], source[left : place.start] + place.text.encode() + source[place.end : right]
    lines = (" ".join(text.decode().split()) for text in (before, after))
    return Mutation(place.file, place.line, *lines, changed.decode())


def _changes(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """The places below `node` that may be changed, and what then stands there."""
    for child in ast.iter_child_nodes(node):
        if not _left_alone(node, child):
            yield from _changes_here(child, node)
            yield from _changes(child)


def _left_alone(parent: ast.AST, child: ast.AST) -> bool:
    if isinstance(parent, (ast.FunctionDef, ast.ClassDef)) and child in parent.decorator_list:
        return True
    if child in (getattr(parent, "annotation", None), getattr(parent, "returns", None)):
        return True
    if isinstance(parent, ast.Raise) or isinstance(child, ast.JoinedStr):  # texts of errors, and other texts
        return True
    if isinstance(child, ast.keyword) and child.arg in SILENT:
        return True
    if isinstance(child, ast.Call) and ast.unparse(child.func).split(".")[0] in BARS:
        return True
    if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "__name__ == '__main__'"):
        return True
    targets = child.targets if isinstance(child, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id in LISTS_OF_NAMES for target in targets)


def _changes_here(node: ast.AST, parent: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    match node:
        case ast.Compare(ops=[operator]):
            for other in COMPARISONS[type(operator)]:
                yield node, _with(node, ops=[other()])
        case ast.BinOp() if type(node.op) in OPERATORS:
            yield node, _with(node, op=OPERATORS[type(node.op)]())
        case ast.AugAssign() if type(node.op) in OPERATORS:
            yield node, ast.unparse(_copy(node, op=OPERATORS[type(node.op)]()))
        case ast.BoolOp():
            yield node, _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node, f"({ast.unparse(node.operand)})"
        case ast.If() | ast.While() | ast.IfExp() if not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
            yield node.test, f"(not ({ast.unparse(node.test)}))"
        case ast.comprehension(ifs=[condition, *_]):
            yield condition, "True"
        case ast.Return(value=ast.expr()) if ast.unparse(node.value) != "None":
            yield node, "return None"
        case ast.Raise() | ast.Expr(value=ast.Call()):
            if not isinstance(node, ast.Expr) or not _left_alone(node, node.value):
                yield node, "pass"
        case ast.Continue():
            yield node, "break"
        case ast.Break():
            yield node, "continue"
        case ast.Constant():
            yield from _constants(node, parent)
        case ast.Slice():
            for side in ("lower", "upper"):
                if getattr(node, side) is not None:
                    yield node, ast.unparse(_copy(node, **{side: None})).strip("()")
        case ast.Call():
            yield from _calls(node)


def _constants(node: ast.Constant, parent: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    value = node.value
    if isinstance(value, bool):
        yield node, str(not value)
    elif isinstance(value, int):
        dimension = isinstance(parent, ast.keyword) and parent.arg in ("dim", "axis") and value in (0, 1)
        yield node, str(1 - value if dimension else value + 1)
    elif isinstance(value, float):
        yield node, repr(value * 2 if value else 1.0)
    elif isinstance(value, str) and value.replace("_", "").replace(".", "").isalnum():
        key = isinstance(parent, ast.Subscript) or (isinstance(parent, ast.Dict) and node in parent.keys)
        if key or isinstance(parent, ast.Compare):
            yield node, repr(value + "_")


def _calls(node: ast.Call) -> Iterator[tuple[ast.AST, str]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    if name in OPPOSITE:
        field = "attr" if isinstance(node.func, ast.Attribute) else "id"
        yield node.func, ast.unparse(_copy(node.func, **{field: OPPOSITE[name]}))
    plain = [argument for argument in node.args if not isinstance(argument, (ast.Starred, ast.GeneratorExp))]
    if plain and len(plain) == len(node.args):
        if len(plain) > 1 or node.keywords:  # a call without its only argument fails wherever it runs
            yield node, ast.unparse(_copy(node, args=node.args[:-1]))
        if len(plain) > 1:
            yield node, ast.unparse(_copy(node, args=[node.args[1], node.args[0], *node.args[2:]]))
    for keyword in node.keywords:
        if keyword.arg not in SILENT:
            yield node, ast.unparse(_copy(node, keywords=[other for other in node.keywords if other is not keyword]))


def _copy(node: ast.AST, **fields: object) -> ast.AST:
    return ast.copy_location(type(node)(**{**dict(ast.iter_fields(node)), **fields}), node)


def _with(node: ast.AST, **fields: object) -> str:
    return f"({ast.unparse(_copy(node, **fields))})"
