"""The reproduction in one table: what the paper says, what we measured, what follows, and on what scale."""

from __future__ import annotations

from dataclasses import dataclass

from book.numbers.tables.common import interval_cell
from book.numbers.text import NOT_MEASURED
from book.studies import intervals, metrics, paper, results
from book.studies.evidence import repeat

TOP1 = "final.test.top1"
ONCE = "reduced, once"


@dataclass(frozen=True)
class Row:
    """One comparison.

    question  as a reader would ask it
    study     whose runs answer it
    sides     left and right, networks of the study; the difference is left - right
    key       the metric
    claim     "less" or "greater", what a "yes" would need
    printed   the paper's two cells of Table 1 that say the same, None where it has no number
    """

    question: str
    study: str
    sides: tuple[str, str]
    key: str
    claim: str
    printed: tuple[str, str] | None = None


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
        "lattice_energy.score_map",
        "less",
    ),
    Row(
        "Does DRN-A point at objects in clutter more often than ResNet?",
        "classification",
        ("drn_a_18", "resnet_18"),
        "clutter.pointing_error_off_middle",
        "less",
    ),
    Row(
        "Does a ResNet that is dilated after its training segment streets better?",
        "segmentation",
        ("resnet_18_dilated", "resnet_18"),
        "final.test.miou_present",
        "greater",
    ),
    Row(
        "Does it help further to have learned the weights with dilation?",
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
    table, lines = paper.paper_table("table1_classification"), []
    for row in ROWS:
        found = results.difference(row.study, *row.sides, row.key)
        if found is None:
            lines.append([row.question, "–", NOT_MEASURED, "–", "–"])
            continue
        printed = "–"
        if row.printed:
            left, right = (float(table[name]["top1_err_1crop_pct"]) for name in row.printed)
            printed = metrics.signed(left - right, "+.1f")
        ours = interval_cell(found, metrics.style(row.key), "+")
        answer = ANSWERS[intervals.verdict(found, row.claim)]
        lines.append([row.question, printed, ours, f"**{answer}**", f"{ONCE}, {found.n} trainings a side"])
    return results.markdown_table(["question", "the paper", "ours, difference", "answer", "scale of evidence"], lines)


def smallest_result() -> str:
    """The errors of ResNet-18's trainings on the validation images, and where one more is expected."""
    found = repeat.expected()
    span = f"{min(found.values):.1f} to {max(found.values):.1f}"
    header = ["trainings", "mean error, %", "least and largest", "one more lands, in 95 of 100 cases, between"]
    cells = [str(len(found.values)), f"{found.mean:.1f}", span, f"{found.low:.1f} and {found.high:.1f}"]
    return results.markdown_table(header, [cells])


TABLES = {"reproduction": reproduction, "smallest-result": smallest_result}
