"""Drawing with soft edges and exact labels: the tool of the synthetic datasets.

An outline is a signed distance: negative inside, in pixels. A color is blended in with the fraction of a pixel
that the outline covers; a label is set where a pixel's center is inside. Coordinates are fractions of the picture's
side: (0, 0) is its upper left corner, (1, 1) its lower right one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Color = np.ndarray | Callable[[np.ndarray, np.ndarray], np.ndarray]
"""RGB in 0 to 1, (3,), or a function of x (1, w) and y (h, 1) in 0 to 1 that gives (h, w, 3)."""


@dataclass(frozen=True)
class Outline:
    """A region of the plane: its signed distance (h, w) in pixels, from x (1, w), y (h, 1) and the side in pixels."""

    bounds: tuple[float, float, float, float]  # x0, y0, x1, y1 around it, in 0 to 1
    distance: Callable[[np.ndarray, np.ndarray, int], np.ndarray]

    def without(self, other: Outline) -> Outline:
        """The part of this outline that is outside `other`."""
        return Outline(self.bounds, lambda *at: np.maximum(self.distance(*at), -other.distance(*at)))


def disc(x: float, y: float, radius: float) -> Outline:
    """A filled circle."""
    bounds = (x - radius, y - radius, x + radius, y + radius)
    return Outline(bounds, lambda px, py, side: np.hypot(px - x * side, py - y * side) - radius * side)


def segment(start: Sequence[float], end: Sequence[float], width: float) -> Outline:
    """A straight stroke with round ends, a little over one pixel wide at least, so that a thin wire has no gaps."""
    (ax, ay), (bx, by) = start, end
    half = max(width, 1.01 / 64) / 2  # the bounds must hold for every size, the smallest included
    bounds = (min(ax, bx) - half, min(ay, by) - half, max(ax, bx) + half, max(ay, by) + half)

    def distance(px: np.ndarray, py: np.ndarray, side: int) -> np.ndarray:
        return _to_segment(px, py, (ax * side, ay * side), (bx * side, by * side)) - max(width * side, 1.01) / 2

    return Outline(bounds, distance)


def polygon(points: Sequence[Sequence[float]]) -> Outline:
    """A polygon, convex or not, given by its corners in order."""
    corners = np.asarray(points, dtype=float)  # (K, 2)
    bounds = (*corners.min(0).tolist(), *corners.max(0).tolist())

    def distance(px: np.ndarray, py: np.ndarray, side: int) -> np.ndarray:
        nearest = np.full(np.broadcast_shapes(px.shape, py.shape), np.inf)
        inside = np.zeros(nearest.shape, dtype=bool)
        scaled = (corners * side).tolist()
        for (ax, ay), (bx, by) in zip(scaled, scaled[1:] + scaled[:1], strict=True):
            nearest = np.minimum(nearest, _to_segment(px, py, (ax, ay), (bx, by)))
            if ay != by:
                crosses = (ay <= py) != (by <= py)
                inside ^= crosses & (px < ax + (py - ay) * (bx - ax) / (by - ay))
        return np.where(inside, -nearest, nearest)

    return Outline(bounds, distance)


def _to_segment(px: np.ndarray, py: np.ndarray, a: Sequence[float], b: Sequence[float]) -> np.ndarray:
    dx, dy = b[0] - a[0], b[1] - a[1]
    squared = max(dx * dx + dy * dy, 1e-12)
    along = np.minimum(np.maximum((px - a[0]) * (dx / squared) + (py - a[1]) * (dy / squared), 0.0), 1.0)
    return np.hypot(px - a[0] - along * dx, py - a[1] - along * dy)


class Canvas:
    """A square picture: a background (side, side, 3) in 0 to 1 with its label, then what is painted over it.

    It holds `colors`, and `labels` and `objects`, int64 (side, side); 0 where no numbered object is on top.
    """

    def __init__(self, colors: np.ndarray, label: int = 0):
        self.side, self.colors = len(colors), colors
        self.labels = np.full((self.side, self.side), label, dtype=np.int64)
        self.objects = np.zeros_like(self.labels)
        self._centres = np.arange(self.side) + 0.5

    def fill(self, outline: Outline, color: Color, label: int | None = None, number: int = 0) -> None:
        """Paint an outline over what is there.

        The pixels whose center is inside get the label and the object number; the label None keeps both.
        """
        x0, y0, x1, y1 = outline.bounds
        rows, columns = self._span(y0, y1), self._span(x0, x1)
        if rows.stop <= rows.start or columns.stop <= columns.start:
            return
        x, y = self._centres[None, columns], self._centres[rows, None]  # (1, w) and (h, 1)
        distance = outline.distance(x, y, self.side)
        cover = np.minimum(np.maximum(0.5 - distance, 0.0), 1.0)[..., None]
        paint = color(x / self.side, y / self.side) if callable(color) else color
        window = self.colors[rows, columns]
        window += cover * (paint - window)
        if label is not None:
            inside = distance < 0
            self.labels[rows, columns][inside] = label
            self.objects[rows, columns][inside] = number

    def _span(self, low: float, high: float) -> slice:
        low, high = math.floor(low * self.side) - 1, math.ceil(high * self.side) + 1
        return slice(min(max(low, 0), self.side), min(max(high, 0), self.side))

    def picture(self, rng: np.random.Generator, noise: float) -> np.ndarray:
        """The finished picture with pixel noise of the given standard deviation (0 to 1), uint8 (side, side, 3)."""
        colors = self.colors + rng.normal(0.0, noise, self.colors.shape)
        return np.clip(np.rint(colors * 255), 0, 255).astype(np.uint8)

    def box(self, number: int) -> tuple[int, int, int, int] | None:
        """Pixel edges x0, y0, x1, y1 around what is visible of an object; None where nothing is."""
        rows, columns = np.nonzero(self.objects == number)
        if rows.size == 0:
            return None
        return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@lru_cache(maxsize=64)
def _interpolation(side: int, cells: int) -> np.ndarray:
    """Weights (side, cells + 1) that spread values at `cells + 1` knots smoothly over `side` pixels."""
    position = (np.arange(side) + 0.5) / side * cells
    left = np.floor(position).astype(int)
    fraction = position - left
    fraction = fraction * fraction * (3 - 2 * fraction)
    weights = np.zeros((side, cells + 1))
    weights[np.arange(side), left] = 1 - fraction
    weights[np.arange(side), left + 1] += fraction
    return weights


def smooth_noise(rng: np.random.Generator, side: int, cells: int, channels: int = 1) -> np.ndarray:
    """Random hills, `cells` along a side, the same at every size: (side, side, channels) with mean 0, deviation < 1."""
    knots, weights = rng.normal(size=(channels, cells + 1, cells + 1)), _interpolation(side, cells)
    return np.moveaxis(weights @ knots @ weights.T, 0, -1)
