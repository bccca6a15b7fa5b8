"""A real ImageNet network's maps: the book's opening picture, and the grid that one reading of it makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from book import ROOT
from book.figures.panels import Panel, panels
from book.figures.style import ACCENT, GREY, INK, LIGHT, use_style
from book.photographs import photograph
from book.studies.imagenet.readings import read_as, stored
from drn_lib import paths
from drn_lib.geometry import cell_centre
from drn_lib.images import normalize
from drn_lib.lite import LiteNetwork
from drn_lib.localization.places import cells_of_pixels

READINGS = {"as trained": (32, "exact"), "exact": (8, "exact"), "levels": (8, "levels")}
"""The columns beside the photograph: (output stride, dilation rule)."""


def opening(model: LiteNetwork, name: str = "coffee", wanted: str | None = None) -> Figure:
    """A photograph, and where the network sees a class: 49 cells, 784 by the rule `exact`, 784 by `levels`.

    Each map lies on the photograph where its cells truly are, unsmoothed, in its own range of greys; where no cell
    looks the photograph shows, paled. Below a map stands the probability that its mean gives the class.

    Args:
        model: as trained, with the names of its classes.
        name: of `book.photographs`.
        wanted: the class; None takes the one that the network as trained names.
    """
    return _wide(*read_opening(model, name, wanted))


def read_opening(model: LiteNetwork, name: str, wanted: str | None = None) -> tuple[list[Panel], list[str]]:
    """The panels of the opening picture and their titles; arguments as for `opening`."""
    image = photograph(name)
    index = None if wanted is None else model.classes.index(wanted)
    row, titles = [Panel(image)], ["photograph"]
    for title, reading in READINGS.items():
        own, probability, cells, index = class_map(read_as(model, reading), image, index)
        row.append(Panel(laid_on(own, image), note=f"{model.classes[index]}: {100 * probability:.0f} %"))
        titles.append(f"{cells} cells, {title}")
    return row, titles


def _wide(row: list[Panel], titles: list[str]) -> Figure:
    return panels([row], titles)


def _stacked(row: list[Panel], titles: list[str]) -> Figure:
    """Two rows, for a telephone: what stands above and below a panel stands below it."""
    row = [replace(panel, note="\n".join(filter(None, (t, panel.note)))) for panel, t in zip(row, titles, strict=True)]
    figure = panels([row[:2], row[2:]], ["", ""], width=3.5)
    figure.set_size_inches(3.5, 4.35)
    return figure


def _social(row: list[Panel], titles: list[str]) -> Figure:
    """Twice as wide as high, with the book's title."""
    figure = panels([row], titles)
    figure.set_size_inches(9, 4.5)
    figure.suptitle("Dilated Residual Networks, chapter by chapter", y=0.88, fontsize=20, color=INK)
    return figure


STORED = {
    "data/figures/lite0_opening.png": (_wide, 720),
    "book/_static/opening_stacked.png": (_stacked, 700),
    "book/_static/social.png": (_social, 1280),
}
"""The stored forms of the opening picture, each with its width in pixels."""


def show_opening(model: LiteNetwork | None) -> None:
    """Draw the opening picture; where there is no network, display the stored one."""
    if model is None:
        _display(next(iter(STORED)))
    else:
        opening(model)


GRID = "data/figures/lite0_grid.png"
"""The stored picture of `grid_in_maps`."""


def show_grid(model: LiteNetwork | None) -> None:
    """Draw `grid_in_maps`; where there is no network, display the stored picture."""
    if model is None:
        _display(GRID)
    else:
        grid_in_maps(model)


def _display(place: str) -> None:
    from IPython.display import Image, display

    display(Image(filename=ROOT / place))


def store(model: LiteNetwork, root: Path = ROOT) -> list[Path]:
    """Write every form of the opening picture and the grid's, by default where `show_opening` and the pages find them.

    From the root of the checkout: `python -m book.figures.lite0`. Returns the files.
    """
    use_style()
    row, titles = read_opening(model, "coffee")
    drawn = {place: (draw(row, titles), width) for place, (draw, width) in STORED.items()}
    drawn[GRID] = grid_in_maps(model), 720
    for place, (figure, width) in drawn.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        with paths.replacing(root / place) as temporary:
            figure.savefig(temporary, format="png", dpi=width / figure.get_figwidth())
        plt.close(figure)
    return [root / place for place in drawn]


