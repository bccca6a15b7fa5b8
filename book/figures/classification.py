"""The figures of chapter 05: errors against what they cost, losses, and the ablations from DRN-A to DRN-C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from book.figures.style import GREY, INK, LIGHT, network_color
from book.studies import paper, results
from drn_lib.architecture import list_models
from drn_lib.names import display_name


@dataclass(frozen=True)
class CostPoint:
    """One network in a picture of error against cost."""

    name: str
    label: str
    parameters: float  # millions
    multiply_adds: float  # 10^9 for one image
    error: float


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
    for ax, title in zip(axes, ("training loss, nats", "top-1 error on the validation images, %"), strict=True):
        ax.set(xlabel="epoch", ylabel=title)
    axes[0].legend(fontsize=9)
    return figure


def training_and_test(study: str, networks: Sequence[str]) -> Figure:
    """What a network has learned by the end of its training, and what it makes of test images; every seed a dot.

    From left to right: training loss along the epochs, the mean over seeds in a band from the least to the largest;
    cross-entropy and top-1 error on the test images.
    """
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.9), width_ratios=[1.5, 1, 1])
    ends = {}
    for place, network in enumerate(networks):
        color, name = network_color(network), _short(display_name(network))
        losses = np.array([[row["train_loss"] for row in run.curve] for run in results.runs(study, network)])
        if not len(losses):
            continue
        epochs = np.arange(1, losses.shape[1] + 1)
        axes[0].fill_between(epochs, losses.min(0), losses.max(0), color=color, alpha=0.25, linewidth=0)
        axes[0].plot(epochs, losses.mean(0), color=color, linewidth=1.6)
        ends[name] = (losses.mean(0)[-1], epochs[-1], color)
        for ax, key in zip(axes[1:], ("final.test.loss", "final.test.top1"), strict=True):
            sample = results.metric(study, network, key)
            ax.plot([place] * sample.n, sample.values, "o", color=color, markersize=4, alpha=0.6)
            ax.plot([place - 0.3, place + 0.3], [sample.mean] * 2, color=color, linewidth=3)
    axes[0].set(xlabel="epoch", ylim=(0, None))
    heights = apart([end for end, *_ in ends.values()], 0.065 * axes[0].get_ylim()[1])
    for height, (name, (_, epoch, color)) in zip(heights, ends.items(), strict=True):
        axes[0].annotate(name, (epoch, height), (4, -3), textcoords="offset points", color=color)
    for ax, title in zip(axes, ("training loss", "test loss", "test error, %"), strict=True):
        ax.set_title(title, loc="left", fontsize=10.5)
    for ax in axes[1:]:
        ax.set_xticks(range(len(networks)), [_short(display_name(name)) for name in networks], fontsize=9.5)
        ax.set_xlim(-0.6, len(networks) - 0.4)
    return figure


def apart(heights: Sequence[float], gap: float) -> list[float]:
    """Heights of labels, moved as little upwards as keeps each at least `gap` above the next lower one."""
    moved = list(heights)
    order = np.argsort(heights, kind="stable")
    for lower, upper in zip(order, order[1:], strict=False):
        moved[upper] = max(moved[upper], moved[lower] + gap)
    return moved


def error_against_time(study: str, times: Mapping[str, Mapping[str, float]]) -> Figure:
    """Top-1 error on test against the measured time of an image, as PyTorch computes it and with `drn_lib.fast`.

    Args:
        study: whose networks are drawn.
        times: by variant and engine ("plain", "fast"), in units of one network's time.
    """
    figure, ax = plt.subplots(figsize=(6.2, 3.6))
    for name, taken in times.items():
        color, error = network_color(name), results.metric(study, name, "final.test.top1")
        ax.plot([taken["fast"], taken["plain"]], [error.mean] * 2, color=color, linewidth=1.2)
        ax.plot(taken["plain"], error.mean, "o", color=color, markersize=7)
        ax.plot(taken["fast"], error.mean, "o", color="none", markeredgecolor=color, markersize=7)
        label = _short(display_name(name)).replace("larger images", "larger\nimages")
        ax.annotate(label, (max(taken.values()), error.mean), (7, 0), textcoords="offset points", va="center")
    ax.set(xlabel="measured time of an image, ResNet-18 = 1", ylabel="top-1 error on test, %")
    ax.set_xlim(0, 1.25 * max(max(taken.values()) for taken in times.values()))
    return figure


def _short(name: str) -> str:
    return name.replace("DRN-", "").replace("ResNet-", "R-")


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
    ax.plot(cost, point.error, "o", color=color, markersize=6)
    # Three networks of Table 1 lie on one spot: their names go to different sides of it.
    sides = {"DRN-C-26": (-6, -3, "right"), "DRN-A-34": (6, -9, "left")}
    *offset, ha = sides.get(point.label, (5, 4, "left"))
    ax.annotate(
        _short(point.label), (cost, point.error), offset, textcoords="offset points", fontsize=8.5, color=INK, ha=ha
    )
