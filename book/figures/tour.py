"""Figures of chapter 00: a picture, unveiled where a network scores a class high."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from book.figures.style import ACCENT, show_map, show_row, use_style
from drn_lib import localization
from drn_lib.checkpoints.weights import load_trained
from drn_lib.images import normalize
from drn_lib.names import display_name

WALL = ("chelsea", "hubble_deep_field", "rocket", "brick", "astronaut", "grass", "coffee", "retina", "gravel")
"""The photographs of the tour's wall, row by row."""

_VEIL = 0.93  # the grey, in 0..1, that covers the picture at the lowest score


def spread(scores: np.ndarray, size: int) -> np.ndarray:
    """A map (cells, cells) at the picture's `size` in pixels: every pixel takes the value of the nearest cell.

    Cell i looks around pixel i * size / cells, as in every network of the book. Nothing is smoothed.
    """
    cells, jump = len(scores), size // len(scores)
    nearest = np.minimum((np.arange(size) + jump // 2) // jump, cells - 1)  # the cell of each pixel
    return scores[np.ix_(nearest, nearest)]


def unveil(picture: torch.Tensor, scores: torch.Tensor) -> np.ndarray:
    """The picture, uint8 (3, S, S), under a veil that is thin where the scores (cells, cells) are high.

    The highest score leaves the picture as it is, the lowest hides it. Returns float (S, S, 3) in 0..1.
    """
    values = spread(np.asarray(scores, dtype=float), picture.shape[-1])
    fraction = ((values - values.min()) / max(np.ptp(values), 1e-12))[..., None]
    return fraction * np.asarray(picture.permute(1, 2, 0)) / 255 + (1 - fraction) * _VEIL


def peak_pixel(scores: torch.Tensor, size: int) -> tuple[int, int]:
    """(x, y) of the pixel that the highest-scoring cell of a map (cells, cells) looks around."""
    row, column = divmod(int(scores.argmax()), scores.shape[1])
    jump = size // scores.shape[1]
    return column * jump, row * jump


def points_into(scores: torch.Tensor, box: tuple[int, int, int, int], size: int) -> bool:
    """Whether the highest-scoring cell of a map (cells, cells) looks around a pixel inside a box.

    The box is (left, top, right, bottom) in pixel edges, the picture `size` pixels a side.
    """
    (x, y), (left, top, right, bottom) = peak_pixel(scores, size), box
    return left <= x < right and top <= y < bottom


def where_it_looks(rows: Sequence[tuple[torch.Tensor, dict[str, torch.Tensor]]], width: float = 9.0) -> Figure:
    """Rows of panels: a picture, then the picture as each network's scores unveil it, a ring at the highest.

    Each row is a picture (3, S, S) and {network: scores (cells, cells)}; `width` is in inches of 80 pixels.
    """
    columns = 1 + len(rows[0][1])
    figure, axes = plt.subplots(len(rows), columns, figsize=(width, width / columns * len(rows) + 0.3), squeeze=False)
    for line, (picture, maps) in zip(axes, rows):
        show_map(line[0], picture.permute(1, 2, 0))
        for ax, scores in zip(line[1:], maps.values(), strict=True):
            show_map(ax, unveil(picture, scores))
            for color, wide in (("white", 4), (ACCENT, 2)):  # a ring that shows on any background, also at the border
                ring = {"markerfacecolor": "none", "markeredgecolor": color, "mew": wide, "clip_on": False}
                ax.plot(*peak_pixel(scores, picture.shape[-1]), "o", markersize=14, **ring)
    titles = [f"{display_name(name)}: {len(scores)} × {len(scores)} cells" for name, scores in rows[0][1].items()]
    for ax, title in zip(axes[0], ["the picture", *titles], strict=True):
        ax.set_title(title)
    return figure


def grids(picture: torch.Tensor, cells: Sequence[int], titles: Sequence[str]) -> Figure:
    """The picture under grids of so many cells a side, one panel each: how finely a last map can tell places apart."""
    figure = show_row([picture.permute(1, 2, 0)] * len(cells), titles, height=4.0)
    for ax, count in zip(figure.axes, cells):
        for edge in np.arange(1, count) * picture.shape[-1] / count - 0.5:
            ax.axvline(edge, color="white", linewidth=0.8)
            ax.axhline(edge, color="white", linewidth=0.8)
    return figure


def maps_in_a_row(picture: torch.Tensor, maps: dict[str, torch.Tensor]) -> Figure:
    """A picture (3, S, S) and one class's scores in several networks, {network: (cells, cells)}; white is high."""
    titles = ["the picture", *map(display_name, maps)]
    return show_row([picture.permute(1, 2, 0), *maps.values()], titles, height=9 / len(titles))


def boxes_on(
    picture: torch.Tensor, wanted: str, weights: Mapping[str, str], thresholds: Mapping[str, float], width: float = 9.0
) -> np.ndarray:
    """A picture, and where networks see a class, with its box, as pixels (H, W, 3).

    Args:
        picture: uint8 (3, S, S).
        wanted: the class's name.
        weights, thresholds: by the name of a network.
        width: in inches of 120 pixels.
    """
    size, panels, marks = picture.shape[-1], [np.asarray(picture.permute(1, 2, 0)) / 255], []
    titles = ["the picture"]
    for name, file in weights.items():
        network = load_trained(file)
        index = network.classes.index(wanted)
        with torch.inference_mode():
            scores = network.score_map(normalize(picture[None]))  # (1, classes, cells, cells)
        own, jump = np.asarray(scores[0, index]), size // scores.shape[-1]
        box = localization.boxes(scores, torch.tensor([index]), thresholds[name], (size, size), jump=jump)[0]
        fraction = np.kron((own - own.min()) / max(np.ptp(own), 1e-12), np.ones((jump, jump)))[..., None]
        panels.append(fraction * panels[0] + (1 - fraction) * _VEIL)  # tiles, as the boxes take them
        row, column = divmod(int(own.argmax()), len(own))
        marks.append(((column + 0.5) * jump - 0.5, (row + 0.5) * jump - 0.5, box.numpy() - 0.5))
        titles.append(f"{display_name(name)}: {len(own)} × {len(own)} cells")
    use_style()
    figure = show_row(panels, titles, height=width / len(panels))
    for ax, (x, y, (left, top, right, bottom)) in zip(figure.axes[1:], marks):
        for color, wide in (("white", 4), (ACCENT, 2)):
            ax.plot(x, y, "o", markersize=14, markerfacecolor="none", markeredgecolor=color, mew=wide, clip_on=False)
            edges = {"fill": False, "edgecolor": color, "linewidth": wide, "clip_on": False}
            ax.add_patch(Rectangle((left, top), right - left, bottom - top, **edges))  # none where no cell qualifies
    figure.set(facecolor="white", dpi=120)
    canvas = FigureCanvasAgg(figure)  # whatever the backend of the moment is
    canvas.draw()
    plt.close(figure)
    return np.asarray(canvas.buffer_rgba())[..., :3]
