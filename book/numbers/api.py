"""The API page, read from the library's source text by griffe: nothing is imported, so torch is not needed."""

from __future__ import annotations

import inspect
import re

import griffe

from book import ROOT

# Which page shows which modules, in the order in which an image travels; what is not named goes to the last page.
PAGES = {
    "networks": """paths architecture axis geometry costs tracing network conversion gridding checkpoints weight_files
        key_maps export""".split(),
    "data": """datasets samples file_trees splits downloads drawn drawing street_world street_scene street_things
        street_datasets tiny_imagenet pets imagenet photographs""".split(),
    "training": """recipes augmentation batches training training_loop training_logs distributed evaluation studies
        runs""".split(),
    "tasks": """localization localization_cam localization_scores localization_runs localization_masks
        localization_photographs localization_command photographs_io clutter
        segmentation segmentation_inference segmentation_scores segmentation_metrics segmentation_recipes
        segmentation_training segmentation_runs segmentation_command export_command""".split(),
    "work": "results result_files intervals summaries names plotting".split(),
}

_TERM = re.compile(r"(?P<name>`{0,2}[\w.]+`{0,2})\s{2,}(?P<meaning>\S.*)")


def api(page: str) -> str:
    """The modules of one page of `PAGES`: every public class and function with signature and docstring, as Markdown."""
    package = griffe.load("drn_lib", search_paths=[str(ROOT)], resolve_aliases=False, allow_inspection=False)
    names = [name for name in package.modules if not name.startswith("_")]
    elsewhere = {name for other, listed in PAGES.items() if other != page for name in listed}
    order = PAGES[page]
    if page == "work":
        order = [*order, *sorted(set(names) - elsewhere - set(order))]
    sections = [_module(package.modules[name]) for name in order if name in names]
    return "\n\n".join(section for section in sections if "\n" in section)


def _module(module: griffe.Module) -> str:
    parts = [f"## `drn_lib.{module.name}`", _prose(module)]
    for member in module.members.values():
        if member.is_alias or member.name.startswith("_") or not member.docstring:
            continue
        if member.is_function:
            parts.append(_function(member, "###"))
        elif member.is_class:
            parts.append(_class(member))
        elif member.is_attribute:
            parts.append(f"### `{member.name}`\n\n{_prose(member)}")
    return "\n\n".join(part for part in parts if part)


def _class(found: griffe.Class) -> str:
    parts = [f"### class `{found.name}`"]
    if "dataclass" in found.labels:  # its fields are the arguments; of other classes the text says how they come to be
        parts.append(f"```python\n{_signature(found)}\n```")
    parts.append(_prose(found))
    for member in found.members.values():
        if member.is_alias or member.name.startswith("_") or not member.docstring:
            continue
        parts.append(_function(member, "####") if member.is_function else f"#### `{member.name}`\n\n{_prose(member)}")
    return "\n\n".join(parts)


def _function(function: griffe.Function, level: str) -> str:
    return f"{level} `{function.name}`\n\n```python\n{_signature(function)}\n```\n\n{_prose(function)}"


def _signature(function: griffe.Function | griffe.Class) -> str:
    parameters, star = [], False
    kinds = griffe.ParameterKind
    for parameter in function.parameters:
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is kinds.keyword_only and not star:
            parameters.append("*")
            star = True
        prefix = {kinds.var_positional: "*", kinds.var_keyword: "**"}.get(parameter.kind, "")
        star = star or parameter.kind is kinds.var_positional
        text = prefix + parameter.name
        if parameter.annotation is not None:
            text += f": {parameter.annotation}"
        if parameter.default is not None and not prefix:
            text += f" = {parameter.default}" if parameter.annotation is not None else f"={parameter.default}"
        parameters.append(text)
    returns = f" -> {function.returns}" if function.is_function and function.returns is not None else ""
    return re.sub(r"\s+", " ", f"{function.name}({', '.join(parameters)}){returns}")


def _prose(found: griffe.Object) -> str:
    """The docstring as Markdown: its text, then lists of arguments, what comes back, and errors."""
    if not found.docstring:
        return ""
    parts = []
    for section in griffe.parse_google(found.docstring, warnings=False):
        kind = section.kind.value
        if kind == "text":
            parts.append(_text(section.value))
        elif kind == "examples":
            for what, text in section.value:
                parts.append(_text(text) if what.value == "text" else f"```python\n{text}\n```")
        elif kind in ("parameters", "raises", "returns", "yields", "attributes"):
            title = {"parameters": "Arguments", "raises": "Raises", "returns": "Returns", "yields": "Yields"}
            items = "\n".join(_item(item, kind) for item in section.value)
            parts.append(f"**{title.get(kind, 'Attributes')}**\n\n{items}")
        elif kind == "admonition":
            parts.append(f"**{section.title or section.value.kind}**\n\n{_text(section.value.description)}")
    return "\n\n".join(part for part in parts if part.strip())


def _item(item: object, kind: str) -> str:
    text = _escape(re.sub(r"\s+", " ", item.description).strip())
    if kind in ("parameters", "attributes"):
        return f"- `{item.name}`: {text}"
    if kind == "raises":
        return f"- `{item.annotation}`: {text}"
    return f"- {text}"


def _text(text: str) -> str:
    """Plain docstring text as Markdown: indented or aligned parts keep their shape, the rest is prose."""
    paragraphs = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = block.splitlines()
        if block.lstrip().startswith(">>>"):
            paragraphs.append(f"```python\n{inspect.cleandoc(block)}\n```")
        elif _TERM.match(lines[0]) and all(_TERM.match(line) or line.startswith("  ") for line in lines):
            paragraphs.append(_list(lines))
        elif any(re.match(r"\s{2,}\S|\S+( \S+)*\s{2,}\S", line) for line in lines) and len(lines) > 1:
            paragraphs.append(f"```text\n{block}\n```")
        elif re.match(r"\s{2,}", lines[0]):
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
