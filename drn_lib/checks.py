"""Checks that the whole library shares: known names, whole numbers, finite values."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

LISTED = 12
"""How many known names a sentence lists where none resembles the one that was typed."""
LAST_SEED = 2**64 - 1
"""The largest seed that torch takes."""
SHOWN = 80
"""Letters of a wrong value that a sentence repeats."""


class UnknownName(ValueError):
    """A name that is not one of those known; the message offers the nearest ones."""


def one_of(kind: str, name: object, known: Iterable[str]) -> str:
    """`name`, where it is one of the `known` names of a `kind` ("network"); else UnknownName, with the nearest ones."""
    names = list(known)
    if isinstance(name, str) and name in names:
        return name
    typed = name.lower() if isinstance(name, str) else ""
    lowered = {known.lower(): known for known in names}
    near = difflib.get_close_matches(typed, lowered, 3, 0.6)  # the nearest one first, of equals that which begins alike
    near = [lowered[match] for match in sorted(near, key=lambda match: -len(os.path.commonprefix([match, typed])))]
    if near:
        raise UnknownName(f"there is no {kind} {name!r}; did you mean {' or '.join(near)}?")
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    raise UnknownName(f"there is no {kind} {_shown(name)}; choose one of {', '.join(names[:LISTED])}{more}")


def whole_number(name: str, value: object, low: int, high: float = math.inf) -> int:
    """`value`, where it is a whole number (no bool, no text) from `low` to `high`; else ValueError, which names it."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= value <= high:
        limits = f"of {low} or more" if high == math.inf else f"from {low} to {high}"
        raise ValueError(f"{name} must be a whole number {limits}, not {_shown(value)}")
    return int(value)


def real_number(name: str, value: object, low: float, high: float) -> float:
    """`value`, where it is a number (no bool, text or NaN) from `low` to `high`; else ValueError, which names it."""
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, not {_shown(value)}")
    return float(value)


def require_class_numbers(values: Tensor | np.ndarray, num_classes: int, name: str) -> None:
    """Raise ValueError, which names them, where values (N,) are not all whole numbers in 0..num_classes-1."""
    if not re.match(r"(torch\.)?u?int", str(values.dtype)):
        raise ValueError(f"{name} must be whole numbers, not {values.dtype}")
    if len(values) and not (0 <= int(values.min()) and int(values.max()) < num_classes):
        raise ValueError(f"{name} must lie in 0..{num_classes - 1}; found {int(values.min())}..{int(values.max())}")


def path_of(name: str, value: object) -> Path:
    """`value` as a path, where it is text or a path; else ValueError, which names it."""
    if not isinstance(value, (str, os.PathLike)):
        raise ValueError(f"{name} must be a path, not {_shown(value)}")
    return Path(value)


def require_type(value: object, kind: type | tuple[type, ...], name: str) -> None:
    """Raise ValueError, which names it, where a value is of another type: a list for a Tensor, a name for a network."""
    if not isinstance(value, kind):
        kinds = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise ValueError(f"{name} must be of type {kinds}, not {type(value).__name__}")


def require_device(name: str) -> None:
    """Raise ValueError where a device is neither cpu nor cuda; whether it is there is not asked."""
    if not re.fullmatch(r"(cpu|cuda)(:\d{1,3})?", name):
        raise ValueError(f"device {name!r}: the book's code runs on cpu or cuda")


def require_finite(values: Tensor | np.ndarray, name: str) -> None:
    """Raise ValueError, which names them, where values hold an infinity or a NaN."""
    if hasattr(values, "isfinite"):
        finite = values.isfinite()
    else:
        import numpy as np  # here, as the command line looks at names where there is none

        finite = np.isfinite(values)
    if not bool(finite.all()):
        raise ValueError(f"{name} holds values that are not finite (NaN or infinity)")


def require_finite_weights(tensors: Mapping[str, Any], source: str) -> None:
    """Raise ValueError, which names the first tensor, where weights cannot be computed with.

    They are not finite, or are variances below zero (names that end in "running_var").
    """
    for name, tensor in tensors.items():
        require_finite(tensor, f"{name} of {source}")
        if name.endswith("running_var") and bool((tensor < 0).any()):
            raise ValueError(f"{name} of {source} holds a variance below zero")


def _shown(value: object) -> str:
    """A value in a sentence: on one line, and not all of a long one."""
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
