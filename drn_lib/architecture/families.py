"""Every network of the book by its name, from a few rows: ResNet, DRN-A to D, ablations between A and C. No torch.

>>> from drn_lib.architecture import architecture
>>> [(level.number, level.dilation) for level in architecture("drn_a_18").levels]
[(3, 1), (4, 1), (5, 2), (6, 4)]
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from drn_lib.architecture.tables import CHANNEL_STEP, MOST_WIDTH, Architecture, Level, Stem, scale_width
from drn_lib.checks import one_of

DILATION_RULES = ("exact", "levels", "released")
"""The three published readings of "replace stride by dilation", by name:

``exact``     Fig. 1: the first 3x3 of a level that lost its stride still reads the old grid, so it keeps the dilation
              of the level before. Only then does a dilated network keep its function (chapter 02).
``levels``    Fig. 5: one dilation for all layers of a level.
``released``  what the authors' code builds: in DRN-A the whole first block of a dilated level has
              dilation 1; DRN-C and DRN-D are built as Fig. 5 draws them.
"""

# Blocks in levels 3 to 6 and their kind, by ResNet depth (He et al. 2016, Table 1).
_BODIES = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}

# name: (family, depth of the ResNet whose body it takes, convolutions or blocks in levels 7 and 8)
_NETWORKS = {
    **{f"resnet_{depth}": ("resnet", depth, 0) for depth in _BODIES},
    **{f"drn_a_{depth}": ("drn_a", depth, 0) for depth in (18, 34, 50)},
    "drn_b_26": ("drn_b", 18, 1),
    "drn_c_26": ("drn_c", 18, 1),
    "drn_c_42": ("drn_c", 34, 1),
    "drn_c_58": ("drn_c", 50, 1),
    "drn_d_22": ("drn_d", 18, 1),
    "drn_d_24": ("drn_d", 18, 2),
    "drn_d_38": ("drn_d", 34, 1),
    "drn_d_40": ("drn_d", 34, 2),
    "drn_d_54": ("drn_d", 50, 1),
    "drn_d_56": ("drn_d", 50, 2),
    "drn_d_105": ("drn_d", 101, 1),
    "drn_d_107": ("drn_d", 101, 2),
}

# Ablations between DRN-A-18 and DRN-C-26 that the paper does not have: each changes one thing (chapter 05), except that
# new stem levels change the rule of dilation from "exact" to "levels". "falling": decreasing dilation in the degridding
# levels 7 and 8; "unlinked": no residual links there; "front": the stem levels 1 and 2. The number is the true depth.
_ABLATIONS = {
    "ladder_a_22": ("ladder_a", 18, 1),
    "ladder_a_22_falling": ("ladder_a_falling", 18, 1),
    "ladder_a_22_unlinked": ("ladder_a_unlinked", 18, 1),
    "ladder_front_22": ("ladder_front", 18, 0),
    "ladder_c_26_constant": ("ladder_c_constant", 18, 1),
}

# Remedies for the grid, on ladder_a_22, most of them from after the paper: each changes one thing. "rising" and
# "undilated": tails without residual links whose dilations are 1, 2 and 1, 1; "blurpool": max pooling without aliasing
# (Zhang 2019); "hdc": dilations without a common factor, in levels 5, 6 and 7 with 8 the same sums (Wang et al. 2018);
# "shared": smoothing before each dilated convolution, or once at the end (Wang and Ji 2018); "fixed_blur": a low-pass
# at the end.
_REMEDIES = {
    "ladder_a_22_rising": ("ladder_a_rising", 18, 1),
    "ladder_a_22_undilated": ("ladder_a_undilated", 18, 1),
    "ladder_a_22_blurpool": ("ladder_a_blurpool", 18, 1),
    "ladder_a_22_hdc": ("ladder_a_hdc", 18, 1),
    "ladder_a_22_shared": ("ladder_a_shared", 18, 1),
    "ladder_a_22_shared_end": ("ladder_a_shared_end", 18, 1),
    "ladder_a_22_fixed_blur": ("ladder_a_fixed_blur", 18, 1),
}

# The rules each family can be built by, its default first. The authors never released a DRN-B, so there is no
# "released" reading of it, nor of the ablations, which are ours.
_RULES = {
    "resnet": (),  # nothing is dilated
    "drn_a": ("exact", "levels", "released"),  # Fig. 1, and only so does it compute what its ResNet computes
    "ladder_a": ("exact",),  # levels 5 and 6 stay DRN-A's
    "ladder_a_falling": ("exact",),
    "ladder_a_unlinked": ("exact",),
    **{family: ("exact",) for family, *_ in _REMEDIES.values()},
    "ladder_front": ("levels",),  # levels 5 and 6 are DRN-B's and DRN-C's
    "ladder_c_constant": ("levels",),
    "drn_b": ("levels", "exact"),  # Fig. 5, so that B and C differ only in their residual links
    "drn_c": ("levels", "exact", "released"),  # Fig. 5 and the released weights agree
    "drn_d": ("levels", "exact", "released"),  # as released
}


@dataclass(frozen=True)
class _Ends:
    """What opens and what closes a family; the body between is a ResNet's."""

    stem: Stem
    front: str | None = None  # kind of the stem levels 1 and 2; None for a strided stem and max pooling
    tail: str | None = None  # kind of the degridding levels 7 and 8
    tail_residual: bool = False
    tail_dilations: tuple[int, int] = (2, 1)
    pool: str = "max"  # before level 3, where there is no front
    rates: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)  # by level, its blocks' dilations
    smoothing: Mapping[int, str] = field(default_factory=dict)  # by level


