"""Plans and results are read strictly: what a file holds twice, in another type or under an unknown name is refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from drn_lib.checks import one_of

NAME = re.compile(r"[a-z0-9_]+")
"""The names of studies, networks and variants, which are names of files too."""
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]*)")


@contextmanager
def within(what: object) -> Iterator[None]:
    """Puts `what` before the message of a ValueError that is raised inside."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def read_text(path: Path) -> str:
    """The text of a file; ValueError, which names it, where it cannot be read or is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: its byte {error.start} is damaged") from None


def parse_yaml(text: str) -> object:
    """What a YAML text holds; ValueError, with the line where it is known, for all that is not plain YAML."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"this is not plain YAML: {error.problem}, line {mark.line + 1}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"this is not plain YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError("this is nested too deeply") from None


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, and whole numbers that YAML does not read as they look: 012 is ten."""

    def compose_mapping_node(self, anchor):
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return node

    def construct_yaml_int(self, node):
        if not _DECIMAL.fullmatch(node.value):
            raise yaml.MarkedYAMLError(
                problem=f"{node.value} is no decimal number; write it without a leading 0, x, b or :",
                problem_mark=node.start_mark,
            )
        return super().construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_EXPONENT = re.compile(
    r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"
)  # 1e-3 is text in YAML 1.1, which PyYAML reads
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


def parse_json(text: str) -> object:
    """What a JSON text holds; ValueError where it is cut off, holds a key twice, NaN or infinity, or is too deep."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _once(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in [known for known, _ in pairs[:index]])
        raise ValueError(f"the key {twice!r} stands twice")
    return found


def _finite(digits: str) -> float:
    return float(digits) if math.isfinite(float(digits)) else _refuse(digits)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def mapping(what: str, value: object, known: Iterable[str] | None = None, required: Iterable[str] = ()) -> dict:
    """`value`, where it is a dictionary with the `required` keys and none but the `known` ones; else ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a mapping (name: value), not {_kind(value)}")
    for key in value:
        if not isinstance(key, str):
            raise ValueError(f"{what} has the key {key!r}, which is no text")
        if known is not None:
            one_of(f"field of {what}", key, known)
    missing = [key for key in required if key not in value]
    if missing:
        raise ValueError(f"{what} lacks {', '.join(missing)}")
    return value


def distinct(what: str, value: object, least: int = 1) -> list:
    """`value`, where it is a list of at least so many entries, none of them twice; else ValueError."""
    if not isinstance(value, list):
        raise ValueError(f"{what} must be a list, not {_kind(value)}")
    if len(value) < least:
        raise ValueError(f"{what} must not be empty")
    twice = [entry for index, entry in enumerate(value) if entry in value[:index]]
    if twice:
        raise ValueError(f"{what} has {twice[0]!r} twice")
    return value


def text(what: str, value: object) -> str:
    """`value`, where it is text; else ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"{what} must be text, not {_kind(value)}")
    return value


def name(what: str, value: object) -> str:
    """`value`, where it can name a study, a network or a variant, and so a file; else ValueError."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f"the name of {what} has lower-case letters, digits and _ only, not {value!r}")
    return value


def _kind(value: object) -> str:
    return {dict: "a mapping", list: "a list", type(None): "empty"}.get(type(value), repr(value)[:60])
