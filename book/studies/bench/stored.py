"""What data/results/bench.json holds, comparison by comparison. No torch."""

from __future__ import annotations

import json

from book.studies import files


def document() -> dict:
    """The whole bench."""
    return json.loads((files.results_dir() / "bench.json").read_text(encoding="utf-8"))


def comparison(found: dict, network: str, height: int, threads: int) -> dict:
    """The comparison of a network's score maps for images of that height on so many threads.

    Raises:
        ValueError: it was not measured.
    """
    known = {(entry["network"], entry["height"], entry["threads"]): entry for entry in found["forward"]}
    if (network, height, threads) not in known:
        names = ", ".join(f"{name} {side} {count}" for name, side, count in known)
        raise ValueError(f"the bench has no {network} at {height} px on {threads} threads; it has {names}")
    return known[network, height, threads]


def field(network: str, height: int, threads: int, way: str, name: str) -> float | None:
    """A number of a way to compute; None where the way could not be measured.

    Beside what a row holds: `low` and `high`, the quartiles of its ratio, the comparison's `rounds`, and `limit`, how
    many times as fast the count of products allows.

    Raises:
        ValueError: a comparison, a way or a field that the bench does not know.
    """
    found = comparison(document(), network, height, threads)
    if way not in found["rows"]:
        raise ValueError(f"the bench knows no way {way!r}; it knows {', '.join(found['rows'])}")
    row = found["rows"][way]
    if "missing" in row:
        return None
    low, high = row["quartiles"]
    known = {**row, "low": low, "high": high, "rounds": found["rounds"], "limit": limit(found)}
    if name not in known:
        raise ValueError(f"the bench has no field {name!r}; it has {', '.join(known)}")
    return known[name]


def limit(entry: dict) -> float:
    """How many times as fast a network can get where products are all that takes time."""
    return entry["products"]["direct"] / entry["products"]["winograd"]


def milliseconds(entry: dict, way: str) -> float:
    """The median time of a way, on the clock that the comparison uses."""
    return entry["rows"][way][entry["clock"] + "_ms"]
