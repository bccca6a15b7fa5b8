"""The folders of the studies, and one run's JSON file: read, checked against `data/results/schema.json`. No torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from book.studies import strict
from drn_lib.paths import data_dir

REQUIRED = {
    "study": str,
    "recipe": (str, dict),
    "architecture": str,
    "seed": int,
    "dataset": dict,
    "metrics": dict,
    "curve": list,
    "seconds": (int, float),
    "device": str,
    "torch": str,
    "commit": (str, type(None)),
}
"""The keys that every run has, and their types; `data/results/schema.json` says the same in full."""
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
        path: a JSON file that follows `data/results/schema.json`.

    Raises:
        ResultsError: the file is not JSON (cut off, perhaps) or does not follow the schema.
    """
    path = Path(path)
    try:
        run = _checked(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} is not complete JSON ({error}): delete it and run its study again") from error
    if isinstance(run, str):
        raise ResultsError(f"{path} does not follow data/results/schema.json: {run}")
    return run


@lru_cache(maxsize=1024)  # the pages ask for the same run some forty times, and checking takes 18 ms
def _checked(text: str) -> StoredRun | str:
    """The run in a file's text, or what is wrong with it."""
    run = json.loads(text)
    try:
        import jsonschema
    except ImportError:  # the light check is enough for a reader; the tests use the whole schema
        problem = _light_problem(run)
    else:
        rules = json.loads((data_dir() / "results" / "schema.json").read_text(encoding="utf-8"))
        error = next(jsonschema.Draft202012Validator(rules).iter_errors(run), None)
        problem = error and f"{'.'.join(map(str, error.absolute_path)) or 'the run'}: {error.message[:200]}"
    return problem or StoredRun(**{field.name: run[field.name] for field in fields(StoredRun) if field.name in run})


def _light_problem(run: object) -> str | None:
    if not isinstance(run, dict):
        return "a run is a JSON object"
    for key, kind in REQUIRED.items():
        if key not in run:
            return f"the key {key!r} is missing"
        if not isinstance(run[key], kind) or isinstance(run[key], bool):
            return f"the key {key!r} has the wrong type"
    return None
