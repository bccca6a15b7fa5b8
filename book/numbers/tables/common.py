"""Whole tables of the paper and of our studies as Markdown; `markers.py` says by which keys pages ask for them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from book.numbers.text import NOT_MEASURED, MarkerError, sample
from book.studies import intervals, metrics, paper, results, summaries
from book.studies.metrics import interval_text, signed
from drn_lib.names import display_name

COLUMNS = {
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
    "gmacs_224": "10⁹ multiply-adds at 224 px",
    "map_at_224": "last map at 224 px, cells a side",
    "receptive_field_px": "receptive field, px",
}
"""What stands above a column of the paper's tables; above others its name."""

COSTS = ["parameters, millions", "multiply-adds, millions", "live taps in level 6, %"]
"""What stands above `cost_cells`."""

GROUPS = ("main", "cost", "ladder", "size", "start")
"""The paper's networks, those of equal cost, one change at a time, other sizes, and other starts."""


def paper_table(name: str, columns: str = "") -> str:
    """The columns of a table of the paper that are named with commas between them; all where none is."""
    rows = paper.paper_table(name)
    first = next(iter(rows.values()))
    chosen = columns.split(",") if columns else list(first)
    for column in chosen:
        if column not in first:
            raise MarkerError(f"the table {name} has no column {column!r}; it has {', '.join(first)}")
    header = [COLUMNS.get(column, column.replace("_", " ")) for column in chosen]
    return results.markdown_table(header, [[_short(row[column]) for column in chosen] for row in rows.values()])


def _short(text: str) -> str:
    """A cell as the paper prints it; what a server gave with four decimals with one."""
    return f"{float(text):.1f}" if re.fullmatch(r"\d+\.\d{4,}", text) else text or "–"


def results_table(study: str, metric_names: str) -> str:
    """Every variant of a study: seeds, then each metric's mean."""
    networks, keys = results.variants(study), metric_names.split(",")
    if not networks:
        return f"*The study `{study}` is {NOT_MEASURED}.*"
    rows = []
    for network in networks:
        samples = [sample(study, network, key) for key in keys]
        cells = [signed(one.mean, metrics.style(key)) for one, key in zip(samples, keys, strict=True)]
        rows.append([display_name(network), str(samples[0].n), *cells])
    return results.markdown_table(["network", "seeds", *map(metrics.label, keys)], rows)


def beside_table(study: str, metric: str, name: str, column: str, further: Sequence[str] = ()) -> str:
    """Our mean of every network that the paper's table has beside the number that it prints.

    `further` names variants of ours that the paper has not; they come last.
    """
    networks = [row for row in paper.beside_paper(study, metric, name, column) if row["paper"]]
    if not networks:
        return f"*The study `{study}` is {NOT_MEASURED}.*"
    known = {display_name(variant): variant for variant in results.variants(study)}
    printed = {known[row["model"]]: row["paper"] for row in networks}
    printed |= dict.fromkeys((variant for variant in further if variant in known.values()), "–")
    rows, over_images = [], False
    for variant, theirs in printed.items():
        ours = summaries.mean(study, variant, metric)
        if ours is None:
            continue
        over_images = over_images or is_over_images(ours)
        rows.append([display_name(variant), theirs, signed(ours.estimate, ".1f"), str(ours.n), interval_text(ours)])
    interval = "95 % interval over seeds" + " and images" * over_images
    return results.markdown_table(["network", "the paper", "ours (reduced)", "seeds", interval], rows)


def is_over_images(found: intervals.Interval) -> bool:
    """Whether images were redrawn, not only seeds."""
    return found.method == intervals.BOOTSTRAP


def summary_table(study: str, metric_names: str, names: str, costs: bool = True) -> str:
    """Variants with seeds, means and intervals (`summaries.mean`), and perhaps what they cost.

    `names` are "all", or variants and `GROUPS` with commas between.
    """
    keys = metric_names.split(",")
    rows = summaries.summarize(study, keys, None if names == "all" else members(study, names.split(",")))
    if not rows:
        return f"*These networks of the study `{study}` are {NOT_MEASURED}.*"
    lines = []
    for row in rows:
        cells = [interval_cell(row.metrics.get(key), metrics.style(key)) for key in keys]
        lines.append([row.name, str(row.n), *cells, *(cost_cells(row) if costs else [])])
    header = ["network", "seeds", *map(label, keys), *(COSTS if costs else [])]
    return results.markdown_table(header, lines)


def label(key: str) -> str:
    """What stands above a metric's column; as `metrics.label`, with the training loss."""
    return "training loss, nats" if key == summaries.TRAINING_LOSS else metrics.label(key)


def cost_cells(row: summaries.Summary) -> list[str]:
    """What a network costs: the cells below `COSTS`."""
    return [f"{row.parameters / 1e6:.2f}", f"{row.multiply_adds / 1e6:.0f}", f"{100 * row.live_fraction:.0f}"]


def group(variant: str) -> str:
    """One of `GROUPS`: where a page of a table shows a variant."""
    if variant.endswith("_128px"):
        return "size"
    if variant.endswith("_scratch"):
        return "start"
    if variant in ("resnet_18_wide", "resnet_18_large"):
        return "cost"
    return "ladder" if variant.startswith(("ladder_", "drn_a_18_")) else "main"


def members(study: str, names: Sequence[str]) -> list[str]:
    """The variants of a study that are named, alone or by one of `GROUPS`."""
    found = results.variants(study)
    return [one for name in names for one in ([v for v in found if group(v) == name] if name in GROUPS else [name])]


def differences_table(study: str, key: str, pair_names: str) -> str:
    """Left minus right for each LEFT-RIGHT with commas between: both intervals, and Holm's p over the pairs."""
    pairs = [tuple(pair.split("-")) for pair in pair_names.split(",")]
    for pair in pairs:
        if len(pair) != 2:
            raise MarkerError(f"{'-'.join(pair)!r} is no pair LEFT-RIGHT")
        for name in pair:
            sample(study, name, key)  # says so where a name or the metric does not exist
    rows, style = summaries.compare(study, pairs, key), metrics.style(key)
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
    header = ["difference", "seeds", metrics.label(key)]
    header += ["95 % over seeds and images", "95 % over seeds only", "p (Holm)"]
    if not is_over_images(rows[0].difference):  # no outcome of each image is stored: one kind of interval
        del header[3]
        lines = [line[:3] + line[4:] for line in lines]
    return results.markdown_table(header, lines)


def p_text(p: float) -> str:
    """A p-value with two decimals: redrawing a few seeds gives no more. Never as zero, nor rounded up to the 0.05."""
    if math.isnan(p):
        return "–"
    if p < 0.01:
        return "< 0.01"
    text = f"{p:.2f}"
    return "< 0.05" if p < 0.05 and text == "0.05" else text


def interval_cell(found: intervals.Interval | None, style: str, sign: str = "") -> str:
    """An estimate and its interval for a table's cell; a dash where the network's runs do not have the metric.

    `sign` is "+" for a difference.
    """
    if found is None:
        return "–"
    mean = signed(found.estimate, sign + style)
    return mean if math.isnan(found.low) else f"{mean} {interval_text(found, style)}"
