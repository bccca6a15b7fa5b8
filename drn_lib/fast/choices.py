"""How a convolution is computed, by what was measured: a table of times, and the row that is nearest to a case.

The table, choices.csv, is written by `python -m drn_lib.fast.measure` on one machine; where another differs,
`accelerate(model, tune=...)` measures its own.
"""

from __future__ import annotations

import csv
import hashlib
import math
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

WINOGRAD, DIRECT, TORCH = METHODS = ("winograd", "direct", "torch")
TABLE = Path(__file__).with_name("choices.csv")


class Case(NamedTuple):
    """What the time of a convolution depends on.

    engine    "kernel" or "plain"
    training  forward and backward, or only forward
    dense     3x3 of stride 1 with as many zeros around as its dilation: what Winograd's filtering is for
    kernel, stride, dilation, inputs, outputs  of the convolution
    side      of a square of as many cells as the map has
    images    in a batch
    """

    engine: str
    training: bool
    dense: bool
    kernel: int
    stride: int
    dilation: int
    inputs: int
    outputs: int
    side: int
    images: int


class Row(NamedTuple):
    """One line of the table: a case and the milliseconds of each method that it allows."""

    case: Case
    times: dict[str, float]


def methods_of(case: Case) -> list[str]:
    """The methods that can compute it: Winograd's filtering only a dense one, and only the kernel computes directly."""
    allowed = {WINOGRAD: case.dense, DIRECT: case.engine == "kernel", TORCH: True}
    return [method for method in METHODS if allowed[method]]


@lru_cache(maxsize=4096)
def choose(case: Case) -> str:
    """The fastest method of the nearest row; PyTorch's own where the table has no such kind."""
    kind = [row for row in table() if _kind(row.case) == _kind(case)]
    if not kind:
        return TORCH
    nearest = min(kind, key=lambda row: distance(row.case, case))
    return min(nearest.times, key=nearest.times.get)


def distance(one: Case, other: Case) -> float:
    """How far apart two cases of a kind are: in doublings of channels, sides, images and dilation."""
    pairs = [(one.inputs, other.inputs), (one.outputs, other.outputs), (one.side, other.side)]
    pairs += [(one.images, other.images), (one.dilation, other.dilation), (one.kernel, other.kernel)]
    return sum(abs(math.log2(a / b)) for a, b in pairs)


@cache
def table() -> tuple[Row, ...]:
    """All rows of choices.csv."""
    with TABLE.open(newline="") as file:
        return tuple(map(_read, csv.DictReader(file)))


def table_hash() -> str:
    """The first 12 hexadecimal digits of the table's SHA-256: a run's identity holds it."""
    return hashlib.sha256(TABLE.read_bytes()).hexdigest()[:12]


def write_table(rows: list[Row]) -> None:
    """Put the rows into choices.csv."""
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*Case._fields, *METHODS])
        for row in rows:
            times = [f"{row.times[method]:.3f}" if method in row.times else "" for method in METHODS]
            writer.writerow([*(int(value) if isinstance(value, bool) else value for value in row.case), *times])


def _read(line: dict[str, str]) -> Row:
    numbers = [int(line[name]) for name in Case._fields[1:]]
    case = Case(line["engine"], bool(numbers[0]), bool(numbers[1]), *numbers[2:])
    return Row(case, {method: float(line[method]) for method in METHODS if line[method]})


def _kind(case: Case) -> tuple:
    """Cases of different kinds are not compared."""
    return case.engine, case.training, case.dense, case.stride > 1, case.kernel == 1
