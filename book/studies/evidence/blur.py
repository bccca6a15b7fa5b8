"""The primary contrasts of the fixed blur: data/studies/blur.md. No torch."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from book.studies.evidence import planned
from book.studies.evidence.planned import Row
from book.studies.reading.contrasts import Contrast

STUDY, FAMILY = "blur", "blur"
_POINTING, _BOXES = "clutter.pointing_error_off_middle", "clutter.gt_known_50"
_SIDES = (
    ("drn_a_18_smooth", "drn_a_18", "less", "that the grid of the score map costs A nothing"),
    ("drn_b_26_smooth", "drn_b_26", "less", "that the grid of the score map costs B nothing"),
    ("drn_a_18_smooth", "drn_c_26", "greater", "that what C gains over A is a low-pass of the last map alone"),
    ("drn_b_26_smooth", "drn_c_26", "greater", "that what C gains over B is a low-pass of the last map alone"),
)
_SMALLEST = {("less", _POINTING): 1.8, ("less", _BOXES): 1.8, ("greater", _POINTING): 3.0, ("greater", _BOXES): 2.5}
CONTRASTS = tuple(
    Contrast(left, right, outcome, sign, _SMALLEST[sign, outcome], excludes)
    for outcome, (left, right, sign, excludes) in product((_POINTING, _BOXES), _SIDES)
)
"""The eight of the plan, pointing first; of boxes in clutter the larger of the smallest differences it names."""


def rows(root: Path | None = None) -> list[Row]:
    """The eight contrasts with Holm's correction over them; a network and its blurred self are paired by seed."""
    return planned.judged(STUDY, FAMILY, CONTRASTS, root)
