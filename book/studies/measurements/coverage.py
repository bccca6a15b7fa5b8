"""How often the book's 95 % interval holds the truth: the bootstrap tried on invented studies whose truth is known.

`python -m book.studies.measurements.coverage` simulates them and writes data/results/coverage.json; minutes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from book.studies import files
from book.studies.intervals import bootstrap_difference

IMAGES = 3000
"""Of the test part of Tiny-ImageNet-20."""
SEEDS = (2, 3, 5)
"""Trainings of each of the two networks."""
STUDIES, DRAWS = 500, 1000

# An image counts as an error with the probability Phi(level + seed + image + the network's own view of the image). The
# last three are drawn from normal distributions of the deviations below, which were set so that invented studies look
# like those of `classification`: errors of 38 and 35 %, seeds that deviate by 0.9 points, two trainings of one network
# that agree on 83 of 100 images, and two of different networks that agree on 80.
LEVELS = (-0.755, -0.94)
SEED, IMAGE, VIEW = 0.05, 2.2, 0.5


def truth() -> float:
    """The difference of the two networks' errors over all seeds and images, in points."""
    spread = (1 + SEED**2 + IMAGE**2 + VIEW**2) ** 0.5
    left, right = (100 * norm.cdf(level / spread) for level in LEVELS)
    return left - right


def invented(seeds: int, images: int, random: np.random.Generator) -> list[np.ndarray]:
    """One study: for each of the two networks what each image counts, (seeds, images)."""
    hard = IMAGE * random.normal(size=images)
    sides = []
    for level in LEVELS:
        own = VIEW * random.normal(size=images)
        probability = norm.cdf(level + SEED * random.normal(size=(seeds, 1)) + hard + own)
        sides.append((random.random(probability.shape) < probability).astype(float))
    return sides


def coverage(seeds: int, studies: int = STUDIES, images: int = IMAGES, draws: int = DRAWS) -> dict[str, float]:
    """Of so many studies, the percent whose interval holds the truth, and the mean width of the intervals in points."""
    random, held, widths, wanted = np.random.default_rng(seeds), 0, [], truth()
    for number in range(studies):
        found = bootstrap_difference(*invented(seeds, images, random), draws=draws, seed=number)
        held += found.low <= wanted <= found.high
        widths.append(found.high - found.low)
    return {"held": 100 * held / studies, "width": float(np.mean(widths))}


def measure(seeds: Sequence[int] = SEEDS, studies: int = STUDIES) -> dict:
    """The document of data/results/coverage.json."""
    found = {str(count): coverage(count, studies) for count in seeds}
    return {"studies": studies, "images": IMAGES, "truth": truth(), "seeds": found}


if __name__ == "__main__":
    files.write_json(files.results_dir() / "coverage.json", measure())
