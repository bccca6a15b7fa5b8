"""What the paper's equations leave open about a box, each choice with its default and the reason for it. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from drn_lib.checks import one_of
from drn_lib.geometry.axis import CELL_EDGES

SCORES = ("logits", "softmax")
EMPTY = ("none", "peak", "image")
ONE_CELL = ("box", "none")
CHOICES = {"scores": SCORES, "cell_edges": CELL_EDGES, "empty": EMPTY, "one_cell": ONE_CELL}
"""The fields of `BoxOptions`, and what each can be."""


@dataclass(frozen=True)
class BoxOptions:
    """How `boxes` reads equations (2) and (3) where the paper says nothing; ValueError for an unknown choice.

    Args:
        scores: what t is compared with, "logits" or the "softmax" over the classes of a cell. The default is the score
            map as the classifier gives it, which is what the paper calls the response. Both agree on who wins.
        cell_edges: which pixels a cell stands for: "tile", as if the map were laid over the image ([8i, 8i + 8) for a
            DRN), or "centre", what lies nearest to the middle of its field (8i - 4 to 8i + 4, see
            `geometry.cell_edges`). By the geometry it is "centre", but then the last half cell of the image belongs to
            none, and a coarse map suffers most: the default did better on validation images, mostly. "measured" puts
            cells where the geometry of this network and image has them, which needs the argument `centre`: it is for
            networks whose padding is uneven (`lite`).
        empty: the answer where no cell qualifies, so that (3) has no answer: "none" (a box of NaN, which overlaps
            nothing; the default, as no answer must not pass for one), "peak" (the class's highest cell) or "image".
        one_cell: the answer where only one cell qualifies. Counted in cells, (3) gives it no area: "box" takes its
            pixels (the default: a box of a cell's size is right for a small object), "none" takes it for no answer.
    """

    scores: str = "logits"
    cell_edges: str = "tile"
    empty: str = "none"
    one_cell: str = "box"

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            one_of(f"choice of {name} called", value, CHOICES[name])


DEFAULTS = BoxOptions()
