"""The folders of the studies, and one run's files, read strictly: `data/results/schema.json` in code. No torch."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_origin, get_type_hints

from book.studies.reading import outcomes, records, strict
from book.studies.reading.records import StoredRun
from drn_lib.paths import data_dir, replacing

if TYPE_CHECKING:
    import numpy as np


class ResultsError(ValueError):
    """A file of results that cannot be read or does not follow the schema; the message names it."""


def results_dir() -> Path:
    """The folder of measured results, `data/results/`, one folder per study."""
    return data_dir() / "results"


def studies_dir() -> Path:
    """The folder of the studies' plans, `data/studies/`."""
    return data_dir() / "studies"


def read_yaml(path: Path) -> dict:
    """What a YAML file holds, read strictly; shared by all who read it."""
    with strict.within(path.name):
        return _parsed(strict.read_text(path))


_parsed = lru_cache(strict.parse_yaml)  # the pages ask for the same claims some thousand times


def write_json(path: Path, document: dict) -> None:
    """Write a file of results, whole or not at all, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the .npz of a file of results beside it, `path` with that ending, whole or not at all."""
    import numpy as np  # here, as most readers of results need none

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path.with_suffix(".npz")) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def load_run(path: str | Path) -> StoredRun:
    """One run.

    Args:
        path: a JSON file that follows `data/results/schema.json`; the `.npz` of its name beside it must agree.

    Raises:
        ResultsError: one of the two is not complete, does not follow the schema, or was changed by hand.
    """
    path = Path(path)
    try:
        return _loaded(path, _mark(path), _mark(path.with_suffix(".npz")))
    except json.JSONDecodeError as error:
        raise ResultsError(f"{path} is not complete JSON ({error}): delete it and run its study again") from None
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path} is not a run as its study left it: {error}") from None


def _mark(path: Path) -> tuple[int, int] | None:
    """What tells a file's content from another; None where there is none or it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return len(content), zlib.crc32(content)


@lru_cache(maxsize=1024)  # the pages ask for the same run some two hundred times
def _loaded(path: Path, *_marks: tuple[int, int] | None) -> StoredRun:
    content = strict.mapping("a run", strict.parse_json(strict.read_text(path)), [*_TYPES, *_UNREAD], REQUIRED)
    for key, kinds in _TYPES.items():
        if key in content and (not isinstance(content[key], kinds) or isinstance(content[key], bool)):
            raise ValueError(f"{key} has the wrong type")
    run = StoredRun(**{key: value for key, value in content.items() if key in _TYPES})
    if (run.study, run.name) != (path.parent.name, path.stem):
        raise ValueError(f"it holds the run {run.name} of the study {run.study}; give the file its own name back")
    records.check(run)
    arrays = path.with_suffix(".npz")
    if arrays.exists():
        outcomes.check(run, outcomes.read(arrays), arrays.name)
    return run


def _kinds(hint: object) -> tuple[type, ...]:
    """What `isinstance` takes for the type of a field: of `str | None` both, of `float` int too."""
    if get_origin(hint) in (dict, list):
        return (get_origin(hint),)
    return (int, float) if hint is float else get_args(hint) or (hint,)


_TYPES = {field: _kinds(hint) for field, hint in get_type_hints(StoredRun).items()}
_UNREAD = ("parameters", "multiply_adds")  # of the first runs
REQUIRED = [field.name for field in fields(StoredRun) if field.default is MISSING]
"""The keys that every run has."""
