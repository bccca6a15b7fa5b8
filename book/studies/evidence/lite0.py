"""What was predicted of a real ImageNet network read densely, beside what came out: measurements/lite0.yml. No torch.

The plan names a sign for six differences, the primary ones, and says five more things. Chance lies in the photographs
or frames, and for the probe also in its trainings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from book.studies import files, intervals
from book.studies.evidence.planned import has_other_sign, on_prediction
from book.studies.imagenet import readings
from book.studies.intervals import Interval, Sample
from drn_lib.datasets.synthetic.world import CLASSES
from drn_lib.segmentation.metrics import outcome

STUDY = "lite0"
SIGNS = {"+": "greater", "-": "less"}
SMALLEST = {"pixel_ap": 1.3, "miou_present": 1.4}
"""What the plan says that it can show in four studies of five, in points; of nothing else does it say so."""


@dataclass(frozen=True)
class Row:
    """One prediction and what came of it.

    what        the outcome: "pixel_ap", "miou_present", "specks", "thin_beside_present", "fits", "exact" or "lattice"
    sides       two readings, left and right
    predicted   "less" or "greater" than nothing; None where a statement is exact, true or false of what was measured
    difference  left minus right with its interval; None for an exact statement
    over_seeds  Student's t interval over the probe's trainings; None where nothing was trained
    p_adjusted  Holm's p over the differences of the same outcome that the plan compares; None where it stands alone
    said        of a count or an exact statement, what was found
    true        of an exact statement, whether it is
    """

    what: str
    sides: tuple[str, str]
    predicted: str | None
    difference: Interval | None = None
    over_seeds: Interval | None = None
    p_adjusted: float | None = None
    said: str = ""
    true: bool = True

    @property
    def verdict(self) -> str:
        """As `planned.Row` has it."""
        if self.difference is None or self.predicted is None:
            return on_prediction("supported" if self.true else "contradicted")
        over_seeds = self.over_seeds or self.difference  # without trainings nothing is provisional
        return on_prediction(intervals.printed_verdict(self.difference, over_seeds, self.predicted, self.p_adjusted))

    @property
    def other_sign(self) -> bool:
        """Whether it came out the other way, resolved or not."""
        if self.difference is None:
            return not self.true
        return has_other_sign(self.difference, self.predicted)


def rows() -> list[Row]:
    """Every prediction of the plan, in its order; of what was not measured yet none."""
    return [*_photographs(), *_pets(), *_probe()]


def _photographs() -> list[Row]:
    found = readings.stored("photographs")
    if found is None:
        return []
    of = found["readings"]
    apart = max(row["difference"] for name, row in of.items() if name.startswith("exact"))
    wanted = list(readings.plan()["photographs"].values())
    named = [place for place, names in enumerate(wanted) if names]
    fits = {
        name: np.array([[of[name]["classes"][place] in wanted[place] for place in named]], float)
        for name in ("levels_8", "as_trained")
    }
    counts = [f"{int(fits[name].sum())} of {len(named)}" for name in fits]
    fewer = replace(intervals.bootstrap_difference(*fits.values(), paired=True), n=len(named))
    pairs = list(zip(*(of[name]["lattice"]["score_map"] for name in ("levels_8", "exact_8")), strict=True))
    more = sum(left > right for left, right in pairs)
    return [
        Row("exact", ("exact_8", "as_trained"), None, said=f"{apart:.0e}", true=apart < 1e-12),
        Row("fits", ("levels_8", "as_trained"), "less", fewer, said=" and ".join(counts)),
        Row("lattice", ("levels_8", "exact_8"), None, said=f"{more} of {len(pairs)}", true=more == len(pairs)),
    ]


def _pets() -> list[Row]:
    found = readings.stored("pets")
    return [] if found is None else _compared("pixel_ap", found, found["counts"]["test"])


def _probe() -> list[Row]:
    found = readings.stored("probe")
    if found is None:
        return []
    levels, exact = "levels_8", "exact_8"
    specks = found["specks"][f"{levels} - {exact}"]
    return [
        *_compared("miou_present", found),
        _thin_beside_present((exact, "as_trained"), str(files.results_dir() / "lite0_probe.npz")),
        _difference("specks", (levels, exact), {**specks, "predicted": "+"}, found),
    ]


def _compared(what: str, found: dict, images: int | None = None) -> list[Row]:
    """The plan's primary differences in one outcome, as they are stored; over images where nothing was trained."""
    return [_difference(what, tuple(pair.split(" - ")), row, found, images) for pair, row in found[what].items()]


def _difference(what: str, sides: tuple[str, str], row: dict, found: dict, images: int | None = None) -> Row:
    difference, over_seeds = Interval(row["estimate"], row["low"], row["high"], images or 0, "stored"), None
    if images is None:
        trained = [found["readings"][side][what] for side in sides]
        samples = [Sample(tuple(range(len(values))), tuple(values)) for values in trained]
        over_seeds = intervals.student_t_difference(*samples, paired=True)
        difference = replace(difference, n=over_seeds.n)
    return Row(what, sides, SIGNS[row["predicted"]], difference, over_seeds, row["p_holm"])


@lru_cache(maxsize=1)  # two seconds
def _thin_beside_present(sides: tuple[str, str], file: str) -> Row:
    """By how much more thin classes rise than the mean over all, redrawing frames and seeds."""
    (_, thin), (_, present) = (outcome(name, CLASSES) for name in ("miou_thin", "miou_present"))

    def more(confusion: np.ndarray) -> np.ndarray:
        return thin(confusion) - present(confusion)

    with np.load(file, allow_pickle=False) as stored:
        drives = stored["sequence"]
        counts = [stored[f"{side}.confusion"].astype(float) for side in sides]  # (seeds, frames, 19, 19)
    found = intervals.bootstrap_difference(*counts, statistic=more, groups=drives, paired=True)
    samples = [Sample(tuple(range(len(own))), tuple(map(float, more(own.mean(axis=1))))) for own in counts]
    over_seeds = intervals.student_t_difference(*samples, paired=True)
    return Row("thin_beside_present", sides, "greater", found, over_seeds, found.p)
