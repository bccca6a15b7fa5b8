"""The figures of chapter 05: errors against what they cost, training curves, and the ablations from DRN-A to DRN-C."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from book.figures.style import GREY, INK, LIGHT, network_color
from book.studies import paper, results, summaries
from drn_lib.architecture import list_models
from drn_lib.names import display_name


@dataclass(frozen=True)
class CostPoint:
    """One network in a picture of error against cost; `low` and `high` are NaN where there is no interval."""

    name: str
    label: str
    parameters: float  # millions
    multiply_adds: float  # 10^9 for one image
    error: float
    low: float = math.nan
    high: float = math.nan


def paper_points() -> list[CostPoint]:
    """The networks of the paper's Table 1 (top-1 error, 1 crop), with multiply-adds counted by us.

    ResNet-34 is drawn as its source publishes it: the paper's number is probably a slip.
    """
    architectures = {display_name(name): row for name, row in paper.paper_table("architectures").items()}
    points = []
    for name, row in paper.paper_table("table1_classification").items():
        if row["printed_in_table"] == "yes":
            error = row["top1_err_1crop_pct_source"] or row["top1_err_1crop_pct"]
            numbers = map(float, (row["params_millions_as_printed"], architectures[name]["gmacs_224"], error))
            points.append(CostPoint(name.lower().replace("-", "_"), name, *numbers))
    return points


def study_points(study: str, names: Sequence[str] | None = None) -> list[CostPoint]:
    """The measured variants of a study: mean top-1 error on test over seeds, with Student's t interval."""
    points = []
    for row in summaries.summarize(study, ["final.test.top1"], names):
        found = row.metrics["final.test.top1"]
        costs = row.parameters / 1e6, row.multiply_adds / 1e9
        points.append(CostPoint(row.variant, row.name, *costs, found.estimate, found.low, found.high))
    return points


def error_against_costs(points: Sequence[CostPoint], title: str) -> Figure:
    """Errors against parameters, as in the paper, and against multiply-adds; a line joins the networks of a family."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    families = {}
    for point in points:
        if point.name in list_models():
            families.setdefault(network_color(point.name), []).append(point)
    for ax, cost in zip(axes, ("parameters", "multiply_adds"), strict=True):
        for members in families.values():
            ax.plot(*zip(*sorted((getattr(point, cost), point.error) for point in members)), color=LIGHT, lw=1)
        for point in points:
            _mark(ax, point, getattr(point, cost))
    axes[0].set(xlabel="parameters, millions", ylabel=title)
    axes[1].set(xlabel="10⁹ multiply-adds for one image", xscale="log")
    axes[1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[1].xaxis.set_major_formatter("{x:g}")
    axes[1].xaxis.set_minor_formatter("")
    return figure


def training_curves(study: str, networks: Sequence[str]) -> Figure:
    """Training loss and error on the validation split, epoch by epoch, of every stored run of these networks."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.0))
    for network in networks:
        label = display_name(network)
        for run in results.runs(study, network):
            for ax, key in zip(axes, ("train_loss", "tune_top1"), strict=True):
                epochs, values = ([row.get(name, np.nan) for row in run.curve] for name in ("epoch", key))
                ax.plot(epochs, values, color=network_color(network), linewidth=1.2, label=label)
            label = None  # the legend names a network once, not once for each seed
    for ax, title in zip(axes, ("training loss, nats", "top-1 error on the tune part, %"), strict=True):
        ax.set(xlabel="epoch", ylabel=title)
    axes[0].legend(fontsize=9)
    return figure


def ladder(study: str, variants: Sequence[str], keys: Mapping[str, str]) -> Figure:
    """A panel for each of `keys`, {metric: label}, a place for each ablation: every seed a dot, the mean a bar."""
    figure, axes = plt.subplots(len(keys), 1, figsize=(9, 2.0 * len(keys) + 0.6), sharex=True, squeeze=False)
    for ax, (key, label) in zip(axes[:, 0], keys.items(), strict=True):
        for place, name in enumerate(variants):
            sample = results.metric(study, name, key)
            if not sample.n:
                ax.text(place, 0.5, "not yet", color=GREY, ha="center", transform=ax.get_xaxis_transform(), fontsize=9)
                continue
            color = network_color(name)
            ax.plot([place] * sample.n, sample.values, "o", color=color, markersize=4, alpha=0.6)
            ax.plot([place - 0.25, place + 0.25], [sample.mean] * 2, color=color, linewidth=3)
        ax.set_ylabel(label, fontsize=9.5)
        ax.grid(axis="y", color=LIGHT, linewidth=0.6)
    names = [display_name(name).replace(", ", ",\n") for name in variants]
    axes[-1, 0].set_xticks(range(len(names)), names, fontsize=9)
    axes[-1, 0].set_xlim(-0.6, len(variants) - 0.4)
    return figure


def _mark(ax: Axes, point: CostPoint, cost: float) -> None:
    color = network_color(point.name)
    if not math.isnan(point.low):
        ax.plot([cost, cost], [point.low, point.high], color=color, linewidth=1.2, alpha=0.7)
    ax.plot(cost, point.error, "o", color=color, markersize=6)
    # Three networks of Table 1 lie on one spot, and two of ours: their names go to different sides of it.
    sides = {"DRN-C-26": (-6, -3, "right"), "DRN-A-34": (6, -9, "left"), "ResNet-18, wider": (-6, -3, "right")}
    *offset, ha = sides.get(point.label, (5, 4, "left"))
    short = point.label.replace("DRN-", "").replace("ResNet-", "R-")
    ax.annotate(short, (cost, point.error), offset, textcoords="offset points", fontsize=8.5, color=INK, ha=ha)
