"""Contenders take turns in one process, so that what else the machine does befalls all of them alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Call = Callable[[], object]
WARMED = 1.0
"""A call that takes fewer seconds is made once untimed in each turn: the turn before has driven its data out of the
processor's cache, and a stream of images would find them there."""


@dataclass(frozen=True)
class Patience:
    """How long a comparison may take: `rounds` at most, no more after so many seconds, but `least` in any case."""

    rounds: int
    seconds: float
    least: int = 2


@dataclass(frozen=True)
class Taken:
    """Seconds of one call: of the clock, and of the processor in all threads of this process."""

    wall: float
    cpu: float


def interleave(calls: dict[str, Call], patience: Patience, first: dict[str, Taken]) -> dict[str, list[Taken]]:
    """The times of each call, round by round; the order is turned round after each round.

    Every call was made once before, in the time of `first`: what it prepares then is not counted.
    """
    taken: dict[str, list[Taken]] = {name: [] for name in calls}
    began, order = time.monotonic(), list(calls)
    for done in range(patience.rounds):
        if done >= patience.least and time.monotonic() - began > patience.seconds:
            break
        for name in order:
            if first[name].wall < WARMED:
                calls[name]()
            taken[name].append(timed(calls[name])[0])
        order.reverse()
    return taken


def timed(call: Call) -> tuple[Taken, object]:
    """One call, and what it gave."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    cpu = time.process_time() - cpu
    return Taken(time.perf_counter() - wall, cpu), result


def rows(taken: dict[str, list[Taken]], baseline: str, threads: int) -> dict[str, dict]:
    """For each contender its milliseconds, and how many times as fast as the baseline it is.

    One thread is measured in the processor's time, which other work hardly disturbs; several by the clock, since
    they wait for each other. `ratio` is the median over the rounds of the baseline's time by the contender's in the
    same round, `quartiles` are those of these ratios, and `ratio_of_fastest` compares the fastest call of each.
    """
    kind = clock(threads)
    of_baseline = [getattr(one, kind) for one in taken[baseline]]
    found = {}
    for name, times in taken.items():
        own = [getattr(one, kind) for one in times]
        ratios = [theirs / ours for theirs, ours in zip(of_baseline, own)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        found[name] = {
            "wall_ms": round(1000 * statistics.median(one.wall for one in times), 1),
            "cpu_ms": round(1000 * statistics.median(one.cpu for one in times), 1),
            "ratio": round(middle, 3),
            "quartiles": [round(low, 3), round(high, 3)],
            "ratio_of_fastest": round(min(of_baseline) / min(own), 3),
        }
    return found


def clock(threads: int) -> str:
    """What `rows` compares: "cpu" or "wall"."""
    return "cpu" if threads == 1 else "wall"


def load() -> float:
    """Processes that were ready to run in the last minute, on average."""
    return round(os.getloadavg()[0], 1)
