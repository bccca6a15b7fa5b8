"""Tables of segmentation that no general key makes: by drive, class by class beside Table 3, and memory."""

from __future__ import annotations

import json

from book.numbers.tables.common import interval_cell
from book.numbers.text import NOT_MEASURED
from book.studies import files, intervals, paper, results, summaries
from book.studies.metrics import interval_text, signed
from drn_lib.datasets.synthetic.world import CLASSES
from drn_lib.names import display_name

STUDY = "segmentation"
LEFT, RIGHT = "drn_c_26", "drn_a_18"
"""Our two beside the paper's DRN-C-26 and DRN-A-50, class by class."""

PRIMARY = (("resnet_18_dilated", "resnet_18"), ("drn_a_18", "resnet_18_dilated"), ("drn_c_26", "drn_a_18"))

SCORE = "final.test.{}miou_present"


def by_drive() -> str:
    """Mean IoU of all test frames and of each drive: every network, and the position prior."""
    measured = results.runs(STUDY)
    if not measured:
        return f"*The study `{STUDY}` is {NOT_MEASURED}.*"
    frames = measured[0].dataset["sequences"]
    keys = ["", *(f"sequence.{name.lower()}." for name in frames)]
    prior = [measured[0].metrics[SCORE.format(key).replace("final", "prior")] for key in keys]
    rows = [["position prior", "–", *(signed(value, ".1f") for value in prior)]]
    for name in results.variants(STUDY):
        found = [summaries.mean(STUDY, name, SCORE.format(key)) for key in keys]
        rows.append([display_name(name), str(found[0].n), *(interval_cell(one, ".1f") for one in found)])
    drives = [f"{name}, {count} frames" for name, count in frames.items()]
    return results.markdown_table(["mean IoU, %", "seeds", f"all, {sum(frames.values())} frames", *drives], rows)


def by_class() -> str:
    """The paper's Table 3 class by class, and beside it the difference that our two networks show on CamVid."""
    printed = paper.paper_table("table3_cityscapes")
    columns = ["DRN-A-50", "DRN-C-26", "DRN-C-42"]
    rows = []
    for name in [*CLASSES, None]:
        key = "mean_iou" if name is None else name.replace(" ", "_")
        values = [printed[column][key] for column in columns]
        theirs = float(values[1]) - float(values[0])
        metric = SCORE.format("") if name is None else f"final.test.iou.{key}"
        rows.append([name or "**mean**", *values, signed(theirs, "+.1f"), *_ours(metric, theirs)])
    names = f"{display_name(LEFT)} − {display_name(RIGHT)}, ours on CamVid (reduced)"
    header = ["class", *columns, "C-26 − A-50", names, "95 % over seeds and frames", "same direction"]
    return results.markdown_table(header, rows)


def by_class_ours() -> str:
    """IoU of each class that occurs in CamVid's test frames, mean over seeds, for every network and the prior."""
    measured = results.runs(STUDY)
    if not measured:
        return f"*The study `{STUDY}` is {NOT_MEASURED}.*"
    rows = []
    for label in _occurring():
        key = f"iou.{label.replace(' ', '_')}"
        means = [measured[0].metrics[f"prior.test.{key}"]]
        means += [results.metric(STUDY, name, f"final.test.{key}").mean for name in results.variants(STUDY)]
        rows.append([label, *(f"{mean:.1f}" for mean in means)])
    names = [display_name(name) for name in results.variants(STUDY)]
    return results.markdown_table(["IoU, %", "position prior", *names], rows)


def by_class_differences() -> str:
    """The primary comparisons class by class, over seeds and frames."""
    rows = []
    for label in _occurring():
        key = f"final.test.iou.{label.replace(' ', '_')}"
        found = [results.difference(STUDY, *pair, key) for pair in PRIMARY]
        rows.append([label, *(interval_cell(one, ".1f", "+") for one in found)])
    if not rows:
        return f"*The study `{STUDY}` is {NOT_MEASURED}.*"
    names = [" − ".join(map(display_name, pair)) for pair in PRIMARY]
    return results.markdown_table(["IoU, points", *names], rows)


def _occurring() -> list[str]:
    measured = results.runs(STUDY)
    return [name for name in CLASSES if measured and f"final.test.iou.{name.replace(' ', '_')}" in measured[0].metrics]


def _ours(metric: str, theirs: float) -> list[str]:
    """Our difference, its interval, and whether it points where the paper's does; an answer needs a clear interval."""
    sides = [results.runs(STUDY, name) for name in (LEFT, RIGHT)]
    if not all(sides):
        return [NOT_MEASURED, "–", "–"]
    if any(metric not in run.metrics for side in sides for run in side):
        return ["does not occur", "–", "–"]
    found = results.difference(STUDY, LEFT, RIGHT, metric)
    agrees = "not resolved"
    if theirs:
        over_seeds = results.difference_over_seeds(STUDY, LEFT, RIGHT, metric)
        said = intervals.printed_verdict(found, over_seeds, "greater" if theirs > 0 else "less")
        agrees = said.replace("supported", "yes").replace("contradicted", "no")
    return [signed(found.estimate, "+.1f"), interval_text(found), agrees]


def pilot() -> str:
    """The pilot of the segmentation study: mean IoU on val by network and learning rate."""
    rows = []
    for run in results.runs("segmentation_pilot"):
        score = run.metrics["final.val.miou_present"]
        last = run.curve[-1]["train_loss"]
        recipe = run.recipe
        cells = [f"{recipe['lr']:g}", str(recipe["epochs"]), f"{score:.1f}", f"{last:.2f}"]
        rows.append([display_name(run.architecture) + ("" if run.start else ", from scratch"), *cells])
    if not rows:
        return f"*The pilot is {NOT_MEASURED}.*"
    rows.sort(key=lambda row: (row[0], float(row[1])))
    header = ["network", "learning rate", "epochs", "mean IoU on val, %", "training loss at the end"]
    return results.markdown_table(header, rows)


def memory() -> str:
    """What reading one image of Cityscapes' size takes, from data/results/memory.json."""
    peaks = json.loads((files.results_dir() / "memory.json").read_text(encoding="utf-8"))["peak_mb"]
    nothing = peaks.pop("nothing")
    rows = [["torch and the network, no image read", f"{nothing:,.0f}", "–"]]
    for way, peak in peaks.items():
        how = "whole" if way == "whole" else f"by windows of {way.removeprefix('window_')} px"
        rows.append([how, f"{peak:,.0f}", f"{peak - nothing:,.0f}"])
    return results.markdown_table(["read", "peak of the process, MB", "of it for reading, MB"], rows)


TABLES = {"segmentation-drives": by_drive, "table-3-by-class": by_class, "pilot-segmentation": pilot}
TABLES["segmentation-memory"] = memory
TABLES |= {"segmentation-by-class": by_class_ours, "segmentation-class-differences": by_class_differences}
