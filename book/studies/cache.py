"""Intervals by bootstrap, kept on disk by what they are computed from: data, options and code. No torch.

An entry is one small JSON file below `drn_lib.paths.cache_dir()`, written in one step. One that is damaged is computed
again; deleting the folder `intervals` loses nothing but time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

import numpy as np

from book.studies import intervals
from book.studies.intervals import Interval
from drn_lib.evaluation import confusion
from drn_lib.paths import cache_dir, replacing
from drn_lib.segmentation import metrics

CODE = (intervals, metrics, confusion)
"""The modules whose code decides what an interval is: redrawing, and the scores of redrawn counts."""


def bootstrap_difference(left: np.ndarray, right: np.ndarray, **options) -> Interval:
    """As `intervals.bootstrap_difference`, read from disk where the same was computed before."""
    file = cache_dir() / "intervals" / f"{key(left, right, **options)}.json"
    try:
        return Interval(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # not there yet, cut off, or of other fields
        pass
    found = intervals.bootstrap_difference(left, right, **options)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            temporary.write_text(json.dumps(asdict(found), default=float), encoding="utf-8")  # numpy's floats too
    except OSError:  # nothing can be written here: the next call computes again
        pass
    return found


def key(left: np.ndarray, right: np.ndarray, **options) -> str:
    """The hash of everything that the interval depends on.

    Args:
        left, right, options: as for `intervals.bootstrap_difference`; a statistic is a function of `CODE` or numpy.

    Raises:
        ValueError: a statistic has no name of its own, or is of other code: the hash would not tell it from others.
    """
    digest = hashlib.sha256(_code().encode())
    for name, value in {"left": left, "right": right, **dict(sorted(options.items()))}.items():
        digest.update(f"{name}={_described(value)};".encode())
    return digest.hexdigest()


@cache
def _code() -> str:
    return np.__version__ + "".join(hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest() for module in CODE)


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    if isinstance(value, partial):
        return f"{_described(value.func)}{value.args}{sorted(value.keywords.items())}"
    if isinstance(value, Callable):
        return _named(value)
    return repr(value)


def _named(function: Callable) -> str:
    """Where a function stands; its code is hashed with that of `CODE`, or goes with numpy's version."""
    module, name = (getattr(function, key, None) or "<unknown>" for key in ("__module__", "__qualname__"))
    known = [one.__name__ for one in CODE]
    if "<" in name or module not in known and module.partition(".")[0] != "numpy":
        homes = f"{', '.join(known)} or numpy"
        raise ValueError(f"{module}.{name} cannot be told from others by its name: take a named function of {homes}")
    return f"{module}.{name}"
