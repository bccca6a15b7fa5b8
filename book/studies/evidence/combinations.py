"""Weighted sums of the metrics of several networks, also of several studies, with their intervals. No torch.

Two are needed: how much a difference changes, (a - b) - (c - d), and what two folds of classes say together, the mean
of their differences. Networks that were scored on the same images share the redrawn ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy

from book.studies import intervals, results
from book.studies.intervals import Interval, Sample
from book.studies.reading import contrasts


@dataclass(frozen=True)
class Term:
    """So many times the metric of a variant; `network` may name its study, as "heldout/drn_a_18"."""

    weight: float
    network: str


@dataclass(frozen=True)
class Combined:
    """A weighted sum, with its interval over seeds and images where each image has an outcome, else over seeds only."""

    difference: Interval
    over_seeds: Interval


def change(left: str, right: str, other_left: str, other_right: str) -> list[Term]:
    """The terms of (left - right) - (other_left - other_right)."""
    return [Term(1, left), Term(-1, right), Term(-1, other_left), Term(1, other_right)]


def pooled(left: str, right: str, studies: Sequence[str]) -> list[Term]:
    """The terms of the mean over studies of left - right."""
    signs = (1 / len(studies), left), (-1 / len(studies), right)
    return [Term(weight, f"{study}/{name}") for study in studies for weight, name in signs]


def combine(study: str, terms: Sequence[Term], key: str, root: Path | None = None) -> Combined | None:
    """The weighted sum of a metric; None where a network was not measured yet.

    Args:
        study: of the networks that name none.
        terms: of two networks or more; their weights sum to 0.
        key: the metric.
        root: another folder of results than `data/results/`.

    Raises:
        ValueError: the weights do not sum to 0, or networks that saw the same images were computed by two engines.
    """
    if abs(sum(term.weight for term in terms)) > 1e-9:
        raise ValueError(f"the weights {', '.join(f'{term.weight:g}' for term in terms)} do not sum to 0")
    terms = _merged(study, terms)
    samples = [results.metric(study, term.network, key, root) for term in terms]
    if not all(sample.n for sample in samples):
        return None
    weights = [term.weight for term in terms]
    over_seeds = _over_seeds(weights, samples)
    outcomes = [results.outcomes_of(study, term.network, key, root) for term in terms]
    if min(sample.n for sample in samples) < 2 or any(outcome is None for outcome in outcomes):
        return Combined(over_seeds, over_seeds)
    groups: dict[object, list[int]] = {}
    for place, term in enumerate(terms):
        groups.setdefault(_images(study, term.network, key, root), []).append(place)
    total: np.ndarray | float = 0.0
    for seed, places in enumerate(groups.values()):
        for place in places:
            results.require_one_engine(study, terms[places[0]].network, terms[place].network, root)
        options = outcomes[places[0]][1]
        redrawn = intervals.redraw([outcomes[place][0] for place in places], 4000, seed, **options)
        total = total + sum(weights[place] * scores for place, scores in zip(places, redrawn, strict=True))
    return Combined(intervals.of_redrawn(over_seeds.estimate, total, over_seeds.n), over_seeds)


def _merged(study: str, terms: Sequence[Term]) -> list[Term]:
    """Join the terms of one network, by its study and name; a network whose weights cancel is left out."""
    weights: dict[str, float] = {}
    for term in terms:
        name = "/".join(contrasts.split(study, term.network))
        weights[name] = weights.get(name, 0.0) + term.weight
    return [Term(weight, name) for name, weight in weights.items() if weight]


def _over_seeds(weights: Sequence[float], samples: Sequence[Sample], level: float = 0.95) -> Interval:
    """Student's t interval of a weighted sum of means, with unequal spreads (Welch and Satterthwaite)."""
    estimate = sum(weight * sample.mean for weight, sample in zip(weights, samples, strict=True))
    n, method = min(sample.n for sample in samples), "Student's t over seeds"
    if n < 2:
        return Interval(estimate, math.nan, math.nan, n, method)
    parts = [(weight * sample.std) ** 2 / sample.n for weight, sample in zip(weights, samples, strict=True)]
    if (variance := sum(parts)) == 0:
        return Interval(estimate, estimate, estimate, n, method, float(estimate == 0))
    degrees = variance**2 / sum(part**2 / (sample.n - 1) for part, sample in zip(parts, samples, strict=True))
    error = math.sqrt(variance)
    half = float(scipy.stats.t.ppf(0.5 + level / 2, degrees)) * error
    p = 2 * float(scipy.stats.t.sf(abs(estimate) / error, degrees))
    return Interval(estimate, estimate - half, estimate + half, n, method, p)


def _images(study: str, network: str, key: str, root: Path | None) -> object:
    """What identifies the images that a metric was scored on: their hash, or the study where no hash is stored."""
    hashes = results.runs(study, network, root)[0].dataset.get("sha256")
    found = hashes.get("clutter" if key.startswith("clutter.") else "test") if isinstance(hashes, dict) else hashes
    return found or contrasts.split(study, network)[0]
