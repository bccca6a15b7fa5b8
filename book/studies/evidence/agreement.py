"""Do trainings by the fast engine agree with plain ones? The two predictions of data/studies/engines.yml. No torch.

`python -m book.studies.evidence.agreement` prints a line for each network whose run is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from book.studies import results
from drn_lib.names import display_name

STUDY, PLAIN = "engines", "classification"
POINTS = 3.0
"""How far the top-1 error may lie from the mean of the plain runs."""
EPOCHS = 38
"""In so many of the 45 epochs at least the training loss lies in the widened band."""


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


if __name__ == "__main__":
    for row in agreements():
        said = "as predicted" if row.holds else "AGAINST the prediction"
        print(
            f"{display_name(row.network):10} error {row.error:.1f}, plain {row.plain:.1f}; "
            f"{row.inside} of {row.epochs} epochs in the band: {said}"
        )
