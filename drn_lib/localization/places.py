"""Where the cells of a network's map lie in its image: the one rule for boxes, points and pictures."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from drn_lib.checks import one_of
from drn_lib.geometry.axis import CELL_EDGES, Pair, pair
from drn_lib.geometry.axis import cell_edges as edges_of_cells
from drn_lib.geometry.tracing import cell_centre
from drn_lib.localization.options import DEFAULTS, BoxOptions

Centre = tuple[float, float] | None
"""The middle pixel of cell (0, 0)'s field, along the height and the width; None where nobody asks for it."""


def place_of_cells(cell_edges: str, centre: Centre) -> tuple[float, float]:
    """The middle pixel of cell (0, 0) by a convention: `centre` for "measured", which cannot do without, else 0."""
    one_of("choice of cell_edges called", cell_edges, CELL_EDGES)
    if cell_edges != "measured":
        return 0.0, 0.0
    if centre is None:
        raise ValueError("cell_edges='measured' needs centre=, which geometry.cell_centre(model, image_size) gives")
    return centre


def own_place(model: nn.Module, image_size: Pair, options: BoxOptions | None) -> tuple[BoxOptions, Centre]:
    """The options, by default with the network's own `cell_edges` where it has any; and the centre that they need."""
    if options is None:
        options = replace(DEFAULTS, cell_edges=getattr(model, "cell_edges", DEFAULTS.cell_edges))
    return options, cell_centre(model, image_size) if options.cell_edges == "measured" else None


def cells_of_pixels(
    cells: Pair, image_size: Pair, jump: Pair, cell_edges: str = "tile", centre: Centre = None
) -> tuple[Tensor, Tensor]:
    """Which row and which column of a map's `cells` (h, w) each pixel row (H,) and pixel column (W,) belongs to.

    `class_map[rows][:, columns]` lays a map over its image unsmoothed. A pixel that belongs to no cell goes to the
    nearest one. Arguments and errors as for `localization.boxes`.
    """
    found = []
    axes = pair(cells), pair(image_size), pair(jump), place_of_cells(cell_edges, centre)
    for count, size, step, first in zip(*axes, strict=True):
        _, ends = edges_of_cells(torch.arange(count), step, size, first, cell_edges)
        found.append(torch.searchsorted(ends, torch.arange(size), right=True).clip(max=count - 1))
    return found[0], found[1]
