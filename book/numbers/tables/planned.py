"""What each plan predicted and what was measured: a table for each family of primary contrasts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from book.numbers.tables import readings
from book.numbers.tables.common import interval_cell, p_text
from book.numbers.tables.readings import SIGNS
from book.numbers.text import NOT_MEASURED
from book.studies import metrics, plans, results
from book.studies.evidence import agreement, blur, lite0, planned, replication
from book.studies.evidence.grid import predictions
from book.studies.evidence.planned import Row
from book.studies.metrics import signed
from drn_lib.names import display_name

STUDIES = {
    "blur": "A blur, without training",
    "grid_measure": "The measure of a grid",
    "lite0": "A real ImageNet network",
    "starts": "Another start for the unlinked tail",
    "levels": "One rule of dilation for all",
    "heldout": "Other classes",
    "remedies": "Remedies on one network",
    "length": "Longer training",
    "larger_streets": "Larger frames on streets",
}
"""The studies whose predictions the page shows, with the titles of its sections."""
UNTRAINED = {blur.STUDY: blur.rows, predictions.STUDY: predictions.tested, lite0.STUDY: lite0.rows}
"""Of studies that train nothing, what gives their predictions."""
HEADER = ["difference", "predicted", "measured", "seeds", "smallest", "p (Holm)", "verdict", "excludes"]
OTHER_SIGN = "the other sign"


def score() -> str:
    """How many of each study's predictions were measured, and what came of them."""
    lines, total = [], Counter()
    for study, title in STUDIES.items():
        rows = UNTRAINED[study]() if study in UNTRAINED else planned.rows(study)
        verdicts = Counter(row.verdict.partition(" (")[0] for row in rows)
        verdicts[OTHER_SIGN] = sum(row.other_sign for row in rows)
        total += verdicts
        lines.append([f"[{title}](#{title.lower().replace(',', '').replace(' ', '-')})", *_counts(verdicts)])
    lines.append(["**all**", *(f"**{count}**" for count in _counts(total))])
    header = ["study", "predictions", "measured", "as predicted", "we cannot tell", "against the prediction"]
    return results.markdown_table([*header, OTHER_SIGN], lines)


def _counts(verdicts: Counter) -> list[str]:
    told = [verdicts[name] for name in ("as predicted", "not resolved", "against the prediction")]
    other = verdicts[OTHER_SIGN]
    return [str(count) for count in (verdicts.total() - other, sum(told), *told, other)]


def contrasts(rows: Sequence[Row]) -> str:
    """One line for each contrast of a family; those that are not measured yet keep their prediction.

    Families of which nothing was measured are a list of what is predicted.
    """
    if all(row.measured is None for row in rows):
        head = ["difference", "predicted", "smallest", "would exclude"]
        cells = [[_sides(row), SIGNS[row.contrast.predicted], _smallest(row), row.contrast.excludes] for row in rows]
        return results.markdown_table(head, cells)
    return results.markdown_table(HEADER, [_cells(row) for row in rows])


def _sides(row: Row) -> str:
    names = [display_name(name.rpartition("/")[2]) for name in row.contrast.variants]
    sides = f"{names[0]} − {names[1]}"
    return f"({sides}) − ({names[2]} − {names[3]})" if names[2:] else sides


def _smallest(row: Row) -> str:
    return f"{row.contrast.smallest:g}"


def _cells(row: Row) -> list[str]:
    found = seeds = p = "–"
    if row.measured is not None:
        item = row.measured.difference
        found, seeds = interval_cell(item, metrics.style(row.contrast.outcome), "+"), str(item.n)
        p = p_text(row.p_adjusted)
    verdict = NOT_MEASURED if row.measured is None else row.verdict
    return [_sides(row), SIGNS[row.contrast.predicted], found, seeds, _smallest(row), p, verdict, row.excludes or "–"]


def engines() -> str:
    """Trainings by the fast engine beside plain ones, with the two predictions of their plan."""
    lines = []
    for row in agreement.agreements():
        error, plain = signed(row.error, ".1f"), signed(row.plain, ".1f")
        verdict = "as predicted" if row.holds else "against the prediction"
        lines.append([display_name(row.network), error, plain, f"{row.inside} of {row.epochs}", verdict])
    header = ["network", "top-1 error, fast, %", "mean of plain trainings, %", "epochs in the band", "verdict"]
    return results.markdown_table(header, lines)


def pooled() -> str:
    """Contrasts on the first classes, on the classes that no choice had seen, and on both together."""
    lines = []
    for row in replication.pooled():
        key, sides = row.contrast.outcome, (row.contrast.left, row.contrast.right)
        cells = [interval_cell(one, metrics.style(key), "+") for one in (row.first, row.again, row.both)]
        lines.append([" − ".join(map(display_name, sides)), metrics.label(key), *cells])
    return results.markdown_table(["difference", "outcome", "first classes", "other classes", "both"], lines)


def family(study: str, name: str) -> str:
    """The table of one family of a plan."""
    return contrasts([row for row in planned.rows(study) if row.family == name])


def _tables() -> dict:
    found = {"planned-blur-boxes": partial(_blur, "clutter.gt_known_50")}
    found["planned-blur-pointing"] = partial(_blur, "clutter.pointing_error_off_middle")
    found |= {"planned-score": score, "planned-engines": engines, "planned-pooled": pooled, **readings.TABLES}
    for study in STUDIES:
        plan = plans.find_plan(study)
        found |= {f"planned-{study}-{name}": partial(family, study, name) for name in (plan.families if plan else ())}
    return found


def _blur(outcome: str) -> str:
    return contrasts([row for row in blur.rows() if row.contrast.outcome == outcome])


TABLES = _tables()