_LINKED = _Ends(Stem(64, 2), tail="basic", tail_residual=True, tail_dilations=(4, 4))
_UNLINKED = _Ends(Stem(64, 2), tail="basic")
_HYBRID = {5: ((1, 2), (1, 3)), 6: ((1, 2), (5, 6)), 7: ((2, 3),), 8: ((5, 6),)}
_ENDS = {
    "resnet": _Ends(Stem(64, 2)),
    "drn_a": _Ends(Stem(64, 2)),
    "ladder_a": _LINKED,
    "ladder_a_falling": _Ends(Stem(64, 2), tail="basic", tail_residual=True),
    "ladder_a_unlinked": _UNLINKED,
    "ladder_a_rising": replace(_UNLINKED, tail_dilations=(1, 2)),
    "ladder_a_undilated": replace(_UNLINKED, tail_dilations=(1, 1)),
    "ladder_a_blurpool": replace(_LINKED, pool="blur"),
    "ladder_a_hdc": replace(_LINKED, rates=_HYBRID),
    "ladder_a_shared": replace(_LINKED, smoothing=dict.fromkeys((5, 6, 7, 8), "before")),
    "ladder_a_shared_end": replace(_LINKED, smoothing={8: "after"}),
    "ladder_a_fixed_blur": replace(_LINKED, smoothing={8: "fixed"}),
    "ladder_front": _Ends(Stem(16, 1), front="basic"),
    "drn_b": _Ends(Stem(16, 1), front="basic", tail="basic", tail_residual=True),
    "drn_c": _Ends(Stem(16, 1), front="basic", tail="basic"),
    "ladder_c_constant": _Ends(Stem(16, 1), front="basic", tail="basic", tail_dilations=(4, 4)),
    "drn_d": _Ends(Stem(16, 1), front="plain", tail="plain"),
}


def list_models(pattern: str | None = None) -> list[str]:
    """Names that `create_model` knows, in the order of the book; `pattern` filters as in a shell ("drn_c_*")."""
    return [name for name in _NETWORKS if pattern is None or fnmatch.fnmatch(name, pattern)]


def list_ablations() -> list[str]:
    """Names of the ablations between DRN-A-18 and DRN-C-26, which `create_model` knows too; not in the paper."""
    return list(_ABLATIONS)


def list_remedies() -> list[str]:
    """Names of the remedies for the grid on one network, which `create_model` knows too; not in the paper."""
    return list(_REMEDIES)


def list_networks() -> list[str]:
    """All names that `create_model` knows: of `list_models`, `list_ablations` and `list_remedies`."""
    return [*_NETWORKS, *_ABLATIONS, *_REMEDIES]


def dilation_rules(name: str) -> tuple[str, ...]:
    """The dilation rules that the network `name` can be built by, its default first."""
    return _RULES[_entry(name)[0]]


def first_dilation(rule: str, before: int, dilation: int) -> tuple[int, int]:
    """Dilation of the first block's 3x3 convolutions in a level that trades its stride for `dilation`.

    `before` is the dilation of the level before. Only here do the three readings differ; another is a ValueError.
    """
    choices = {"exact": (before, dilation), "levels": (dilation, dilation), "released": (1, 1)}
    return choices[one_of("dilation rule", rule, choices)]


