"""How an image is read by a segmentation network: whole, by windows, at several scales. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

from drn_lib.checks import one_of, whole_number

AVERAGES = ("probabilities", "log")
"""How the answers of several scales and mirrorings become one:

``probabilities``   their mean
``log``             the mean of their logarithms, brought back to probabilities: the released code's geometric mean
"""

MOST_SCALE = 16
"""How many times an image is enlarged at most."""


@dataclass(frozen=True)
class Inference:
    """How an image is read.

    window     pixels a side of the sliding windows, a multiple of the output stride; None: the whole image at once
    overlap    pixels that neighboring windows share at least, a multiple of the output stride; where windows
               overlap, a pixel's probabilities are the plain mean over all windows that hold it
    scales     factors by which the image is resized before it is read
    mirror     whether each scale is read a second time, mirrored left to right
    average    one of `AVERAGES`
    """

    window: int | None = None
    overlap: int = 128
    scales: tuple[float, ...] = (1.0,)
    mirror: bool = False
    average: str = "probabilities"

    def __post_init__(self) -> None:
        if self.window is not None and whole_number("window", self.window, 1) <= whole_number(
            "overlap", self.overlap, 0
        ):
            raise ValueError(f"an overlap of {self.overlap} pixels needs larger windows than {self.window}")
        scales = self.scales if isinstance(self.scales, (tuple, list)) else ()
        if not scales or not all(isinstance(scale, Real) and 0 < scale <= MOST_SCALE for scale in scales):
            raise ValueError(f"scales must be positive factors of at most {MOST_SCALE}, not {self.scales!r}")
        one_of("average", self.average, AVERAGES)

    @property
    def views(self) -> list[tuple[float, bool]]:
        """(scale, mirrored) of every time that the image is read."""
        return [(scale, mirrored) for scale in self.scales for mirrored in ((False, True) if self.mirror else (False,))]


WHOLE = Inference()
"""The whole image once."""

RELEASED_SCALES = Inference(scales=(1.0, 0.5, 0.75, 1.25, 1.5, 1.75), average="log")
"""The multi-scale test of the authors' segment.py: no mirroring, sum of log-probabilities."""

MULTI_SCALE = Inference(scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), mirror=True)
"""Their scales, with mirroring and the mean of probabilities."""