@torch.no_grad()
def grid_in_maps(model: LiteNetwork, name: str = "coffee") -> Figure:
    """One photograph's maps of 28 x 28 cells, level by level, under the rules `exact` and `levels`.

    Of each level the channel with the highest mean magnitude under `exact` is drawn under both rules, then the map of
    the class that the network as trained names. Level 4 lies before the first lost stride.
    """
    images = normalize(photograph(name)[None])
    wanted, rows, channels = int(model(images).argmax()), [], {}
    for rule in ("exact", "levels"):
        network = read_as(model, (8, rule))
        maps = {level: own[0] for level, own in network.features(images).items() if level > 3}  # (C, 28, 28)
        for level, own in maps.items():
            channels.setdefault(level, int(own.abs().mean(dim=(1, 2)).argmax()))
        rows.append([own[channels[level]] for level, own in maps.items()] + [network.score_map(images)[0, wanted]])
    titles = [f"level {level}" for level in channels]
    return panels(rows, [*titles, model.classes[wanted]], labels=["exact", "levels"], width=7.2)


def probed() -> Figure:
    """The stored scores of the linear probe on streets, a dot for each training: mean IoU and that of thin classes."""
    readings = stored("probe")["readings"]
    outcomes = {"miou_present": "mean IoU, %", "miou_thin": "thin classes, IoU in %"}
    labels = {"as_trained": "32", "exact_16": "16", "exact_8": "8", "levels_8": "8, levels"}
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.6), sharey=True)
    for ax, (outcome, title) in zip(axes, outcomes.items(), strict=True):
        for place, name in enumerate(labels):
            values = readings[name][outcome]
            color = ACCENT if name.startswith("levels") else GREY
            ax.plot(values, [place] * len(values), "o", color=color, alpha=0.5, markersize=7, markeredgewidth=0)
            ax.plot(np.mean(values), place, "|", color=INK, markersize=16, markeredgewidth=2)
        ax.set_yticks(range(len(labels)), list(labels.values()))
        ax.set(ylim=(len(labels) - 0.5, -0.5), xlabel=title)
        ax.grid(axis="x", color=LIGHT, linewidth=0.6, alpha=0.4)
    axes[0].set_ylabel("output stride")
    return figure


@torch.no_grad()
def class_map(network: LiteNetwork, image: Tensor, index: int | None = None) -> tuple[Tensor, float, int, int]:
    """A class's map of an image uint8 (3, H, W) at its true place, unsmoothed.

    Returns:
        The map (H, W), NaN where a pixel is further than half a step from every cell's middle; the class's
        probability; how many cells the map has; and the class, where it was not given.
    """
    scores = network.score_map(normalize(image[None]))[0]  # (C, h, w)
    probability = scores.mean(dim=(1, 2)).softmax(dim=0)
    index = int(probability.argmax()) if index is None else index
    size, jump = tuple(image.shape[1:]), network.feature_info[-1].reduction
    centre = cell_centre(network, size)
    rows, columns = cells_of_pixels(tuple(scores.shape[1:]), size, jump, cell_edges="measured", centre=centre)
    own = scores[index][rows][:, columns].clone()
    for axis, (nearest, first) in enumerate(zip((rows, columns), centre)):
        outside = (torch.arange(len(nearest)) - first - jump * nearest).abs() > jump / 2
        own.index_fill_(axis, outside.nonzero()[:, 0], torch.nan)
    return own, probability[index].item(), scores[0].numel(), index


def laid_on(own: Tensor, image: Tensor) -> Tensor:
    """A map (H, W) in its range of greys, black to white, on its image, uint8 (3, H, W); the image pales where NaN."""
    seen = ~own.isnan()
    low, high = own[seen].min(), own[seen].max()
    greys = 255 * (own - low) / (high - low).clamp(min=1e-12)
    pale = 0.3 * image + 0.7 * 255
    return torch.where(seen, greys, pale).round().byte()


if __name__ == "__main__":
    from drn_lib.checkpoints import load_lite0

    print(*store(load_lite0()), sep="\n")
