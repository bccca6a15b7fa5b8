"""The small world that street scenes are rendered in: meters, a camera, haze, and the classes.

The camera is 1.5 m above the road: X to the right, Y up, Z ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from drn_lib.datasets.synthetic.canvas import Canvas, disc, polygon, segment

CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""Names of the Cityscapes train ids 0 to 18, in order."""

(ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, LIGHT, SIGN, VEGETATION,
 TERRAIN, SKY, PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE) = range(19)  # fmt: skip

CAMERA, FOCAL, NEAR, FAR = 1.5, 0.9, 2.0, 120.0
DARK, METAL, SKIN, GLASS = (np.array(c) for c in ([0.1] * 3, [0.36, 0.37, 0.4], [0.8, 0.6, 0.5], [0.25, 0.33, 0.4]))

Thing = tuple[float, Callable[[], None]]
"""A distance in meters and what paints the thing there."""


@dataclass
class Scene:
    """A street that is being rendered."""

    canvas: Canvas
    rng: np.random.Generator
    horizon: float  # how far down it is, as a fraction of the side
    middle: float  # how far across the vanishing point is, as a fraction of the side
    road: float  # half the road's width in meters
    edge: float  # where the sidewalks end, in meters from the middle of the road
    light: float  # brightness of the day, at most 1
    users: dict[int, int] = field(default_factory=dict)  # object number to train id, for the boxes

    def point(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Where the point (x, y, z), in meters, is in the picture."""
        return self.middle + FOCAL * x / z, self.horizon + FOCAL * (CAMERA - y) / z

    def area(self, corners: Sequence[Sequence[float]], color: np.ndarray, label: int, number: int = 0) -> None:
        """Paint a polygon whose corners are in meters; far things fade into the haze."""
        outline = polygon([self.point(*corner) for corner in corners])
        self.canvas.fill(outline, self.haze(color, corners[0][2]), label, number)

    def stroke(
        self, start: Sequence[float], end: Sequence[float], width: float, color: np.ndarray, label: int,
        number: int = 0,
    ) -> None:  # fmt: skip
        """Paint a straight stroke, `width` meters thick, at least one pixel."""
        seen = FOCAL * width / min(start[2], end[2])
        ends = self.point(*start), self.point(*end)
        self.canvas.fill(segment(*ends, seen), self.haze(color, start[2]), label, number)

    def ball(self, x: float, y: float, z: float, radius: float, color: np.ndarray, label: int, number: int = 0) -> None:
        """Paint a ball of the given radius in meters."""
        self.canvas.fill(disc(*self.point(x, y, z), FOCAL * radius / z), self.haze(color, z), label, number)

    def haze(self, color: np.ndarray, z: float) -> np.ndarray:
        """The color in this light, paler the farther away."""
        fraction = 0.5 * min(z / FAR, 1.0)
        return self.light * ((1 - fraction) * np.asarray(color) + fraction * np.array([0.75, 0.8, 0.86]))

    def color(self, low: float = 0.15, high: float = 0.9) -> np.ndarray:
        """A random color."""
        return self.rng.uniform(low, high, size=3)

    def user(self, label: int) -> int:
        """A number for a new road user."""
        self.users[len(self.users) + 1] = label
        return len(self.users)

    def box(
        self, middle: Sequence[float], width: float, height: float, color: np.ndarray, label: int,
        number: int = 0, narrow: float = 1.0,
    ) -> None:  # fmt: skip
        """Paint a rectangle facing the camera around its `middle`; its top is `narrow` times as wide as its foot."""
        x, y, z = middle
        half, top = width / 2, narrow * width / 2
        low, high = y - height / 2, y + height / 2
        corners = [(x - half, low, z), (x + half, low, z), (x + top, high, z), (x - top, high, z)]
        self.area(corners, color, label, number)
