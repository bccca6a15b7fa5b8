"""Whole tables of the paper and of our studies as Markdown; `markers.py` says by which keys pages ask for them."""

from __future__ import annotations

import math

from book.numbers.text import NOT_MEASURED, MarkerError, interval_text, sample, signed
from book.studies import intervals, paper, results, summaries
from drn_lib.names import display_name

VIEWS = ("localization.native", "localization.px224", "clutter")
CHOICES = {  # what the paper leaves open: GT-known error on the tune images, each with its own best threshold
    "tune.logits_tile.gt_known_50": "as in this book, %",
    "tune.logits_centre.gt_known_50": "cells by `centre`, %",
    "tune.softmax_tile.gt_known_50": "softmax, %",
    "tune.empty_peak.gt_known_50": "no cell: the peak's, %",
    "tune.empty_image.gt_known_50": "no cell: the whole image, %",
    "no_box": "no cell, test images, %",
}
HEADERS = {
    "model": "network",
    "top1_err_1crop_pct": "top-1 error, 1 crop, %",
    "top5_err_1crop_pct": "top-5 error, 1 crop, %",
    "top1_err_10crop_pct": "top-1 error, 10 crops, %",
    "top5_err_10crop_pct": "top-5 error, 10 crops, %",
    "params_millions_as_printed": "parameters, millions",
    "top1_loc_err_pct": "top-1 localization error, %",
    "top5_loc_err_pct": "top-5 localization error, %",
    "mean_iou": "mean IoU, %",
    "in_paper": "in the paper",
    "parameters": "parameters",
    "gmacs_224": "10⁹ multiply-adds at 224 px",
    "map_at_224": "last map at 224 px, cells a side",
    "receptive_field_px": "receptive field, px",
    "final.test.top1": "top-1 error, %",
    "final.test.top5": "top-5 error, %",
    "final.test.loss": "loss",
    "lattice_energy.score_map": "lattice energy of the score map",
    **{f"localization.native.gt_known_{k}": f"GT-known error at IoU 0.{k // 10}, %" for k in (30, 50, 70)},
    "localization.native.pointing_error": "pointing error, %",
    **{f"localization.native.top{k}_localization": f"top-{k} localization error, %" for k in (1, 5)},
    **{f"{view}.{key}": label for view in VIEWS for key, label in CHOICES.items()},
    **{f"clutter.gt_known_{k}": f"GT-known error in clutter at IoU 0.{k // 10}, %" for k in (30, 50)},
    **{f"clutter.cam.gt_known_{k}": f"usual method: in clutter at IoU 0.{k // 10}, %" for k in (30, 50)},
    "localization.native.cam.gt_known_50": "usual method: plain, GT-known error at IoU 0.5, %",
    "pets.mask_iou": "overlap with the animal",
    "pets.mask_pointing_error": "points off the animal, %",
    "pets.mask_iou_own": "overlap of the class's own map",
    "pets.best70.gt_known_70": "box error at IoU 0.7, %",
    "pets.top1_classification": "top-1 error of the breed, %",
    "clutter.top1_localization": "top-1 localization error in clutter, %",
    "clutter.pointing_error": "pointing error in clutter, %",
    "clutter.pointing_error_off_middle": "pointing error in clutter, off the middle, %",
    "final.test.miou_present": "mean IoU, present classes, %",
    "final.test.sequence.seq05vd.miou_present": "mean IoU on Seq05VD, present classes, %",
    "final.test.sequence.seq05vd.miou_thin": "mean IoU of thin classes, %",
    "final.test.sequence.seq05vd.band_miou_present": "mean IoU near boundaries, %",
    "final.test.sequence.seq05vd.specks": "specks an image",
    "final.test.sequence.seq05vd.wrong_specks": "wrong specks an image",
    "final.test.miou_official": "mean IoU, official, %",
    "final.test.pixel_accuracy": "pixel accuracy, %",
    "final.test.miou_thin": "mean IoU of thin classes, %",
    "final.test.band_accuracy": "accuracy near boundaries, %",
    "final.test.band_miou_present": "mean IoU near boundaries, %",
    "final.test.specks": "specks an image",
    "final.test.wrong_specks": "wrong specks an image",
}


def paper_table(name: str, columns: str = "") -> str:
    """The columns of a table of the paper that are named with commas between them; all where none is."""
    rows = paper.paper_table(name)
    first = next(iter(rows.values()))
    chosen = columns.split(",") if columns else list(first)
    for column in chosen:
        if column not in first:
            raise MarkerError(f"the table {name} has no column {column!r}; it has {', '.join(first)}")
    header = [HEADERS.get(column, column.replace("_", " ")) for column in chosen]
    return results.markdown_table(header, [[row[column] or "–" for column in chosen] for row in rows.values()])


