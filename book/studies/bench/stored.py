"""What data/results/bench.json holds, comparison by comparison. No torch."""

from __future__ import annotations

import json

from book.studies import files
from drn_lib.architecture import list_models
from drn_lib.checks import one_of


def document() -> dict:
    """The whole bench."""
    return json.loads((files.results_dir() / "bench.json").read_text(encoding="utf-8"))


def comparisons(height: int, threads: int) -> list[dict]:
    """The comparisons of score maps for images of that height on so many threads, one for each network."""
    return [entry for entry in document()["forward"] if (entry["height"], entry["threads"]) == (height, threads)]


def field(network: str, height: int, threads: int, way: str, name: str) -> float | None:
    """A number of a way to compute; None where it was not measured, or could not be.

    Beside what a row holds: `low` and `high`, the quartiles of its ratio, `limit`, how many
    times as fast the count of products allows, and the comparison's `rounds` and `load`.

    Raises:
        ValueError: a network, a way or a field that is not known.
    """
    one_of("network", network, list_models())
    found = next((entry for entry in comparisons(height, threads) if entry["network"] == network), None)
    if found is None:
        return None
    if way not in found["rows"]:
        raise ValueError(f"the bench knows no way {way!r}; it knows {', '.join(found['rows'])}")
    row = found["rows"][way]
    if "missing" in row:
        return None
    low, high = row["quartiles"]
    known = {**row, "low": low, "high": high, "limit": limit(found)}
    known |= {"rounds": found["rounds"], "load": max(found["load"])}
    if name not in known:
        raise ValueError(f"the bench has no field {name!r}; it has {', '.join(known)}")
    return known[name]


def limit(entry: dict) -> float:
    """How many times as fast a network can get where products are all that takes time."""
    return entry["products"]["direct"] / entry["products"]["winograd"]
