"""How sure a number is: intervals over seeds and images, several comparisons at once, and the rule for verdicts.

Two kinds of intervals stand side by side. Student's t looks at seeds only. The two-way bootstrap redraws seeds
*and* images, because both were drawn by chance. With few seeds the bootstrap is somewhat too narrow (redrawing three
seeds cannot show more than three trainings), which is why neither is printed without the number of seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy

from drn_lib.checks import one_of, real_number, require_finite, whole_number

BOOTSTRAP = "bootstrap over seeds and images"
MATCH_MARGIN = 1.0
"""Two networks *match* only where the whole interval of their difference lies within this many points of zero."""
LEAST_SEEDS = 3
"""Below so many seeds a side nothing is resolved: two trainings say next to nothing of the spread between trainings,
and a study that has not run its seeds yet would be judged again after each of them."""


@dataclass(frozen=True)
class Sample:
    """One metric of one network: a value per seed; ValueError where a seed stands twice or a value is not finite."""

    seeds: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(set(self.seeds)) == len(self.seeds) == len(self.values):
            raise ValueError(f"each seed has one value, not the seeds {self.seeds} and {len(self.values)} values")
        require_finite(np.array(self.values, float), "the sample")

    @property
    def n(self) -> int:
        """How many seeds there are."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return float(np.mean(self.values))

    @property
    def std(self) -> float:
        """The standard deviation over seeds (n - 1 in the denominator); NaN for one seed."""
        return float(np.std(self.values, ddof=1)) if self.n > 1 else math.nan


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval; `low` and `high` are NaN where one seed says nothing about the spread.

    n       seeds (of the smaller side, for a difference)
    p       two-sided probability of a difference as large if there were none; NaN for a single quantity
    method  "Student's t over seeds" or "bootstrap over seeds and images"
    """

    estimate: float
    low: float
    high: float
    n: int
    method: str
    p: float = math.nan

    def __post_init__(self) -> None:
        unknown = math.isnan(self.low) and math.isnan(self.high)
        if not (math.isfinite(self.estimate) and (unknown or self.low <= self.high)):
            raise ValueError(f"{self.estimate} from {self.low} to {self.high} is no interval")
        if not math.isnan(self.p):
            real_number("p", self.p, 0, 1)


def student_t(sample: Sample, level: float = 0.95) -> Interval:
    """Student's t interval of a mean over seeds.

    Args:
        sample: one value per seed.
        level: the fraction of such intervals that hold the true mean, if the values are normally distributed.
    """
    _check(level, sample.values)
    if sample.n == 1:
        return Interval(sample.mean, math.nan, math.nan, 1, "Student's t over seeds")
    half = float(scipy.stats.t.ppf(0.5 + level / 2, sample.n - 1)) * sample.std / math.sqrt(sample.n)
    return Interval(sample.mean, sample.mean - half, sample.mean + half, sample.n, "Student's t over seeds")


def student_t_difference(left: Sample, right: Sample, level: float = 0.95, paired: bool = False) -> Interval:
    """The interval of mean(left) - mean(right) over seeds, with unequal spreads allowed (Welch).

    A seed fixes the order of the images, not the weights of two different networks, so their seeds are not paired.

    Args:
        left, right: one value per seed each.
        level: the fraction of such intervals that hold the true difference, if the values are normally distributed.
        paired: True where a seed's two runs share weights: one training measured in two ways, or two that began from
            the same weights. Then only the seeds that both sides have count, each by its own difference.
    """
    _check(level, left.values, right.values)
    method, estimate = "Student's t over seeds", left.mean - right.mean
    sides = [np.array(left.values), np.array(right.values)]
    if paired:
        both = [seed for seed in left.seeds if seed in right.seeds]
        sides = [np.array([dict(zip(side.seeds, side.values))[seed] for seed in both]) for side in (left, right)]
        if not both:
            raise ValueError("no seed is on both sides: nothing was measured yet")
        estimate = float(np.mean(sides[0] - sides[1]))
    n = min(len(side) for side in sides)
    if n < 2:
        return Interval(estimate, math.nan, math.nan, n, method)
    spread = np.std(sides[0] - sides[1]) if paired else max(np.std(side) for side in sides)
    if spread == 0:  # equal values for every seed: the difference has no spread
        return Interval(estimate, estimate, estimate, n, method, float(estimate == 0))
    test = scipy.stats.ttest_rel(*sides) if paired else scipy.stats.ttest_ind(*sides, equal_var=False)
    low, high = test.confidence_interval(level)
    return Interval(estimate, float(low), float(high), n, method, float(test.pvalue))


def percent(fraction: np.ndarray) -> np.ndarray:
    """The statistic of an error: its fraction of the images, in percent."""
    return 100 * fraction


def bootstrap_difference(
    left: np.ndarray,
    right: np.ndarray,
    draws: int = 4000,
    level: float = 0.95,
    seed: int = 0,
    statistic: Callable[[np.ndarray], np.ndarray] = percent,
    groups: np.ndarray | None = None,
    paired: bool = False,
) -> Interval:
    """The interval of score(left) - score(right), by redrawing each side's seeds and the shared images.

    Args:
        left: (seeds, images, ...), what each image counts: 1 where it came out wrong, or its confusion matrix.
        right: the same of the other network, the same images in the same order.
        draws: how often to redraw.
        level: the fraction of the redrawn differences that the interval holds.
        seed: of the redrawing.
        statistic: from the mean count over images, (..., one image's shape), to the score, (...); the default gives
            an error in percent. The score of a network is the mean of its seeds' scores.
        groups: (images,), equal numbers for images that belong together, for instance to one drive. Images are
            redrawn within each group, so that a group keeps its fraction. None: all are one group.
        paired: as for `student_t_difference`: both sides have the same seeds, and are redrawn together.

    Raises:
        ValueError: the two sides have different numbers of images, or of seeds where they are paired; there is nothing
            on a side, or a number that is not finite; `groups` are not of these images.
    """
    left, right = np.atleast_2d(left), np.atleast_2d(right)
    _check(level, left, right)
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"the same images are needed on both sides, not {left.shape[1]} and {right.shape[1]}")
    if paired and len(left) != len(right):
        raise ValueError(f"paired sides have the same seeds, not {len(left)} and {len(right)}")
    redrawn = redraw([left, right], draws, seed, statistic, groups, paired)
    estimate = float(statistic(left.mean(axis=1)).mean() - statistic(right.mean(axis=1)).mean())
    return of_redrawn(estimate, redrawn[0] - redrawn[1], min(len(left), len(right)), level)


def of_redrawn(estimate: float, redrawn: np.ndarray, n: int, level: float = 0.95) -> Interval:
    """The interval of a difference from its redrawn values; `n` seeds of the smaller side."""
    low, high = np.quantile(redrawn, [0.5 - level / 2, 0.5 + level / 2])
    tail = min((redrawn <= 0).sum(), (redrawn >= 0).sum())
    return Interval(estimate, low, high, n, BOOTSTRAP, min(1.0, 2 * (tail + 1) / (len(redrawn) + 1)))


def expected_reach(left: np.ndarray, right: np.ndarray, seeds: float, level: float = 0.95) -> float:
    """How far to each side the interval of a difference of errors would reach with so many seeds, in points.

    From the spreads seen so far: between a network's seeds, which more seeds average out, and between images, which
    they do not. A true difference of this size is then resolved in one study of two.

    Args:
        left: (seeds, images), 1 where an image came out wrong; at least two of both.
        right: the same of the other network, the same images.
        seeds: of each side; `math.inf` leaves only the spread of the images.
        level: of the interval.
    """
    _check(level, left, right)
    if left.shape[1] != right.shape[1] or not min(seeds, len(left), len(right), left.shape[1]) >= 2:
        raise ValueError(f"two seeds a side and two shared images are the least: {left.shape}, {right.shape}, {seeds}")
    between_seeds = sum(side.mean(axis=1).var(ddof=1) for side in (left, right)) / seeds
    # That single images come out differently from seed to seed is in the spread of the seeds already: it is taken out.
    of_trainings = sum(side.var(axis=0, ddof=1).mean() / len(side) for side in (left, right))
    of_images = (left.mean(axis=0) - right.mean(axis=0)).var(ddof=1) - of_trainings
    quantile = scipy.stats.t.ppf(0.5 + level / 2, 2 * (seeds - 1))
    return float(100 * quantile * math.sqrt(between_seeds + max(of_images, 0) / left.shape[1]))


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """The p-values of several comparisons, adjusted for being several (Holm's step-down procedure).

    Args:
        p_values: name of the comparison to its p-value.

    Returns:
        The same names with adjusted values: the k-th smallest of m is multiplied by m - k + 1, never falls
        below an earlier one and never exceeds 1.

    Raises:
        ValueError: a p-value is no number from 0 to 1.
    """
    for name, p in p_values.items():
        real_number(f"the p-value of {name}", p, 0, 1)
    adjusted, largest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def printed_verdict(difference: Interval, over_seeds: Interval, claim: str, p_adjusted: float | None = None) -> str:
    """A verdict as pages print it: "(provisional)" after it where the interval over seeds only does not say the same.

    Redrawing a few seeds shows less spread than there is (they can be no further apart than they were), so the two
    kinds of intervals may disagree, and more trainings may take such a verdict back.

    Args:
        difference, claim, p_adjusted: as for `verdict`.
        over_seeds: Student's t interval of the same difference.
    """
    said = verdict(difference, claim, p_adjusted)
    provisional = said != "not resolved" and verdict(over_seeds, claim) != said
    return f"{said} (provisional)" if provisional else said


def verdict(difference: Interval, claim: str, p_adjusted: float | None = None) -> str:
    """What the interval of left - right says about a claim; the one rule of the book.

    Args:
        difference: from `bootstrap_difference` or `student_t_difference`.
        claim: "less" (left is smaller), "greater" or "matches".
        p_adjusted: Holm's p-value where the claim is one of several primary comparisons; the difference then
            counts as resolved only below 0.05.

    Returns:
        "supported", "contradicted", "matches" or "not resolved"; below `LEAST_SEEDS` seeds a side it is the last.
        Whether something is "not testable here" the claim itself says.
    """
    one_of("claim called", claim, ("less", "greater", "matches"))
    low, high = difference.low, difference.high
    if difference.n < LEAST_SEEDS or math.isnan(low):
        return "not resolved"
    if p_adjusted is not None:
        real_number("p_adjusted", p_adjusted, 0, 1)
    if claim == "matches":
        if -MATCH_MARGIN <= low and high <= MATCH_MARGIN:
            return "matches"
        return "contradicted" if low > MATCH_MARGIN or high < -MATCH_MARGIN else "not resolved"
    if low <= 0 <= high or (p_adjusted is not None and p_adjusted >= 0.05):
        return "not resolved"
    return "supported" if (high < 0) == (claim == "less") else "contradicted"


def _check(level: float, *sides: object) -> None:
    """Raise ValueError where an interval at this level cannot be taken of what was measured on each side."""
    real_number("level", level, 0.001, 0.999999)
    for values in map(np.asarray, sides):
        if not values.size:
            raise ValueError("a side has no values: nothing was measured yet")
        require_finite(values, "what was measured")


def redraw(
    sides: list[np.ndarray],
    draws: int,
    seed: int,
    statistic: Callable[[np.ndarray], np.ndarray] = percent,
    groups: np.ndarray | None = None,
    paired: bool = False,
) -> list[np.ndarray]:
    """The score of each side in each draw; the images redrawn are the same for all sides, paired seeds too."""
    images = sides[0].shape[1]
    whole_number("draws", draws, 1)
    whole_number("seed", seed, 0)
    if groups is not None and groups.shape != (images,):
        raise ValueError(f"groups are one number for each of {images} images, not of the shape {groups.shape}")
    labels = None if groups is None else tuple(groups.tolist())
    times, chosen = _draws(images, tuple(len(counts) for counts in sides), draws, seed, labels)
    if paired:
        chosen = [chosen[0], chosen[0]]
    weights = times / images
    redrawn = []
    for seeds, counts in zip(chosen, sides, strict=True):
        of_seeds = np.stack([statistic(np.tensordot(weights, own, axes=1)) for own in counts], axis=1)  # (draws, seeds)
        require_finite(of_seeds, "the statistic of redrawn images")
        redrawn.append(np.take_along_axis(of_seeds, seeds, axis=1).mean(axis=1))
    return redrawn


@lru_cache(maxsize=8)  # 24 MB each for 3,000 images; the pages ask for some hundred differences on a few sets of images
def _draws(
    images: int, seeds: tuple[int, ...], draws: int, seed: int, groups: tuple[int, ...] | None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """How often each image was drawn, (draws, images), and which seeds of each side, (draws, seeds of the side)."""
    generator = np.random.default_rng(seed)
    labels = np.zeros(images, int) if groups is None else np.array(groups)
    members = [np.flatnonzero(labels == one) for one in np.unique(labels)]
    times = np.empty((draws, images), dtype=np.uint16)
    chosen = [np.empty((draws, count), dtype=int) for count in seeds]
    for draw in range(draws):
        drawn = np.concatenate([own[generator.integers(len(own), size=len(own))] for own in members])
        times[draw] = np.bincount(drawn, minlength=images)
        for own in chosen:
            own[draw] = generator.integers(own.shape[1], size=own.shape[1])
    return times, chosen
