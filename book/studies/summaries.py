"""What a study's runs say together: one row for each variant, and differences with both kinds of intervals. No torch.

Tables and figures of a chapter are made from these rows and from nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from book.studies import cache, intervals, results
from book.studies.evidence import families
from book.studies.evidence.families import Comparison
from book.studies.intervals import Interval, Sample
from drn_lib import costs, geometry
from drn_lib.architecture import Architecture, architecture, scale_width
from drn_lib.names import display_name

TRAINING_LOSS = "curve.train_loss"
"""As a key: the training loss of the last epoch, which stands in a run's curve and not among its metrics."""


@dataclass(frozen=True)
class Summary:
    """One variant of a study.

    n               seeds that were trained
    metrics         of each metric asked for its `mean`; metrics that no run has are left out
    parameters      learned numbers
    multiply_adds   of one image, at the size it is trained at
    live_fraction   fraction of the taps in level 6, the most dilated level, that read the map and not its padding
    """

    variant: str
    n: int
    metrics: dict[str, Interval]
    parameters: int
    multiply_adds: int
    live_fraction: float

    @property
    def name(self) -> str:
        """As printed."""
        return display_name(self.variant)


def summarize(study: str, keys: Sequence[str], names: Sequence[str] | None = None, root: Path | None = None):
    """One `Summary` for each variant of a study that has a run, in the book's order or in that of `names`.

    Args:
        study: a folder under `data/results/`.
        keys: metrics, for example "final.test.top1" (top-1 error, percent), or `TRAINING_LOSS`.
        names: only these variants; those that were not measured yet are left out.
        root: another folder of results than `data/results/`.
    """
    found = results.variants(study, root)
    rows = []
    for name in [name for name in (found if names is None else names) if name in found]:
        runs = results.runs(study, name, root)
        recipe, classes = runs[0].recipe, len(runs[0].dataset["classes"])
        table = scale_width(architecture(runs[0].architecture, runs[0].dilation_rule), recipe["width"])
        size = recipe.get("image_size") or recipe["crop"]
        means = {key: mean(study, name, key, root) for key in keys}
        rows.append(
            Summary(
                variant=name,
                n=len(runs),
                metrics={key: found for key, found in means.items() if found is not None},
                parameters=costs.parameters(table, classes),
                multiply_adds=costs.multiply_adds(table, size, classes),
                live_fraction=live_fraction(table, size),
            )
        )
    return rows


def values(study: str, name: str, key: str, root: Path | None = None) -> Sample:
    """As `results.metric`; `TRAINING_LOSS` is a key too."""
    if key != TRAINING_LOSS:
        return results.metric(study, name, key, root)
    found = [(run.seed, run.curve[-1]["train_loss"]) for run in results.runs(study, name, root) if run.curve]
    return Sample(tuple(seed for seed, _ in found), tuple(float(loss) for _, loss in found))


def mean(study: str, name: str, key: str, root: Path | None = None) -> Interval | None:
    """The mean of a metric over seeds: by redrawing seeds and images where their outcomes are stored, else over seeds.

    Args:
        study: a folder under `data/results/`.
        name: of a network or variant.
        key: the metric, or `TRAINING_LOSS`.
        root: another folder of results than `data/results/`.

    Returns:
        None where no run has the metric.
    """
    sample = values(study, name, key, root)
    images = results.outcomes_of(study, name, key, root) if sample.n > 1 else None
    if images is None:
        return intervals.student_t(sample) if sample.n else None
    # A mean is the difference to a network that makes no error. Its score is the same whatever images are drawn.
    counts, options = images
    flawless = np.zeros_like(counts[:1])
    if counts.ndim == 4:  # confusion matrices
        classes = np.arange(counts.shape[-1])
        flawless[..., classes, classes] = 1
    best = float(options["statistic"](flawless.mean(axis=1)).mean())
    found = cache.bootstrap_difference(counts, flawless, **options)
    return replace(found, estimate=sample.mean, low=found.low + best, high=found.high + best, n=sample.n, p=math.nan)


def compare(study: str, pairs: Sequence[tuple[str, str]], key: str, root: Path | None = None) -> list[Comparison]:
    """Left minus right for each pair of which both sides were measured, with Holm's p of its family.

    Args:
        study: a folder under `data/results/`.
        pairs: (left, right), names of variants.
        key: the metric.
        root: another folder of results than `data/results/`.
    """

    def measure(pair: tuple[str, str]) -> Interval | None:
        return results.difference(study, *pair, key, root=root)

    adjusted, rows = families.p_values(study, pairs, measure), []
    for pair in pairs:
        if (found := measure(pair)) is not None:
            over_seeds = results.difference_over_seeds(study, *pair, key, root=root)
            p = math.nan if math.isnan(found.p) else adjusted[pair]  # one seed has no p
            rows.append(Comparison(*pair, found, over_seeds, p))
    return rows


def live_fraction(table: Architecture, image_size: int) -> float:
    """Fraction of the taps of level 6's 3x3 kernels that read the map and not its padding, averaged over convolutions.

    They differ: the first ones are less dilated than the last, by which rule decides.
    """
    rows = geometry.table(table, image_size).rows
    fractions = [row.live_taps for row in rows if row.name.startswith("levels.6.") and row.layer.kernel in (3, (3, 3))]
    return sum(fractions) / len(fractions)
