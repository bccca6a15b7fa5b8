"""Synthetic street scenes in the 19 training classes of Cityscapes.

Things are painted from far to near. It is a cartoon: it has the layout, the occlusion and the thin structures (poles,
wires, signs, railings) that make street segmentation hard at a coarse output stride.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drn_lib.datasets.synthetic import world
from drn_lib.datasets.synthetic.canvas import Canvas, polygon, smooth_noise
from drn_lib.datasets.synthetic.objects import people, street_furniture, traffic
from drn_lib.datasets.synthetic.world import Scene, Thing


def draw(rng: np.random.Generator, side: int) -> tuple[Canvas, dict[int, int]]:
    """Render a street scene by the choices of `rng`, which do not depend on `side`, that of the picture in pixels.

    Returns:
        The canvas (colors, train ids, object numbers), and object number to train id of the road users.
    """
    road = rng.uniform(3.0, 4.4)
    canvas, horizon, middle = Canvas(_sky(rng, side), world.SKY), rng.uniform(0.38, 0.5), rng.uniform(0.38, 0.62)
    scene = Scene(canvas, rng, horizon, middle, road, edge=road + rng.uniform(2.0, 4.0), light=rng.uniform(0.7, 1.0))
    _ground(scene)
    things = [*_sides(scene), *street_furniture(scene), *traffic(scene), *people(scene)]
    for _, paint in sorted(things, key=lambda thing: -thing[0]):
        paint()
    canvas.colors += 0.03 * smooth_noise(rng, side, 16, channels=1) + 0.03 * smooth_noise(rng, side, 32, channels=3)
    return canvas, scene.users


def _sky(rng: np.random.Generator, side: int) -> np.ndarray:
    high = np.array([0.35, 0.55, 0.85]) + rng.uniform(-0.15, 0.1, size=3)
    low = np.array([0.8, 0.85, 0.92]) + rng.uniform(-0.1, 0.05, size=3)
    down = np.clip(np.linspace(0, 2, side), 0, 1)[:, None, None]
    clouds = np.clip(0.5 * smooth_noise(rng, side, 6) + rng.uniform(-0.3, 0.2), 0, 0.7)
    sky = high + (low - high) * down
    return sky + clouds * (0.95 - sky)


def _ground(scene: Scene) -> None:
    rng = scene.rng
    green = np.array([0.35, 0.45, 0.22]) + rng.uniform(-0.06, 0.06, size=3)
    paving = np.full(3, rng.uniform(0.5, 0.68)) + rng.uniform(-0.04, 0.04, size=3)
    asphalt = np.full(3, rng.uniform(0.24, 0.4))

    def strip(left: float, right: float, color: np.ndarray, label: int, start=0.6, end=world.FAR) -> None:
        scene.area([(left, 0, start), (right, 0, start), (right, 0, end), (left, 0, end)], color, label)

    strip(-200, 200, green, world.TERRAIN)
    strip(-scene.edge, scene.edge, paving, world.SIDEWALK)
    strip(-scene.road - 0.15, scene.road + 0.15, 0.8 * paving, world.SIDEWALK)  # the kerb
    strip(-scene.road, scene.road, asphalt, world.ROAD)
    for z in np.arange(rng.uniform(2, 5), 60, 6.0):
        strip(-0.08, 0.08, np.full(3, 0.85), world.ROAD, z, z + 3)
    if rng.random() < 0.4:
        z = rng.uniform(7, 16)
        for x in np.arange(-scene.road + 0.3, scene.road - 0.5, 1.0):
            strip(x, x + 0.5, np.full(3, 0.85), world.ROAD, z, z + 3)


def _sides(scene: Scene) -> list[Thing]:
    """Both sides of the street: buildings, or open land behind a wall or fence."""
    rng = scene.rng
    things: list[Thing] = []
    for side in (-1, 1):
        z = 3.0
        while z < 70:
            depth = rng.uniform(7, 16)
            x = side * (scene.edge + rng.uniform(0.3, 2.0))
            kind = rng.choice(4, p=[0.55, 0.12, 0.15, 0.18])
            if kind == 0:
                things.append((z, _building(scene, x, z, depth)))
            else:
                if kind < 3:
                    things.append((z, (_wall if kind == 1 else _fence)(scene, x, z, depth)))
                things += [(at, _tree(scene, x + side * rng.uniform(2, 4), at)) for at in (z + 2, z + depth - 2)]
            z += depth
        things.append((72.0, _tree(scene, side * (scene.edge + 4), 72.0)))
    return things


def _building(scene: Scene, x: float, z: float, depth: float) -> Callable[[], None]:
    rng = scene.rng
    height, color, end = rng.uniform(5, 17), scene.color(0.35, 0.85), z + depth
    floor, bay = rng.uniform(2.8, 3.6), rng.uniform(2.0, 3.2)
    outer = x + np.sign(x) * 12

    def facade(px: np.ndarray, py: np.ndarray) -> np.ndarray:
        # From the picture back to the wall at this x: how far along it, and how high up.
        across = px - scene.middle
        along = world.FOCAL * x / np.where(np.abs(across) < 1e-3, np.copysign(1e-3, x), across)
        high = world.CAMERA - (py - scene.horizon) * along / world.FOCAL
        glass = _bars(along - z, bay, 1.1) * _bars(high - 1, floor, 1.5) * (high < height - 0.6) * (high > 0.8)
        shade = scene.haze(color, z)
        return shade + glass[..., None] * (scene.haze(world.GLASS, z) - shade)

    def paint() -> None:
        scene.area([(x, 0, z), (outer, 0, z), (outer, height, z), (x, height, z)], 0.8 * color, world.BUILDING)
        wall = [scene.point(x, y, at) for y, at in ((0, z), (0, end), (height, end), (height, z))]
        scene.canvas.fill(polygon(wall), facade, world.BUILDING)

    return paint


def _bars(position: np.ndarray, period: float, width: float) -> np.ndarray:
    """1 in bars of the given width that repeat every `period`, 0 between, with soft edges."""
    offset = np.abs(np.mod(position, period) - period / 2)
    return np.clip((width / 2 - offset) / 0.1 + 0.5, 0, 1)


def _wall(scene: Scene, x: float, z: float, depth: float) -> Callable[[], None]:
    height, color = scene.rng.uniform(1.4, 2.4), scene.color(0.4, 0.65)
    corners = [(x, 0, z), (x, 0, z + depth), (x, height, z + depth), (x, height, z)]
    return lambda: scene.area(corners, color, world.WALL)


def _fence(scene: Scene, x: float, z: float, depth: float) -> Callable[[], None]:
    height, color = scene.rng.uniform(1.2, 1.8), scene.color(0.2, 0.7)

    def paint() -> None:
        for high in (0.25, 0.95):
            scene.stroke((x, high * height, z), (x, high * height, z + depth), 0.08, color, world.FENCE)
        for at in np.arange(z, z + depth, 0.8):
            scene.stroke((x, 0, at), (x, height, at), 0.05, color, world.FENCE)

    return paint


def _tree(scene: Scene, x: float, z: float) -> Callable[[], None]:
    rng = scene.rng
    height, green = rng.uniform(3.5, 8), np.array([0.2, 0.36, 0.14]) + rng.uniform(-0.06, 0.08, size=3)
    balls = rng.normal(size=(9, 2)) * [0.22, 0.16] * height
    shades = rng.uniform(0.75, 1.2, size=9)

    def paint() -> None:
        scene.stroke((x, 0, z), (x, 0.6 * height, z), 0.3, np.array([0.3, 0.22, 0.16]), world.VEGETATION)
        for (dx, dy), shade in zip(balls, shades, strict=True):
            scene.ball(x + dx, 0.72 * height + dy, z, 0.2 * height, shade * green, world.VEGETATION)

    return paint
