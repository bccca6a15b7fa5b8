"""Runs a cell and gives what it prints, as a notebook shows it; in the page's Python, and here when the book is built.

Standard library only: this file is shipped to the browser as it is.
"""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import traceback

NAME = "<this cell>"


def run(before: str, code: str) -> tuple[bool, str]:
    """Run a cell after what it builds on.

    Args:
        before: the imports and the parts of earlier cells whose names it uses; what they print is not shown.
        code: the cell as the reader left it.

    Returns:
        Whether it ran to its end, and what it printed; then the value of its last line where that is an expression, or
        the error as Python shows it.
    """
    names: dict = {"__name__": "__main__"}
    out = io.StringIO()
    linecache.cache[NAME] = (len(code), None, code.splitlines(keepends=True), NAME)  # a traceback shows its lines
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(before, names)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            body = ast.parse(code, NAME).body
            last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), NAME, "exec"), names)
            if (
                last is not None
                and (value := eval(compile(ast.Expression(last.value), NAME, "eval"), names)) is not None
            ):
                print(repr(value))
    except BaseException as error:
        own = error.__traceback__.tb_next  # without the line of this function
        shown = "".join(traceback.format_exception(type(error), error, None if isinstance(error, SyntaxError) else own))
        return False, out.getvalue() + shown
    return True, out.getvalue()
