"""Tables of the real ImageNet network under its readings: all of it from data/results/lite0_*.json."""

from __future__ import annotations

from statistics import fmean

from book.numbers.tables.common import p_text
from book.numbers.text import NOT_MEASURED
from book.studies import results
from book.studies.imagenet.readings import stored
from book.studies.intervals import Interval
from book.studies.metrics import interval_text, signed

NAMES = {
    "as_trained": "as trained",
    "exact_16": "*exact*, output stride 16",
    "exact_8": "*exact*, output stride 8",
    "levels_16": "*levels*, output stride 16",
    "levels_8": "*levels*, output stride 8",
    "released_16": "*released*, output stride 16",
    "released_8": "*released*, output stride 8",
}
"""How pages call the readings."""

PROBED = {"miou_present": "mean IoU, %", "miou_thin": "thin classes, %", "specks": "specks an image"}
"""The probe's outcomes and what stands above them."""

PREDICTED = ("pixel_ap", "miou_present")
"""The outcomes for which the plan predicts a sign."""

LEVELS = {"4": "level 4", "5": "level 5", "6": "level 6", "score_map": "score map"}


def photographs() -> str:
    """What becomes of the classes named on nine photographs under each reading."""
    found = stored("photographs")
    if found is None:
        return _missing("nine photographs")
    count, fitting = len(found["photographs"]), found["with_a_fitting_class"]
    rows = []
    for name, row in found["readings"].items():
        apart = "none" if row["difference"] < 1e-12 else f"{100 * row['difference']:.0f}\u00a0%"
        apart = "–" if name == "as_trained" else apart
        cells = f"{row['cells']}\u00a0×\u00a0{row['cells']}"
        rows.append([NAMES[name], cells, apart, str(row["named_as_trained"]), str(row["fits"])])
    header = ["reading", "cells", "difference at the shared cells", f"class as trained, of {count}"]
    return results.markdown_table([*header, f"class fits, of {fitting}"], rows)


def classes() -> str:
    """The class that each reading names on each photograph, with its probability; output stride 8 and as trained."""
    found = stored("photographs")
    if found is None:
        return _missing("nine photographs")
    shown = [name for name in found["readings"] if not name.endswith("_16")]
    rows = []
    for index, photograph in enumerate(found["photographs"]):
        own = [found["readings"][name] for name in shown]
        named = [f"{row['classes'][index]} {row['probability'][index]:.2f}" for row in own]
        rows.append([photograph.replace("_", " "), *named])
    return results.markdown_table(["photograph", *(NAMES[name].split(",")[0] for name in shown)], rows)


def grid() -> str:
    """Lattice energy and grid contrast at output stride 8, map by map: means, and on how many photographs more."""
    found = stored("photographs")
    if found is None:
        return _missing("nine photographs")
    exact, levels = (found["readings"][name] for name in ("exact_8", "levels_8"))
    rows = []
    for level, title in LEVELS.items():
        cells = [f"{title}, period {2 if level == '5' else 4}"]
        for measure in ("lattice", "contrast"):
            cells += [signed(fmean(own[measure][level]), ".3f") for own in (exact, levels)]
            pairs = zip(exact[measure][level], levels[measure][level], strict=True)
            cells.append("–" if level == "4" else f"{sum(b > a for a, b in pairs)} of {len(found['photographs'])}")
        rows.append(cells)
    header = ["map", "lattice energy: *exact*", "*levels*", "more under *levels*"]
    return results.markdown_table([*header, "grid contrast: *exact*", "*levels*", "more under *levels*"], rows)


def pets() -> str:
    """Localization of cats and dogs under each reading."""
    found = stored("pets")
    if found is None:
        return _missing("localization with it")
    rows = []
    for name, row in found["readings"].items():
        boxes = [signed(row[f"box_{level}"], ".1f") for level in (30, 50, 70)]
        scores = [signed(row[key], ".1f") for key in ("pixel_ap", "pointing", "kind")]
        rows.append([NAMES[name], f"{row['cells']}\u00a0×\u00a0{row['cells']}", scores[0], *boxes, *scores[1:]])
    boxes = [f"boxes at IoU {level}" for level in (0.3, 0.5, 0.7)]
    header = ["in %", "cells", "pixel average precision", *boxes, "pointing", "cat or dog named rightly"]
    return results.markdown_table(header, rows)


def pets_differences() -> str:
    """The planned differences of pixel average precision."""
    return _differences("pets", {"pixel_ap": "pixel average precision, %"})


def probe() -> str:
    """The linear probe on streets under each reading, means over its trainings."""
    found = stored("probe")
    if found is None:
        return _missing("the probe on its maps")
    rows = []
    for name, row in found["readings"].items():
        scores = [signed(fmean(row[key]), ".1f") for key in PROBED]
        rows.append([NAMES[name], str(len(row["miou_present"])), *scores])
    return results.markdown_table(["reading", "trainings", *PROBED.values()], rows)


def probe_differences() -> str:
    """The planned differences of mean IoU, thin classes and specks."""
    return _differences("probe", PROBED)


def _differences(part: str, outcomes: dict[str, str]) -> str:
    found = stored(part)
    if found is None:
        return _missing("these differences")
    rows = []
    for key, title in outcomes.items():
        for pair, row in found[key].items():
            left, right = (NAMES[name] for name in pair.split(" - "))
            interval = interval_text(Interval(row["estimate"], row["low"], row["high"], 1, "over photographs"))
            predicted = {"+": "more", "-": "less"}[row["predicted"]] if key in PREDICTED else "–"
            cells = [signed(row["estimate"], "+.1f"), interval, p_text(row["p_holm"]), predicted]
            rows.append([f"{title}: {left} − {right}", *cells])
    return results.markdown_table(["difference", "ours", "95 % interval", "p (Holm)", "predicted"], rows)


def _missing(what: str) -> str:
    return f"*A real ImageNet network, {what}: {NOT_MEASURED}.*"


TABLES = {
    "lite0-photographs": photographs,
    "lite0-classes": classes,
    "lite0-grid": grid,
    "lite0-pets": pets,
    "lite0-pets-differences": pets_differences,
    "lite0-probe": probe,
    "lite0-probe-differences": probe_differences,
}
"""By their names in the pages' comments."""
