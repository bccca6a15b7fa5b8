"""The reproduction in one table: what the paper says, what we measured, what follows, and on what scale."""

from __future__ import annotations

from dataclasses import dataclass

from book.numbers.tables.common import interval_cell
from book.numbers.text import NOT_MEASURED
from book.studies import metrics, paper, results, summaries
from book.studies.evidence import repeat
from book.studies.evidence.grid import contrasts
from book.studies.evidence.replication import grid_scale, scale
from book.studies.intervals import Interval

TOP1 = "final.test.top1"


@dataclass(frozen=True)
class Row:
    """One comparison.

    question  as a reader would ask it
    study     whose runs answer it
    sides     left and right, networks of the study; the difference is left - right
    key       the metric; of a grid contrast its map, "score_map"
    claim     "less" or "greater", what a "yes" would need
    printed   the paper's two cells of Table 1 that say the same, None where it has no number
    period    of a grid contrast, in cells
    """

    question: str
    study: str
    sides: tuple[str, str]
    key: str
    claim: str
    printed: tuple[str, str] | None = None
    period: int | None = None


ROWS = (
    Row(
        "Does DRN-A make fewer errors than ResNet, with the same parameters?",
        "classification",
        ("drn_a_18", "resnet_18"),
        TOP1,
        "less",
        ("DRN-A-18", "ResNet-18"),
    ),
    Row(
        "... than a ResNet on larger images, with the same multiply-adds?",
        "classification",
        ("drn_a_18", "resnet_18_large"),
        TOP1,
        "less",
    ),
    Row(
        "Does DRN-B make fewer errors than DRN-A?",
        "classification",
        ("drn_b_26", "drn_a_18"),
        TOP1,
        "less",
        ("DRN-B-26", "DRN-A-18"),
    ),
    Row(
        "Does DRN-C make fewer errors than DRN-B?",
        "classification",
        ("drn_c_26", "drn_b_26"),
        TOP1,
        "less",
        ("DRN-C-26", "DRN-B-26"),
    ),
    Row(
        "Does DRN-C have less of a grid in its map than DRN-B?",
        "classification",
        ("drn_c_26", "drn_b_26"),
        "score_map",
        "less",
        period=4,
    ),
    Row(
        "Does DRN-A miss objects in clutter less often than ResNet?",
        "classification",
        ("drn_a_18", "resnet_18"),
        "clutter.pointing_error_off_middle",
        "less",
    ),
    Row(
        "Does it help to dilate a trained ResNet before training it on streets?",
        "segmentation",
        ("resnet_18_dilated", "resnet_18"),
        "final.test.miou_present",
        "greater",
    ),
    Row(
        "Does it help further if the weights were learned with dilation?",
        "segmentation",
        ("drn_a_18", "resnet_18_dilated"),
        "final.test.miou_present",
        "greater",
    ),
    Row(
        "Does DRN-C leave fewer specks in a mask than DRN-A?",
        "segmentation",
        ("drn_c_26", "drn_a_18"),
        "final.test.specks",
        "less",
    ),
)
ANSWERS = {"supported": "yes", "contradicted": "no", "not resolved": "we cannot tell"}


def reproduction() -> str:
    """One row for each question: the paper's difference, ours with its interval, the answer, and how it was found."""
    lines = []
    for row in ROWS:
        found = _measured(row)
        if found is None:
            lines.append([row.question, "–", NOT_MEASURED, "–", "–"])
            continue
        difference, judged, counts = found
        ours = interval_cell(difference, ".3f" if row.period else metrics.style(row.key), "+")
        said, _, doubt = judged.partition(" (")
        answer = f"**{ANSWERS[said]}**" + (f" ({doubt}" if doubt else "")
        trainings = f"{counts[0]} trainings a side" if counts[0] == counts[1] else f"{' and '.join(counts)} trainings"
        lines.append([row.question, _paper(row), ours, answer, f"{_scale(row)}, {trainings}"])
    return results.markdown_table(["question", "the paper", "ours, difference", "answer", "scale of evidence"], lines)


def _measured(row: Row) -> tuple[Interval, str, list[str]] | None:
    """The difference, its verdict as printed, and the trainings of each side; None where a side was not measured."""
    if row.period:
        sides = [(side, row.key) for side in row.sides]
        counts = [str(len(contrasts.seeds(side))) for side in row.sides]
        return contrasts.difference(*sides, row.period), contrasts.judged(*sides, row.period, row.claim), counts
    found = summaries.compare(row.study, [row.sides], row.key)
    if not found:
        return None
    counts = [str(results.metric(row.study, side, row.key).n) for side in row.sides]
    return found[0].difference, found[0].judged(row.claim), counts


def _scale(row: Row) -> str:
    if not row.period:
        return scale(row.study, *row.sides, row.key)
    left, right = ((side, row.key) for side in row.sides)
    return grid_scale(left, right, row.period)


def _paper(row: Row) -> str:
    if row.printed is None:
        return "–"
    table = paper.paper_table("table1_classification")
    left, right = (float(table[name]["top1_err_1crop_pct"]) for name in row.printed)
    return metrics.signed(left - right, "+.1f")


def smallest_result() -> str:
    """The errors of ResNet-18's trainings on the validation images, and where one more is expected."""
    found = repeat.expected()
    span = f"{min(found.values):.1f} to {max(found.values):.1f}"
    header = ["trainings", "mean error, %", "least and largest", "95 % interval for one more training, %"]
    cells = [str(len(found.values)), f"{found.mean:.1f}", span, f"{found.low:.1f} and {found.high:.1f}"]
    return results.markdown_table(header, [cells])


TABLES = {"reproduction": reproduction, "smallest-result": smallest_result}
