"""Kills a training run at steps drawn at random until it has been killed often enough; run by test_classification.py.

A child announces through a pipe what it has come to: the step it began from, each step that it has done, and when it
begins to score, to save its state, or to write its log. It is killed there, or a random moment later: so each kill
hits a run that works, however fast the machine is. The run that was killed so often must end as one that never was,
and at least half of the children must have resumed from a state.

A script of its own, because it forks: a forked child starts in milliseconds where a new one imports torch for seconds,
and forking is safe only in a process that has one thread.

    python -m tests.checks.kill_and_resume FOLDER KILLS SEED
"""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from drn_lib import training
from drn_lib.training import loop
from drn_lib.training.recipes import ClassificationRecipe

RECIPE = ClassificationRecipe(
    "kill", "random", image_size=24, width=0.125, epochs=5, batch_size=8, lr=0.05, crop_padding=2
)
BEGUN, DONE, SCORING, SAVING, REPLACING, LOGGING = "begun", "done", "scoring", "saving", "replacing", "logging"
MOMENTS = (DONE, DONE, DONE, SCORING, SAVING, SAVING, REPLACING, LOGGING)
"""What a child has announced when it is killed: drawn evenly from these."""
FARTHEST = 3
"""Steps that a child does at most before the announcement that it is killed at."""
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
INTERRUPTED = 130
"""The exit status of a child that SIGINT has ended."""


def run(folder: Path | None) -> loop.Trained:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (28, 3, 24, 24), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 4, (28,), generator=generator)
    options = loop.RunOptions(folder)
    return training.train(RECIPE, "drn_d_22", 3, (images, labels), 4, (images[:8], labels[:8]), options=options)


def announce_progress(pipe: int) -> None:
    """Make the loop of this process say through the pipe what it has come to, a line each: "done 7"."""

    def say(what: str, number: int = 0) -> None:
        os.write(pipe, f"{what} {number}\n".encode())

    def before(function: Callable, what: str) -> Callable:
        def announced(*given, **options):
            say(what)
            return function(*given, **options)

        return announced

    class Bar:
        def __init__(self, title: str, step: int, last_step: int, shown: bool):
            self.step = step
            say(BEGUN, step)

        def update(self) -> None:
            self.step += 1
            say(DONE, self.step)

        def set_postfix(self, row: dict) -> None:
            pass

        def close(self) -> None:
            pass

    whole_run = loop.run

    def run_announced(task: loop.Task, *others):
        return whole_run(replace(task, score=before(task.score, SCORING)), *others)

    loop.run, loop.progress_bar = run_announced, Bar
    torch.save, os.replace = before(torch.save, SAVING), before(os.replace, REPLACING)
    loop.Logs.epoch = before(loop.Logs.epoch, LOGGING)


def begin(folder: Path) -> tuple[int, Iterator[tuple[str, int]]]:
    """A child that carries the run on, and what it announces."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        announce_progress(writing)
        try:
            run(folder)
        except KeyboardInterrupt:
            os._exit(INTERRUPTED)
        os._exit(0)
    os.close(writing)

    def announcements():
        with open(reading, encoding="ascii") as lines:
            for line in lines:
                what, number = line.split()
                yield what, int(number)

    return child, announcements()


class Kills:
    """What is counted: kills by what the child was doing, children, and those of them that resumed from a state."""

    def __init__(self, wanted: int, seed: int, step_seconds: float):
        self.wanted, self.random, self.step_seconds = wanted, random.Random(seed), step_seconds
        self.by_moment, self.children, self.resumed = Counter(), 0, 0

    @property
    def count(self) -> int:
        return sum(self.by_moment.values())

    def finish(self, folder: Path) -> None:
        """Start the run in the folder again and again until it ends, killing each child on its way."""
        ended, seconds = False, 0.0
        while not ended:
            ended = self.child_ends(folder)
            saved = torch.load(folder / "state.pt", weights_only=True) if (folder / "state.pt").exists() else None
            if saved and saved["seconds"] < seconds:
                raise SystemExit("a resumed run has forgotten the seconds before it")
            seconds = saved["seconds"] if saved else 0.0

    def child_ends(self, folder: Path) -> bool:
        """Whether one child brought the run to its end, or was killed."""
        moment, steps = self.random.choice(MOMENTS), self.random.randint(1, FARTHEST)
        child, announced = begin(folder)
        self.children += 1
        first, kills = 0, self.count < self.wanted
        for what, number in announced:
            if what == BEGUN:
                first = number
                self.resumed += first > 0
            steps -= what == DONE
            if kills and what == moment and steps <= 0:
                time.sleep(self.random.choice((0.0, self.random.uniform(0.0, self.step_seconds))))
                os.kill(child, self.random.choice(SIGNALS))
                kills = False
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if -status in SIGNALS or status == INTERRUPTED:
            self.by_moment[moment] += 1
        elif status != 0:
            raise SystemExit(f"a run that had done {first} steps failed when it was resumed")
        return status == 0


def main() -> None:
    folder, wanted, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    # The bars' own lock is shared by forked children: one that is killed with it in hand would stop all later ones.
    tqdm.set_lock(threading.RLock())
    tqdm.monitor_interval = 0
    loop.STATE_EVERY_SECONDS = 0.0  # a state after every step: kills also hit the writing

    reference = run(None)
    kills = Kills(wanted, seed, reference.seconds / (RECIPE.epochs * 3))
    while kills.count < wanted:
        shutil.rmtree(folder, ignore_errors=True)
        kills.finish(folder)
        saved = torch.load(folder / "state.pt", weights_only=True)
        for name, tensor in reference.model.state_dict().items():
            if not torch.equal(tensor, saved["model"][name]):
                raise SystemExit(f"after {kills.count} kills {name} differs from the uninterrupted run")
        if saved["curve"] != reference.curve:
            raise SystemExit("the curve differs from the uninterrupted run")
        if left := sorted(path.name for path in folder.glob(".*")):
            raise SystemExit(f"killed runs left {', '.join(left)}")
        with (folder / "log.csv").open(newline="", encoding="utf-8") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        if [{name: value for name, value in row.items() if value != ""} for row in rows] != reference.curve:
            raise SystemExit("the log differs from the curve")
    if 2 * kills.resumed < kills.children:
        raise SystemExit(f"only {kills.resumed} of {kills.children} children resumed from a state")
    where = ", ".join(f"{moment} {count}" for moment, count in sorted(kills.by_moment.items()))
    resumed = f"{kills.resumed} of {kills.children} children resumed from a state"
    print(f"killed {kills.count} times ({where}); {resumed}; weights bit-identical")


if __name__ == "__main__":
    main()