def architecture(name: str, dilation_rule: str | None = None) -> Architecture:
    """The table of the network `name`.

    Args:
        name: one of `list_models()`, `list_ablations()` or `list_remedies()`.
        dilation_rule: "exact", "levels" or "released"; None takes the family's default.

    Raises:
        ValueError: unknown name; a rule that is unknown, that was never published for this family, or any
            rule for a network without dilation.

    Source: Fig. 5 (levels), Fig. 1 (first layers of levels 5 and 6); DRN-D from the released code.
    """
    family, body_depth, tail_blocks = _entry(name)
    rule = _check_rule(name, family, dilation_rule)
    ends = _ENDS[family]
    kind, blocks = _BODIES[body_depth]
    levels = []
    if ends.front:
        for number, channels, stride in ((1, 16, 1), (2, 32, 2)):
            levels.append(Level(number, ends.front, channels, 1, stride, residual=ends.front != "plain"))
    levels.append(Level(3, kind, 64, blocks[0], stride=2 if ends.front else 1, pool=None if ends.front else ends.pool))
    levels.append(Level(4, kind, 128, blocks[1], stride=2))
    if rule is None:
        levels.append(Level(5, kind, 256, blocks[2], stride=2))
        levels.append(Level(6, kind, 512, blocks[3], stride=2))
    else:
        # Only DRN-A's released code leaves its first blocks undilated; for C and D "released" is Fig. 5.
        reading = "levels" if rule == "released" and family != "drn_a" else rule
        levels.append(Level(5, kind, 256, blocks[2], dilation=2, first_dilation=first_dilation(reading, 1, 2)))
        levels.append(Level(6, kind, 512, blocks[3], dilation=4, first_dilation=first_dilation(reading, 2, 4)))
    if ends.tail:
        for number, d in zip((7, 8), ends.tail_dilations, strict=True):
            levels.append(Level(number, ends.tail, 512, tail_blocks, 1, d, (d, d), ends.tail_residual))
    levels = (replace(level, smoothing=ends.smoothing.get(level.number)) for level in levels)
    return Architecture(name, family, ends.stem, tuple(_with_rates(level, ends.rates) for level in levels), rule)


def _with_rates(level: Level, rates: Mapping[int, tuple[tuple[int, int], ...]]) -> Level:
    """The level with other dilations, where there are any for it; its own is then the largest."""
    if level.number not in rates:
        return level
    own = rates[level.number]
    return replace(level, rates=own, first_dilation=own[0], dilation=max(map(max, own)))


def _entry(name: str) -> tuple[str, int, int]:
    return {**_NETWORKS, **_ABLATIONS, **_REMEDIES}[one_of("network", name, list_networks())]


def widths(channels: int) -> list[float]:
    """Widths that give a level of 512 channels `channels`, one of every kind.

    512 channels become 4 n where n is 128 x width, rounded. A width within half a step of n gives the smaller
    levels the same channels as one of these three: their rounding, too, changes only at n.
    """
    steps, whole = channels / CHANNEL_STEP, 512 / CHANNEL_STEP
    found = steps / whole, (steps - 0.25) / whole, (steps + 0.25) / whole
    return [width for width in found if 0 < width <= MOST_WIDTH]


def width_of(table: Architecture) -> float | None:
    """The width with which `create_model` builds this table again; None where it cannot: a dilated copy of a ResNet."""
    if table.dilation_rule is not None and table.dilation_rule not in dilation_rules(table.name):
        return None
    original = architecture(table.name, table.dilation_rule)
    return next((w for w in widths(table.level(6).channels) if scale_width(original, w) == table), None)


def _check_rule(name: str, family: str, rule: str | None) -> str | None:
    rules = _RULES[family]
    if rule is None:
        return rules[0] if rules else None
    if not rules:
        raise ValueError(f"{name} has no dilation, so dilation_rule={rule!r} has no meaning for it; leave it out")
    known = [known for known in DILATION_RULES if known in rules]
    if rule == "released" and rule not in rules:
        raise ValueError(f"{name} was never released, so it has no 'released' rule; choose one of {', '.join(known)}")
    return one_of("dilation rule", rule, known)
