"""A Sphinx extension: writes the library's public names into the page `book/api.md`, each time the book is built.

griffe reads the source text and nothing is imported, so torch is not needed. Public are the names that a package lists
in `_HOMES`, and those of the modules at the top of the library that have a docstring.
"""

from __future__ import annotations

import ast
import inspect
import re

import griffe

from book import ROOT

PAGE = "book/api"
MARKER = "<!-- api -->"
MOVED = ("api-data", "api-tasks", "api-training", "api-work")
"""Pages of the first edition; their addresses lead to this one."""
INTERNAL = ("checks", "lazy", "locks", "probing")
TITLES = {"parameters": "Arguments", "attributes": "Attributes", "raises": "Raises", "returns": "Returns"}

_TERM = re.compile(r"(?P<name>`{0,2}[\w.]+`{0,2})\s{2,}(?P<meaning>\S.*)")


def api() -> str:
    """Every public class, function and constant with signature and docstring, as Markdown."""
    library = griffe.load("drn_lib", search_paths=[str(ROOT)], resolve_aliases=False, allow_inspection=False)
    sections = []
    for name, module in sorted(library.modules.items()):
        members = _public(module)
        if members and not name.startswith("_") and name not in INTERNAL:
            sections += [f"## `drn_lib.{name}`", _prose(module), *map(_member, members)]
    return "\n\n".join(part for part in sections if part)


def _public(module: griffe.Module) -> list[griffe.Object]:
    if module.is_init_module:  # a package
        homes = ast.literal_eval(str(module["_HOMES"].value))
        return [module[home][name] for home, names in homes.items() for name in names.split()]
    return _documented(module)


def _documented(found: griffe.Object) -> list[griffe.Object]:
    members = (member for member in found.members.values() if not member.is_alias and not member.name.startswith("_"))
    return [member for member in members if member.docstring]


def _member(member: griffe.Object, level: str = "###") -> str:
    parts = [f"{level} {'class ' if member.is_class else ''}`{member.name}`"]
    # A dataclass's fields are its arguments; of other classes the text says how they are made.
    if member.is_function or "dataclass" in member.labels:
        parts.append(f"```text\n{_signature(member)}\n```")  # colors would double its length
    parts.append(_prose(member))
    if member.is_class:
        parts += [_member(inner, level + "#") for inner in _documented(member)]
    return "\n\n".join(part for part in parts if part)


def _signature(function: griffe.Function | griffe.Class) -> str:
    parameters, star = [], False
    kinds = griffe.ParameterKind
    for parameter in function.parameters:
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is kinds.keyword_only and not star:
            parameters.append("*")
        prefix = {kinds.var_positional: "*", kinds.var_keyword: "**"}.get(parameter.kind, "")
        star = star or parameter.kind in (kinds.keyword_only, kinds.var_positional)
        text = prefix + parameter.name
        if parameter.annotation is not None:
            text += f": {parameter.annotation}"
        if parameter.default is not None and not prefix:
            text += f" = {parameter.default}" if parameter.annotation is not None else f"={parameter.default}"
        parameters.append(text)
    returns = f" -> {function.returns}" if function.is_function and function.returns is not None else ""
    return re.sub(r"\s+", " ", f"{function.name}({', '.join(parameters)}){returns}")


def _prose(found: griffe.Object) -> str:
    """The docstring as Markdown: its text, then lists of arguments, what is returned, and errors."""
    parts = []
    for section in griffe.parse_google(found.docstring, warnings=False) if found.docstring else ():
        kind = section.kind.value
        if kind == "text":
            parts.append(_text(section.value))
        elif kind == "examples":
            for what, text in section.value:
                parts.append(_text(text) if what.value == "text" else f"```python\n{text}\n```")
        elif kind == "admonition":
            parts.append(f"**{section.title or section.value.kind}**\n\n{_text(section.value.description)}")
        else:
            parts.append(f"**{TITLES[kind]}**\n\n" + "\n".join(_item(item, kind) for item in section.value))
    return "\n\n".join(parts)


def _item(item: object, kind: str) -> str:
    text = _escape(re.sub(r"\s+", " ", item.description).strip())
    return f"- {text}" if kind == "returns" else f"- `{item.annotation if kind == 'raises' else item.name}`: {text}"


def _text(text: str) -> str:
    """Plain docstring text as Markdown: indented or aligned parts keep their shape, the rest is prose."""
    paragraphs = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = block.splitlines()
        if block.lstrip().startswith(">>>"):
            paragraphs.append(f"```python\n{inspect.cleandoc(block)}\n```")
        elif _TERM.match(lines[0]) and all(_TERM.match(line) or line.startswith("  ") for line in lines):
            paragraphs.append(_list(lines))
        elif lines[0].startswith("  ") or len(lines) > 1 and any(re.search(r"^\s{2,}\S|\S\s{2,}\S", x) for x in lines):
            paragraphs.append(f"```text\n{inspect.cleandoc(block)}\n```")
        else:
            paragraphs.append(_escape(block))
    return "\n\n".join(paragraphs)


def _list(lines: list[str]) -> str:
    """Names and meanings in two aligned columns, as a list."""
    items = []
    for line in lines:
        term = _TERM.match(line)
        if term:
            items.append(f"- `{term['name'].strip('`')}`: {_escape(term['meaning'])}")
        else:
            items[-1] += " " + _escape(line.strip())
    return "\n".join(items)


def _escape(text: str) -> str:
    """Markdown's own signs, harmless outside `code`: a docstring is plain text."""
    pieces = re.split(r"(`+[^`]*`+)", text)
    quiet = [re.sub(r"([\\*_$<>\[\]{}|#~^])", r"\\\1", piece) for piece in pieces[::2]]
    quiet = [re.sub(r"\\\*(\w[^*\n]*?)\\\*", r"*\1*", piece) for piece in quiet]  # emphasis stays
    pieces[::2] = [re.sub(r"(?m)^(\s*)([-+]|\d+[.)])(?=\s)", r"\1\\\2", piece) for piece in quiet]
    return "".join(pieces).replace("``", "`")


def fill(app, docname: str, source: list[str]) -> None:
    """Put the names where the page's comment stands."""
    if docname == PAGE:
        source[0] = source[0].replace(MARKER, api())


def redirect(app, error: Exception | None) -> None:
    """Write a page at each old address that leads to the new one."""
    if error is None and app.builder.format == "html":
        for name in MOVED:
            (app.outdir / "book" / f"{name}.html").write_text(
                '<!doctype html><html lang="en"><meta charset="utf-8"><title>The library</title>'
                '<meta http-equiv="refresh" content="0; url=api.html"><a href="api.html">The library</a></html>\n'
            )


def setup(app) -> dict:
    app.connect("source-read", fill)
    app.connect("build-finished", redirect)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
