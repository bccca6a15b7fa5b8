"""What was predicted of networks that were only read, beside what came out: the grid measure, an ImageNet network."""

from __future__ import annotations

from book.numbers.tables import lite0 as names
from book.numbers.tables.common import interval_cell, p_text
from book.numbers.text import NOT_MEASURED
from book.studies import results
from book.studies.evidence import lite0
from book.studies.evidence.grid import contrasts, predictions, spectrum
from book.studies.intervals import Interval
from book.studies.metrics import interval_text, signed
from drn_lib.names import display_name

SIGNS = {"less": "< 0", "greater": "> 0"}
UNSTATED = "not stated"
SHOWN = ("drn_a_18", "drn_b_26", "drn_c_26")
"""The networks whose score maps claim C8 compares."""
STATEMENTS = {
    "exact": ("difference to the map as trained at the shared cells, largest, *exact*", "below 10⁻¹²"),
    "fits": ("photographs with a fitting class: *levels* − as trained", SIGNS["less"]),
    "lattice": ("lattice energy of the score map: more under *levels* than under *exact*", "on every photograph"),
}
"""How the predictions about photographs are told, and what was predicted."""
OUTCOMES = {
    **names.PROBED,
    "pixel_ap": "pixel average precision, %",
    "thin_beside_present": "thin classes minus mean IoU, %",
}


def grid() -> str:
    """Every prediction of a grid contrast: on the seeds it was made for, and with the seed that chose the formula."""
    lines = []
    for tested, every in zip(predictions.tested(), predictions.on_all_seeds(), strict=True):
        one = tested.prediction
        found = interval_cell(tested.difference, ".3f", "+"), interval_text(tested.over_seeds, ".3f"), tested.verdict
        also = interval_cell(every.difference, ".3f", "+"), every.verdict
        period = "" if one.period == 4 else f", period {one.period}"
        lines.append([_maps(one.left, one.right) + period, *found, *also])
    header = ["difference, predicted > 0", "seeds 1 and 2", "over these seeds only", "verdict"]
    return results.markdown_table([*header, "with seed 0 too", "verdict"], lines)


def grid_maps() -> str:
    """The score maps that C8 compares: the measure that was taken, and the one that the rule might have chosen."""
    lines = []
    for name in SHOWN:
        both = predictions.TESTED_ON, contrasts.seeds(name)
        taken = (interval_cell(contrasts.contrast(name, "score_map", 4, of=seeds), ".3f") for seeds in both)
        other = (signed(spectrum.mean(name, "score_map", 4, seeds), ".3f") for seeds in both)
        lines.append([display_name(name), *taken, *other])
    header = ["score map of", "grid contrast, seeds 1 and 2", "with seed 0 too"]
    return results.markdown_table([*header, "other candidate, seeds 1 and 2", "with seed 0 too"], lines)


def _maps(left: tuple[str, str], right: tuple[str, str]) -> str:
    sides = [f"{display_name(network)}, {level.replace('_', ' ')}" for network, level in (left, right)]
    return f"{sides[0]} − {right[1].replace('_', ' ') if left[0] == right[0] else sides[1]}"


def imagenet() -> str:
    """Every prediction about the real ImageNet network."""
    found = lite0.rows()
    if not found:
        return f"*A real ImageNet network: {NOT_MEASURED}.*"
    header = ["prediction", "predicted", "measured", "over", "smallest", "p (Holm)", "verdict"]
    return results.markdown_table(header, [_cells(row) for row in found])


def _cells(row: lite0.Row) -> list[str]:
    if row.what in STATEMENTS:
        told, predicted = STATEMENTS[row.what]
    else:
        left, right = (names.NAMES[side] for side in row.sides)
        told, predicted = f"{OUTCOMES[row.what]}: {left} − {right}", SIGNS[row.predicted]
    smallest = f"{lite0.SMALLEST[row.what]:g}" if row.what in lite0.SMALLEST else UNSTATED
    p = "–" if row.p_adjusted is None else p_text(row.p_adjusted)
    return [told, predicted, _measured(row), _over(row.difference, row.over_seeds), smallest, p, row.verdict]


def _measured(row: lite0.Row) -> str:
    if row.what == "exact":
        factor, _, power = row.said.partition("e-")
        return f"{factor}\u00a0×\u00a010⁻{''.join('⁰¹²³⁴⁵⁶⁷⁸⁹'[int(digit)] for digit in power.lstrip('0'))}"
    if row.said:
        return row.said
    return interval_cell(row.difference, ".1f", "+")


def _over(difference: Interval | None, over_seeds: Interval | None) -> str:
    if difference is None:
        return "–"
    return f"{difference.n} {'photographs' if over_seeds is None else 'probes'}"


TABLES = {"planned-grid_measure": grid, "planned-grid_measure-maps": grid_maps, "planned-lite0": imagenet}
