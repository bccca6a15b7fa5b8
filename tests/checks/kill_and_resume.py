"""Kills a training run at random moments until it has been killed often enough; run by test_training.py.

A script of its own, because it forks: a forked child starts in milliseconds where a new one imports torch for seconds,
and forking is safe only in a process that has one thread.

    python -m tests.checks.kill_and_resume FOLDER KILLS SEED
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import torch
from tqdm import tqdm

from drn_lib import training
from drn_lib.training import loop
from drn_lib.training.recipes import ClassificationRecipe

RECIPE = ClassificationRecipe(
    "kill", "random", image_size=24, width=0.125, epochs=5, batch_size=8, lr=0.05, crop_padding=2
)


def run(folder: Path | None) -> loop.Trained:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (28, 3, 24, 24), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 4, (28,), generator=generator)
    options = loop.RunOptions(folder)
    return training.train(RECIPE, "drn_d_22", 3, (images, labels), 4, (images[:8], labels[:8]), options=options)


def finish_despite_kills(folder: Path, most_kills: int, longest: float, moments: random.Random) -> int:
    """Start the run again and again until it ends, killing each child at a random moment; how often it was killed."""
    kills = 0
    while True:
        child = os.fork()
        if child == 0:
            run(folder)
            os._exit(0)
        if kills < most_kills:
            time.sleep(moments.uniform(0.0, longest))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            kills += 1
        elif os.WEXITSTATUS(status) == 0:
            return kills
        else:
            raise SystemExit("a resumed run failed")


def main() -> None:
    folder, wanted, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    # The bars' own lock is shared by forked children: one that is killed with it in hand would stop all later ones.
    tqdm.set_lock(threading.RLock())
    tqdm.monitor_interval = 0
    loop.STATE_EVERY_SECONDS = 0.0  # a state after every step: kills also hit the writing
    moments = random.Random(seed)

    start = time.monotonic()
    reference = run(None)
    longest = 0.5 * (time.monotonic() - start)
    kills = 0
    while kills < wanted:
        shutil.rmtree(folder, ignore_errors=True)
        kills += finish_despite_kills(folder, wanted - kills, longest, moments)
        state = torch.load(folder / "state.pt", weights_only=True)
        for name, tensor in reference.model.state_dict().items():
            if not torch.equal(tensor, state["model"][name]):
                raise SystemExit(f"after {kills} kills {name} differs from the uninterrupted run")
        if state["curve"] != reference.curve:
            raise SystemExit("the curve differs from the uninterrupted run")
    print(f"killed {kills} times; weights bit-identical")


if __name__ == "__main__":
    main()
