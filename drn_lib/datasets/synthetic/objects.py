"""What stands and moves in a synthetic street: lamp posts, wires, signs, lights, vehicles, people.

Every function makes the scene's random choices first, and what it returns paints: things are painted from far to near.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from drn_lib.datasets.synthetic import world
from drn_lib.datasets.synthetic.world import Scene, Thing


def street_furniture(scene: Scene) -> list[Thing]:
    """Lamp posts with wires between them, signs and traffic lights."""
    rng = scene.rng
    side, first, gap, height = rng.choice([-1, 1]), rng.uniform(5, 9), rng.uniform(9, 15), rng.uniform(5.5, 8)
    x = side * (scene.road + 0.5)
    posts = [first + gap * i for i in range(4)]
    things: list[Thing] = [(z, partial(_lamp, scene, x, z, height)) for z in posts]
    if rng.random() < 0.7:
        spans = zip([world.NEAR, *posts], posts, strict=False)
        things += [(far, partial(_wires, scene, x, height, near, far)) for near, far in spans]
    for _ in range(int(rng.integers(1, 5))):
        z, x = rng.uniform(5, 26), rng.choice([-1, 1]) * (scene.road + rng.uniform(0.3, 0.8))
        things.append((z, (_traffic_light if rng.random() < 0.35 else _sign)(scene, x, z)))
    return things


def _lamp(scene: Scene, x: float, z: float, height: float) -> None:
    scene.stroke((x, 0, z), (x, height, z), 0.14, world.METAL, world.POLE)
    scene.stroke((x, height, z), (x - np.sign(x) * 1.6, height + 0.2, z), 0.09, world.METAL, world.POLE)


def _wires(scene: Scene, x: float, height: float, near: float, far: float) -> None:
    zs = np.linspace(near, far, 7)
    sag = 0.35 * (1 - ((zs - near) / (far - near) * 2 - 1) ** 2)
    for y in (height - 0.3, height - 0.9):
        for i in range(6):
            scene.stroke((x, y - sag[i], zs[i]), (x, y - sag[i + 1], zs[i + 1]), 0.02, world.DARK, world.POLE)


def _sign(scene: Scene, x: float, z: float) -> Callable[[], None]:
    height, form, color = scene.rng.uniform(2.0, 2.8), scene.rng.integers(3), scene.color(0.1, 0.9)

    def paint() -> None:
        scene.stroke((x, 0, z), (x, height, z), 0.08, world.METAL, world.POLE)
        if form == 0:
            scene.ball(x, height, z, 0.42, np.array([0.8, 0.1, 0.12]), world.SIGN)
            scene.ball(x, height, z, 0.27, np.array([0.92, 0.92, 0.9]), world.SIGN)
        elif form == 1:
            corners = [(x - 0.48, height - 0.3, z), (x + 0.48, height - 0.3, z), (x, height + 0.5, z)]
            scene.area(corners, np.array([0.85, 0.15, 0.12]), world.SIGN)
        else:
            scene.box((x, height, z), 0.75, 0.6, color, world.SIGN)

    return paint


def _traffic_light(scene: Scene, x: float, z: float) -> Callable[[], None]:
    lit = scene.rng.integers(3)

    def paint() -> None:
        scene.stroke((x, 0, z), (x, 2.6, z), 0.12, world.METAL, world.POLE)
        scene.box((x, 2.9, z), 0.42, 1.05, world.DARK, world.LIGHT)
        for lamp, color in enumerate(([0.9, 0.1, 0.1], [0.95, 0.75, 0.1], [0.1, 0.8, 0.3])):
            scene.ball(x, 3.2 - 0.3 * lamp, z, 0.13, np.array(color) * (1.0 if lamp == lit else 0.3), world.LIGHT)

    return paint


def traffic(scene: Scene) -> list[Thing]:
    """Vehicles in the two lanes, cars parked at the kerb."""
    rng = scene.rng
    things: list[Thing] = []
    for side in (-1, 1):
        z = rng.uniform(7, 14)
        while z < 60:
            kind = rng.choice([world.CAR, world.TRUCK, world.BUS, world.TRAIN], p=[0.7, 0.13, 0.12, 0.05])
            things.append((z, _vehicle(scene, side * scene.road / 2, z, int(kind))))
            z += rng.uniform(9, 30)
        if rng.random() < 0.6:
            for z in np.arange(rng.uniform(5, 9), rng.uniform(15, 45), 6.0):
                things.append((z, _vehicle(scene, side * (scene.road - 0.9), z, world.CAR)))
    return things


def _vehicle(scene: Scene, x: float, z: float, kind: int) -> Callable[[], None]:
    rng = scene.rng
    color, number = scene.color(0.1, 0.95), scene.user(kind)
    width, height = {world.CAR: (1.8, 1.45), world.TRUCK: (2.4, 3.2), world.BUS: (2.5, 3.1), world.TRAIN: (2.6, 3.5)}[
        kind
    ]
    height *= rng.uniform(0.92, 1.1)

    def part(dx: float, y: float, w: float, h: float, paint: np.ndarray, narrow: float = 1.0) -> None:
        scene.box((x + dx, y, z), w, h, paint, kind, number, narrow)

    def paint() -> None:
        for dx in (-0.38 * width, 0.38 * width):
            part(dx, 0.25, 0.22 * width, 0.5, world.DARK)
        if kind == world.CAR:
            part(0, 0.57, width, 0.65, color)
            part(0, 0.5 * (0.85 + height), 0.9 * width, height - 0.85, color, narrow=0.75)
            part(0, 0.5 * (0.85 + height), 0.78 * width, 0.75 * (height - 0.85), world.GLASS, narrow=0.78)
        else:
            part(0, 0.5 * (0.35 + height), width, height - 0.35, color)
            if kind == world.BUS:
                part(0, 0.7 * height, 0.84 * width, 0.32 * height, world.GLASS)
            elif kind == world.TRUCK:
                part(0, 0.55 * height, 0.03, 0.75 * height, 0.5 * color)
            else:
                part(0, 0.38 * height, width, 0.14 * height, np.full(3, 0.92))
                for dx in (-0.22 * width, 0.22 * width):
                    part(dx, 0.68 * height, 0.34 * width, 0.3 * height, world.GLASS)
        for dx in (-0.4 * width, 0.4 * width):
            part(dx, 0.68, 0.12 * width, 0.16, np.array([0.85, 0.08, 0.08]))

    return paint


def people(scene: Scene) -> list[Thing]:
    """People on the sidewalks and, in some scenes, one on a bicycle or motorcycle."""
    rng = scene.rng
    things: list[Thing] = []
    for _ in range(int(rng.integers(2, 7))):
        x, z = rng.choice([-1, 1]) * rng.uniform(scene.road + 0.3, scene.edge - 0.2), rng.uniform(4, 30)
        things.append((z, _person(scene, x, z)))
    if rng.random() < 0.6:
        x, z = rng.choice([-1, 1]) * (scene.road - 0.7), rng.uniform(5, 18)
        things.append((z, _cyclist(scene, x, z, int(rng.choice([world.BICYCLE, world.MOTORCYCLE])))))
    return things


def _person(scene: Scene, x: float, z: float) -> Callable[[], None]:
    tall, step = scene.rng.uniform(1.5, 1.9), scene.rng.uniform(0, 0.2)
    shirt, legs = scene.color(), scene.color(0.1, 0.5)
    number = scene.user(world.PERSON)

    def paint() -> None:
        for way in (-1, 1):
            scene.stroke((x + 0.05 * way, 0.5 * tall, z), (x + way * step, 0.04, z), 0.15, legs, world.PERSON, number)
            scene.stroke(
                (x + 0.2 * way, 0.8 * tall, z), (x + 0.27 * way, 0.48 * tall, z), 0.1, shirt, world.PERSON, number
            )
        scene.box((x, 0.66 * tall, z), 0.38, 0.36 * tall, shirt, world.PERSON, number, narrow=1.1)
        scene.ball(x, 0.93 * tall, z, 0.12, world.SKIN, world.PERSON, number)

    return paint


def _cyclist(scene: Scene, x: float, z: float, machine: int) -> Callable[[], None]:
    shirt, number, seat = scene.color(), scene.user(world.RIDER), scene.user(machine)
    thick = 0.1 if machine == world.BICYCLE else 0.3

    def paint() -> None:
        scene.stroke((x, 0.08, z), (x, 0.75, z), thick, world.DARK, machine, seat)
        scene.stroke((x - 0.32, 1.0, z), (x + 0.32, 1.0, z), 0.07, world.METAL, machine, seat)
        if machine == world.MOTORCYCLE:
            scene.box((x, 0.65, z), 0.4, 0.4, 0.6 * shirt, machine, seat)
        for way in (-1, 1):
            scene.stroke((x + 0.12 * way, 0.9, z), (x + 0.16 * way, 0.3, z), 0.13, world.DARK, world.RIDER, number)
        scene.box((x, 1.22, z), 0.4, 0.62, shirt, world.RIDER, number, narrow=1.1)
        scene.ball(x, 1.66, z, 0.14, world.SKIN, world.RIDER, number)

    return paint
