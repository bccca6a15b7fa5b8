"""The smallest result, repeated: `python -m book.studies.evidence.repeat [--seed 5]`, ten minutes on a CPU.

Trains ResNet-18 as the study `classification` does, with another seed, and compares its error on the 800 validation
images with those of the study's trainings. Exit status 1 where it lies outside the interval in which one more training
of the same spread lies in 95 of 100 cases. Nothing is stored, and no test image is read.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from dataclasses import dataclass

from scipy import stats

from book.studies import results
from book.studies.plans import load_plan

STUDY, VARIANT = "classification", "resnet_18"
KEY = "tune_top1"


@dataclass(frozen=True)
class Expected:
    """Errors in percent after the last epoch: those of the study's trainings, and where one more is expected."""

    values: tuple[float, ...]
    low: float
    high: float

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)


def expected() -> Expected:
    """What the study's runs say of one more: Student's t prediction interval, 95 %."""
    values = tuple(run.curve[-1][KEY] for run in results.runs(STUDY, VARIANT))
    count = len(values)
    reach = stats.t.ppf(0.975, count - 1) * statistics.stdev(values) * math.sqrt(1 + 1 / count)
    return Expected(values, statistics.fmean(values) - reach, statistics.fmean(values) + reach)


def train_once(seed: int) -> float:
    """The error of one more training on the validation images, in percent."""
    from book.studies.runs import train_classifier
    from drn_lib.training.loop import RunOptions

    trained, _ = train_classifier(load_plan(STUDY).variants[VARIANT], seed, RunOptions())
    return trained.curve[-1][KEY]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=5, help="one that the study does not have (default 5)")
    seed = parser.parse_args(arguments).seed
    if seed in {run.seed for run in results.runs(STUDY, VARIANT)}:
        parser.error(f"the study has a training with seed {seed}; choose another one")
    want = expected()
    print(f"ResNet-18, seed {seed}: expected between {want.low:.1f} and {want.high:.1f} %", flush=True)
    error = train_once(seed)
    inside = want.low <= error <= want.high
    print(f"found {error:.1f} %, {'as expected' if inside else 'outside'}")
    return 0 if inside else 1


if __name__ == "__main__":
    sys.exit(main())
