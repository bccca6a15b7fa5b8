"""Test error against training loss, over networks and lengths of training: does one line hold? No torch.

An exploration: at equal training loss DRN-B and DRN-C differ less than at equal length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from book.studies import results
from drn_lib.architecture import architecture

OUTPUT_STRIDE, IMAGE_SIZE = 8, 64
"""Networks of other maps or larger images lie on other lines, and are left out."""


@dataclass(frozen=True)
class Point:
    """The means over the seeds of a variant: training loss (nats) of the last epoch, top-1 error on the test part."""

    study: str
    variant: str
    epochs: int
    seeds: int
    train_loss: float
    error: float


@dataclass(frozen=True)
class Line:
    """error = intercept + slope train_loss by least squares, how well it holds, and how far points lie from it."""

    slope: float
    intercept: float
    correlation: float
    residual_std: float


def points(studies: Sequence[str], root: Path | None = None) -> list[Point]:
    """One point for each variant of the studies that maps 64 px at output stride 8 and was measured."""
    found = []
    for study in studies:
        for variant in results.variants(study, root):
            runs = results.runs(study, variant, root)
            table = architecture(runs[0].architecture, runs[0].dilation_rule)
            recipe = runs[0].recipe
            if table.output_stride != OUTPUT_STRIDE or recipe["image_size"] != IMAGE_SIZE:
                continue
            loss = float(np.mean([run.curve[-1]["train_loss"] for run in runs]))
            error = float(np.mean([run.metrics["final.test.top1"] for run in runs]))
            found.append(Point(study, variant, recipe["epochs"], len(runs), loss, error))
    return found


def line(through: Sequence[Point]) -> Line:
    """The line through points; ValueError for fewer than three, or for points of one training loss."""
    losses, errors = (np.array([getattr(point, key) for point in through]) for key in ("train_loss", "error"))
    if len(through) < 3 or np.ptp(losses) == 0:
        raise ValueError(f"a line needs three points of different training loss, not {len(through)}")
    slope, intercept = np.polyfit(losses, errors, 1)
    residuals = errors - intercept - slope * losses
    spread = float(np.sqrt((residuals**2).sum() / (len(through) - 2)))
    correlation = float(np.corrcoef(losses, errors)[0, 1]) if np.ptp(errors) else 0.0
    return Line(float(slope), float(intercept), correlation, spread)
