"""What a field of a recipe can hold: its type, and for a number the least and the largest value. No torch."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import get_args, get_type_hints

from drn_lib.checks import one_of, real_number, whole_number

_SIDE = (8, 8192)
_RATE = (0, 1e38)  # up to what float32 holds
_MANY = (1, 100_000)
LIMITS = {
    "width": (0.01, 8),
    "epochs": _MANY,
    "batch_size": _MANY,
    "lr": _RATE,
    "momentum": (0, 0.9999),
    "weight_decay": (0, 1),
    "drop_every": _MANY,
    "image_size": _SIDE,
    "warmup": (0, 1),
    "crop_padding": (0, 4096),
    "shorter_side": _SIDE,
    "smallest_area": (0.001, 1),
    "color": (0, 1),
    "crop": _SIDE,
    "head_lr": _RATE,
    "scale": (1, 16),
    "rotation": (0, 180),
    "size": _SIDE,
    "enlarge": (1, 16),
}
"""The least and the largest value of every field that is a number."""


def checked(kind: type, field: str, value: object) -> object:
    """`value`, as the field called `field` holds it in a recipe of this kind: 1 becomes 1.0 where it is a float.

    Raises:
        ValueError: there is no such field, or it cannot have this value.
    """
    one_of("field of this recipe", field, [known.name for known in fields(kind)])
    kinds = _types(kind)[field]
    if value is None and type(None) in kinds:
        return None
    if int in kinds:
        return whole_number(field, value, *LIMITS[field])
    if float in kinds:
        return real_number(field, value, *LIMITS[field])
    if type(value) is not kinds[0] or value == "":
        raise ValueError(f"{field} must be {'True or False' if bool in kinds else 'text'}, not {value!r}")
    return value


@cache
def _types(kind: type) -> dict[str, tuple[type, ...]]:
    """The types of each field: of `int | None` both."""
    return {field: get_args(hint) or (hint,) for field, hint in get_type_hints(kind).items()}
