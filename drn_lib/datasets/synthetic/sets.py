"""The synthetic datasets, which need no download: `shapes` and `streets`.

A sample is a pure function of (seed, split, index, size). The scene depends on (seed, split, index) only, so
the same index at another size is the same scene, rendered finer. Nothing is stored.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from drn_lib.checks import whole_number
from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.synthetic import scene
from drn_lib.datasets.synthetic.canvas import Canvas, Color, Outline, disc, polygon, segment, smooth_noise
from drn_lib.datasets.synthetic.world import CLASSES as STREET_CLASSES

SPLITS = ("train", "tune", "test")
DRAWING = 1  # number of the drawing rules; it goes up when a picture changes, and with it the fingerprint
_CORNERS = {  # the reach of each and the turn of the first
    "square": ([1.0] * 4, math.pi / 4), "triangle": ([1.0] * 3, -math.pi / 2), "star": ([1.0, 0.42] * 5, -math.pi / 2)
}  # fmt: skip
SHAPES = ("disc", "ring", "square", "triangle", "cross", "star", "crescent", "half disc", "stripes", "checks")
SMALLEST, LARGEST = 64, 512


class _Synthetic(ImageDataset):
    """The base of both synthetic sets: where a sample's random numbers come from.

    Args:
        split: "train", "tune" or "test"; they share no scene.
        count: how many samples; sample i does not depend on it.
        size: side of the pictures in pixels, 64 to 512.

    Raises:
        DataError: no such split, or a count, size or seed that is out of range.
    """

    kind: str

    def __init__(self, split: str, count: int, size: int, seed: int = 0):
        if split not in SPLITS:
            raise DataError(f"The drawn sets have no split '{split}': use one of {', '.join(SPLITS)}.")
        try:
            whole_number("the side of drawn pictures, size, in pixels", size, SMALLEST, LARGEST)
            whole_number("the count of samples", count, 1)
            whole_number("the seed", seed, 0)
        except ValueError as error:
            raise DataError(f"{error}.") from None
        self.split, self.size, self.seed = split, size, seed
        self.names = [f"{self.kind}/{split}/{seed}/{index}" for index in range(count)]

    def random(self, index: int, purpose: int) -> np.random.Generator:
        """The random numbers of one sample, one stream per purpose."""
        return np.random.default_rng([self.seed, SPLITS.index(self.split), index, purpose])

    def identity(self, index: int) -> bytes:
        return f"{self.kind} {DRAWING} {self.seed} {self.split} {index} {self.size}".encode()


class SyntheticShapes(_Synthetic):
    """One shape among clutter on a textured background: ten classes, two of them textures inside any outline.

    Samples have `image` (3, size, size), `label`, `boxes` (1, 4), `mask` (0 background, 1 shape) and `name`.
    Only the outline and the texture tell the class; every ten samples hold each class once.
    """

    kind = "shapes"
    classes = list(SHAPES)
    mask_classes = ["background", "shape"]

    def __init__(self, split: str, count: int = 2000, size: int = 64, seed: int = 0):
        super().__init__(split, count, size, seed)
        self.labels = [self._label(index) for index in range(count)]

    def _label(self, index: int) -> int:
        tens, place = divmod(index, len(SHAPES))
        return int(self.random(tens, purpose=1).permutation(len(SHAPES))[place])

    def read(self, index: int) -> dict:
        rng = self.random(index, purpose=0)
        canvas = Canvas(_background(rng, self.size))
        _clutter(rng, canvas)
        _shape(rng, canvas, SHAPES[self.labels[index]])
        image, boxes = _tensor(canvas.picture(rng, noise=0.02)), torch.tensor([canvas.box(1)], dtype=torch.float32)
        sample = {"image": image, "label": self.labels[index], "boxes": boxes}
        return {**sample, "mask": torch.from_numpy(canvas.labels), "name": self.names[index]}


class SyntheticStreets(_Synthetic):
    """Street scenes in the 19 training classes of Cityscapes, with thin poles and wires.

    Samples have `image` (3, size, size), `mask` (size, size) with train ids, `boxes` (N, 4) around what is
    visible of each road user, `box_labels` (N,) with their train ids, and `name`. Wires count as poles.
    """

    kind = "streets"
    classes = list(STREET_CLASSES)
    mask_classes = list(STREET_CLASSES)

    def __init__(self, split: str, count: int = 500, size: int = 128, seed: int = 0):
        super().__init__(split, count, size, seed)

    def read(self, index: int) -> dict:
        rng = self.random(index, purpose=0)
        canvas, users = scene.draw(rng, self.size)
        seen = [(box, label) for number, label in users.items() if (box := canvas.box(number)) is not None]
        return {
            "image": _tensor(canvas.picture(rng, noise=0.015)),
            "mask": torch.from_numpy(canvas.labels),
            "boxes": torch.tensor([box for box, _ in seen], dtype=torch.float32).reshape(-1, 4),
            "box_labels": torch.tensor([label for _, label in seen], dtype=torch.int64),
            "name": self.names[index],
        }


def _tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).contiguous()


def _background(rng: np.random.Generator, side: int) -> np.ndarray:
    """A textured background between two random colors that are not far apart, (side, side, 3)."""
    low = rng.uniform(0.15, 0.85, size=3)
    high = np.clip(low + rng.uniform(-0.3, 0.3, size=3), 0, 1)
    mix = 0.5 + 0.5 * np.tanh(1.5 * smooth_noise(rng, side, int(rng.integers(2, 6))))
    background = low + (high - low) * mix
    for cells in (8, 16):
        background += rng.uniform(0.01, 0.05) * smooth_noise(rng, side, cells, channels=3)
    return background


def _clutter(rng: np.random.Generator, canvas: Canvas) -> None:
    """Strokes, dots and splinters, each smaller than any shape."""
    for _ in range(int(rng.integers(2, 8))):
        x, y, turn = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0, 2 * math.pi)
        color, form = rng.uniform(0, 1, size=3), rng.integers(3)
        if form == 0:
            reach = rng.uniform(0.05, 0.15)
            end = (x + reach * math.cos(turn), y + reach * math.sin(turn))
            outline = segment((x, y), end, rng.uniform(0.01, 0.03))
        elif form == 1:
            outline = disc(x, y, rng.uniform(0.015, 0.04))
        else:
            outline = polygon(_around(x, y, rng.uniform(0.03, 0.06, size=int(rng.integers(3, 5))), turn))
        canvas.fill(outline, color)


def _shape(rng: np.random.Generator, canvas: Canvas, name: str) -> None:
    radius = rng.uniform(0.18, 0.36)
    x, y = rng.uniform(radius, 1 - radius, size=2)
    turn = rng.uniform(-0.5, 0.5)
    first = _far_from(rng, canvas.colors[int(y * canvas.side), int(x * canvas.side)])
    color: Color = first
    if name in ("stripes", "checks"):
        texture, name = name, SHAPES[rng.choice([0, 2, 3, 7])]
        color = _texture(texture, first, _far_from(rng, first), (x, y), turn, period=radius * rng.uniform(0.45, 0.65))
    canvas.fill(_outline(name, x, y, radius, turn), color, label=1, number=1)


def _outline(name: str, x: float, y: float, radius: float, turn: float) -> Outline:
    whole = disc(x, y, radius)
    if name == "disc":
        return whole
    if name == "ring":
        return whole.without(disc(x, y, 0.6 * radius))
    if name == "crescent":
        return whole.without(disc(x + 0.45 * radius * math.cos(turn), y + 0.45 * radius * math.sin(turn), 0.8 * radius))
    if name == "half disc":
        # The far half of a circle around a shifted center, so that the figure fills its place as others do.
        angles = turn + np.linspace(-math.pi / 2, math.pi / 2, 25)
        cx, cy = x - 0.4 * radius * math.cos(turn), y - 0.4 * radius * math.sin(turn)
        return polygon(np.stack([cx + radius * np.cos(angles), cy + radius * np.sin(angles)], 1))
    if name in _CORNERS:
        reach, first = _CORNERS[name]
        return polygon(_around(x, y, radius * np.array(reach), turn + first))
    arm, thin = radius, 0.3 * radius
    quarters = turn + np.arange(4)[:, None] * math.pi / 2  # (4, 1)
    dx, dy = np.array([arm, thin, thin]), np.array([thin, thin, arm])  # one arm's corners and the next inner one
    across = x + dx * np.cos(quarters) - dy * np.sin(quarters)  # (4, 3)
    down = y + dx * np.sin(quarters) + dy * np.cos(quarters)
    return polygon(np.stack([across.ravel(), down.ravel()], 1))


def _around(x: float, y: float, reach: np.ndarray, turn: float) -> np.ndarray:
    """Corners at equal angles around (x, y), one per reach, (K, 2)."""
    angles = turn + 2 * math.pi * np.arange(len(reach)) / len(reach)
    return np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], 1)


def _far_from(rng: np.random.Generator, color: np.ndarray) -> np.ndarray:
    """Of four random colors the one that differs most from `color`, so that a shape can be seen."""
    offers = rng.uniform(0, 1, size=(4, 3))
    return offers[np.argmax(np.linalg.norm(offers - color, axis=1))]


def _texture(
    name: str, first: np.ndarray, second: np.ndarray, centre: tuple[float, float], turn: float, period: float
) -> Color:
    def color(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        dx, dy = x - centre[0], y - centre[1]
        along = np.sin(2 * math.pi / period * (dx * math.cos(turn) + dy * math.sin(turn)))
        across = np.sin(2 * math.pi / period * (dy * math.cos(turn) - dx * math.sin(turn)))
        wave = along if name == "stripes" else along * across
        fraction = 0.5 + 0.5 * np.clip(3 * wave, -1, 1)
        return first + fraction[..., None] * (second - first)

    return color
