"""The folders of the studies, and one run's files, read strictly: `data/results/schema.json` in code. No torch."""

from __future__ import annotations

import json
import zlib
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

from book.studies import outcomes, records, strict
from drn_lib.paths import data_dir

GPU = " (GPU)"
"""Stands after the name of each GPU in a run's `device`."""


class ResultsError(ValueError):
    """A file of results that cannot be read or does not follow the schema; the message names it."""


@dataclass(frozen=True)
class StoredRun:
    """One run as its JSON file holds it; `data/results/schema.json` describes the fields.

    `variant` is the name under which the run's study knows it: its network's, or that of a variant of it.
    Lists and dictionaries are shared by all who load the run: read them only.
    """

    study: str
    recipe: str | dict
    architecture: str
    seed: int
    dataset: dict
    metrics: dict[str, float]
    curve: list[dict]
    seconds: float
    device: str
    torch: str
    commit: str | None
    variant: str = ""
    dilation_rule: str | None = None
    start: str | None = None
    start_sha256: str | None = None
    head: str = "strict"
    steps: int = 0
    threads: int = 1
    scored_commit: str | None = None
    finished: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "variant", self.variant or self.architecture)

    @property
    def name(self) -> str:
        """Of its files: "drn_c_26-s0"."""
        return f"{self.variant}-s{self.seed}"

    @property
    def on_a_cpu(self) -> bool:
        """Whether all of it was computed on CPUs: only then are its seconds those of a CPU."""
        return GPU not in self.device


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
