"""Do trainings by the fast engine agree with plain ones? The two predictions of data/studies/engines.yml. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from book.studies import results

STUDY, PLAIN = "engines", "classification"
POINTS = 3.0
"""How far the top-1 error may lie from the mean of the plain runs."""
EPOCHS = 38
"""The training loss must lie in the widened band in at least this many of the 45 epochs."""


@dataclass(frozen=True)
class Agreement:
    """One network's run by the fast engine beside its plain runs.

    error      top-1 error on the test part, percent
    plain      the mean of the plain runs
    inside     epochs whose training loss lies in the band of the plain runs, widened at both sides by its own width
    epochs     in all
    """

    network: str
    error: float
    plain: float
    inside: int
    epochs: int

    @property
    def holds(self) -> bool:
        """Whether both predictions hold."""
        return abs(self.error - self.plain) <= POINTS and self.inside >= EPOCHS


def agreements(root: Path | None = None) -> list[Agreement]:
    """Each run of `STUDY` beside the plain runs of its network."""
    found = []
    for run in results.runs(STUDY, root=root):
        plain = results.runs(PLAIN, run.variant, root)
        losses = np.array([[epoch["train_loss"] for epoch in other.curve] for other in plain])  # (seeds, epochs)
        low, high = losses.min(axis=0), losses.max(axis=0)
        own = np.array([epoch["train_loss"] for epoch in run.curve])
        inside = (own >= low - (high - low)) & (own <= high + (high - low))
        mean = float(np.mean([other.metrics["final.test.top1"] for other in plain]))
        found.append(Agreement(run.variant, run.metrics["final.test.top1"], mean, int(inside.sum()), len(own)))
    return found
