"""One run's JSON file: read, and checked against `data/results/schema.json`. No torch."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from drn_lib.paths import results_dir

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


class ResultsError(ValueError):
    """A file of results that cannot be read or does not follow the schema; the message names it."""


def load_run(path: str | Path) -> dict:
    """One run.

    Args:
        path: a JSON file that follows `data/results/schema.json`.

    Raises:
        ResultsError: the file is not JSON (cut off, perhaps) or does not follow the schema.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        run = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} is not complete JSON ({error}): delete it and run its study again") from error
    problem = _problem(text, results_dir() / "schema.json")
    if problem:
        raise ResultsError(f"{path} does not follow data/results/schema.json: {problem}")
    return run


@lru_cache(maxsize=1024)  # the pages ask for the same run some forty times, and checking takes 18 ms
def _problem(text: str, schema: Path) -> str | None:
    """What is wrong with a run, if anything; `text` is valid JSON."""
    run = json.loads(text)
    try:
        import jsonschema
    except ImportError:  # the light check below is enough for a reader; the tests use the whole schema
        return _light_problem(run)
    rules = json.loads(schema.read_text(encoding="utf-8"))
    error = next(jsonschema.Draft202012Validator(rules).iter_errors(run), None)
    return error and f"{'.'.join(map(str, error.absolute_path)) or 'the run'}: {error.message[:200]}"


def _light_problem(run: object) -> str | None:
    if not isinstance(run, dict):
        return "a run is a JSON object"
    for key, kind in REQUIRED.items():
        if key not in run:
            return f"the key {key!r} is missing"
        if not isinstance(run[key], kind) or isinstance(run[key], bool):
            return f"the key {key!r} has the wrong type"
    return None