def results_table(study: str, metric_names: str) -> str:
    """Every variant of a study: seeds, then each metric's mean."""
    networks, metrics = results.variants(study), metric_names.split(",")
    if not networks:
        return f"*The study `{study}` is {NOT_MEASURED}.*"
    rows = []
    for network in networks:
        samples = [sample(study, network, metric) for metric in metrics]
        style = [metric_style(metric) for metric in metrics]
        cells = [signed(sample.mean, shape) for sample, shape in zip(samples, style, strict=True)]
        rows.append([display_name(network), str(samples[0].n), *cells])
    return results.markdown_table(["network", "seeds", *(HEADERS.get(m, m.replace("_", " ")) for m in metrics)], rows)


def beside_table(study: str, metric: str, name: str, column: str) -> str:
    """Our mean of every network that the paper's table has beside the number that it prints."""
    found = [row for row in paper.beside_paper(study, metric, name, column) if row["paper"]]
    if not found:
        return f"*The study `{study}` is {NOT_MEASURED}.*"
    rows = []
    for row in found:
        ours = row["ours"]
        rows.append([row["model"], row["paper"], signed(ours.estimate, ".1f"), str(ours.n), interval_text(ours)])
    return results.markdown_table(["network", "the paper", "ours (reduced)", "seeds", "95 % interval over seeds"], rows)


def summary_table(study: str, metric_names: str, names: str, costs: bool = True) -> str:
    """Variants ("all", or some with commas) with seeds, means and intervals over seeds, and perhaps what they cost."""
    keys = metric_names.split(",")
    rows = summaries.summarize(study, keys, None if names == "all" else names.split(","))
    if not rows:
        return f"*These networks of the study `{study}` are {NOT_MEASURED}.*"
    lines, timed = [], any(not math.isnan(row.minutes) for row in rows)
    for row in rows:
        cells = [interval_cell(row.metrics.get(key), metric_style(key)) for key in keys]
        if costs:
            cells += [f"{row.parameters / 1e6:.2f}", f"{row.multiply_adds / 1e6:.0f}"]
            cells.append(f"{100 * row.live_taps:.0f}")
        if costs and timed:
            cells.append("–" if math.isnan(row.minutes) else f"{row.minutes:.0f}")
        lines.append([row.name, str(row.n), *cells])
    header = ["network", "seeds", *(HEADERS.get(key, key.replace("_", " ")) for key in keys)]
    if costs:
        header += ["parameters, millions", "multiply-adds, millions", "live taps in level 6, %"]
        header += ["minutes of training on a CPU"] if timed else []
    return results.markdown_table(header, lines)


def differences_table(study: str, key: str, pair_names: str) -> str:
    """Left minus right for each LEFT-RIGHT with commas between: both intervals, and Holm's p over the pairs."""
    pairs = [tuple(pair.split("-")) for pair in pair_names.split(",")]
    for pair in pairs:
        if len(pair) != 2:
            raise MarkerError(f"{'-'.join(pair)!r} is no pair LEFT-RIGHT")
        for name in pair:
            sample(study, name, key)  # says so where a name or the metric does not exist
    rows, style = summaries.compare(study, pairs, key), metric_style(key)
    if not rows:
        return f"*These networks of the study `{study}` are {NOT_MEASURED}.*"
    lines = []
    for row in rows:
        intervals_shown = [interval_text(found, style) for found in (row.difference, row.over_seeds)]
        p = p_text(row.p_adjusted)
        estimate = signed(row.difference.estimate, f"+{style}")
        names = f"{display_name(row.left)} − {display_name(row.right)}"
        counts = dict.fromkeys(str(sample(study, name, key).n) for name in (row.left, row.right))
        lines.append([names, ", ".join(counts), estimate, *intervals_shown, p])
    metric = HEADERS.get(key, key.replace("_", " "))
    header = ["difference", "seeds", metric, "95 % over seeds and images", "95 % over seeds alone", "p (Holm)"]
    if "bootstrap" not in rows[0].difference.method:  # no outcome of each image is stored: one kind of interval
        del header[3]
        lines = [line[:3] + line[4:] for line in lines]
    return results.markdown_table(header, lines)


def p_text(p: float) -> str:
    """A p-value with three decimals; never as zero, which no number of redrawings can show."""
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def metric_style(key: str) -> str:
    """How a metric is printed: percentages and counts with one decimal, shares and losses with three."""
    name = key.rpartition(".")[2]
    tenths = ("_error", "gt_known", "localization", "miou", "accuracy", "specks")
    percent = (
        name in ("top1", "top5", "top1_classification", "no_box")
        or ".iou." in key
        or any(part in name for part in tenths)
    )
    return ".1f" if percent else ".3f"


def interval_cell(found: intervals.Interval | None, style: str, sign: str = "") -> str:
    """An estimate and its interval for a table's cell; a dash where the network's runs do not have the metric.

    `sign` is "+" for a difference.
    """
    if found is None:
        return "–"
    mean = signed(found.estimate, sign + style)
    return mean if math.isnan(found.low) else f"{mean} {interval_text(found, style)}"
