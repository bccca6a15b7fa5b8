"""The opening picture: one real network's map of one photograph, coarse, dense, and dense by the other rule."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from book.cells.photographs import photograph
from book.figures.panels import Panel, panels
from book.figures.style import use_style
from book.studies.imagenet.readings import read_as
from drn_lib import paths
from drn_lib.geometry import cell_centre
from drn_lib.images import normalize
from drn_lib.lite import LiteNetwork
from drn_lib.localization.places import cells_of_pixels

READINGS = {"as trained": (32, "exact"), "exact": (8, "exact"), "levels": (8, "levels")}
"""The columns beside the photograph: (output stride, dilation rule)."""


def opening(model: LiteNetwork, name: str = "coffee", wanted: str | None = None) -> Figure:
    """A photograph, and where the network sees a class: 49 cells, 784 by the rule `exact`, 784 by `levels`.

    Each map lies where its cells truly are, unsmoothed, in its own range of greys; below it stands the probability that
    the mean of the map gives the class.

    Args:
        model: as trained, with the names of its classes.
        name: of `book.cells.photographs`.
        wanted: the class; None takes the one that the network as trained names.
    """
    image = photograph(name)
    index = None if wanted is None else model.classes.index(wanted)
    row, columns = [Panel(image)], ["photograph"]
    for title, reading in READINGS.items():
        own, probability, cells, index = class_map(read_as(model, reading), image, index)
        row.append(Panel(own, note=f"{model.classes[index]}: {100 * probability:.0f} %"))
        columns.append(f"{cells} cells, {title}")
    return panels([row], columns)


def show_opening(model: LiteNetwork | None) -> None:
    """Draw the opening picture; where there is no network, display the stored one."""
    from IPython.display import Image, display

    if model is None:
        display(Image(filename=stored_opening()))
    else:
        opening(model)


def stored_opening() -> Path:
    """The stored opening picture."""
    return paths.data_dir() / "figures" / "lite0_opening.png"


def store_opening(model: LiteNetwork, file: Path | None = None) -> Path:
    """Write the opening picture, by default where `show_opening` finds it; returns the file.

    From the root of the checkout: `python -m book.figures.lite0`.
    """
    use_style()
    figure = opening(model)
    with paths.replacing(file or stored_opening()) as temporary:
        figure.savefig(temporary, format="png")
    plt.close(figure)
    return file or stored_opening()


@torch.no_grad()
def class_map(network: LiteNetwork, image: Tensor, index: int | None = None) -> tuple[Tensor, float, int, int]:
    """A class's map of an image uint8 (3, H, W) at its true place, unsmoothed.

    Returns:
        The map (H, W), the class's probability, how many cells the map has, and the class, where it was not given.
    """
    scores = network.score_map(normalize(image[None]))[0]  # (C, h, w)
    probability = scores.mean(dim=(1, 2)).softmax(dim=0)
    index = int(probability.argmax()) if index is None else index
    size, jump = tuple(image.shape[1:]), network.feature_info[-1].reduction
    place = {"cell_edges": "measured", "centre": cell_centre(network, size)}
    rows, columns = cells_of_pixels(tuple(scores.shape[1:]), size, jump, **place)
    return scores[index][rows][:, columns], probability[index].item(), scores[0].numel(), index


if __name__ == "__main__":
    from drn_lib.checkpoints import load_lite0

    print(store_opening(load_lite0()))
