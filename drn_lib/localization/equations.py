"""Where is the object? Boxes read off the score map of a classifier that never saw one.

The paper's method (section 4) in three equations. Let f(c, w, h) be the score of class c at cell (w, h):

    (1)  g(w, h) = { c : f(c, w, h) >= f(c', w, h) for all classes c' }
    (2)  B_c = boxes that hold every cell with c in g(w, h) and f(c, w, h) > t
    (3)  b_c = the box of B_c with the smallest area

B_c holds every box around *all* qualifying cells, so b_c is the tight box around all of them: no connected
parts, no largest blob. What the paper leaves open is a named argument here, its default with the reason. Beside it
stands the field's usual method, in `localization_cam`. Chapter 06 derives both.

A box is (x0, y0, x1, y1) in pixel edges, half open, as in every dataset of the book (`drn_lib.datasets.base`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from drn_lib.geometry.axis import Pair, pair
from drn_lib.geometry.axis import cell_edges as edges_of_cells

SCORES = ("logits", "softmax")
CELL_EDGES = ("centre", "tile")
EMPTY = ("none", "peak", "image")
ONE_CELL = ("box", "none")


def class_map(score_map: Tensor) -> Tensor:
    """Which classes win at each cell: equation (1). Where several share the highest score, all of them win.

    Args:
        score_map: (N, C, h, w).

    Returns:
        Boolean (N, C, h, w): whether c is in g(w, h). `.int().argmax(1)` gives one class a cell, to draw it.

    Raises:
        ValueError: the map has another shape, no cell or values that are not finite.

    Source: equation (1).
    """
    _check_map(score_map)
    return score_map == score_map.amax(dim=1, keepdim=True)


def boxes(
    score_map: Tensor,
    classes: Tensor,
    threshold: float | Tensor,
    image_size: Pair,
    *,
    scores: str = "logits",
    cell_edges: str = "tile",
    empty: str = "none",
    one_cell: str = "box",
    jump: Pair | None = None,
) -> Tensor:
    """The box of one class in each image: the tight box around all cells where it wins and scores more than t.

    Args:
        score_map: logits (N, C, h, w), for example of `Network.score_map`.
        classes: (N,), the class to look for in each image; integers in 0..C-1.
        threshold: t of equation (2), in logits or as a probability (see `scores`); `-math.inf` leaves the condition
            out. The paper does not give its value, so there is no default. A tensor (T,) asks for all of them at once.
        image_size: pixels, one number or (height, width).
        scores: what t is compared with, "logits" or the "softmax" over the classes of a cell. The default is the score
            map as the classifier gives it, which is what the paper calls the response. Both agree on who wins.
        cell_edges: which pixels a cell stands for, which the paper does not say: "tile", as if the map were laid over
            the image ([8i, 8i + 8) for a DRN), or "centre", what lies nearest to the middle of its field (8i - 4 to
            8i + 4). See `geometry.cell_edges`. By the geometry it is "centre", but then the last half cell of the image
            belongs to none, and a coarse map suffers most: the default did better on tune images, mostly.
        empty: what to answer where no cell qualifies, so that (3) has no answer: "none" (a box of NaN, which overlaps
            nothing; the default, as no answer must not pass for one), "peak" (the class's highest cell) or "image".
        one_cell: what to answer where one cell alone qualifies. Counted in cells, (3) gives it no area: "box" takes its
            pixels (the default: a box of a cell's size is the right answer for a small object), "none" takes it for
            no answer, as if no cell qualified.
        jump: input pixels between neighbouring cells, one number or (along the height, along the width); None works
            it out, see `map_jump`.

    Returns:
        Pixel edges (N, 4), float32, clipped to the image; (T, N, 4) for a tensor of thresholds.

    Raises:
        ValueError: shapes that do not fit, a class out of range, values or thresholds that are not numbers, an
            unknown choice, or a map that does not belong to the image's size.

    Source: equations (2) and (3).
    """
    own, wins = class_evidence(score_map, classes, scores)  # (N, h, w) each
    choices = {"cell_edges": cell_edges, "empty": empty, "one_cell": one_cell, "jump": jump}
    return tight_boxes(own, wins, threshold, image_size, **choices)


def class_evidence(score_map: Tensor, classes: Tensor, scores: str = "logits") -> tuple[Tensor, Tensor]:
    """What equations (2) and (3) need of a score map, a C-th of its size.

    Args:
        score_map, classes, scores: as for `boxes`.

    Returns:
        The class's score at every cell, and whether it wins there: (N, h, w), float and boolean.

    Raises:
        ValueError: shapes that do not fit, a class out of range, values that are not numbers, or unknown `scores`.
    """
    check_choice("scores", scores, SCORES)
    _check_map(score_map)
    _check_classes(classes, len(score_map), score_map.shape[1])
    logits = score_map.gather(1, classes.long().view(-1, 1, 1, 1).expand(-1, 1, *score_map.shape[2:]))[:, 0]
    wins = logits >= score_map.amax(dim=1)  # equation (1) for this class alone
    own = logits if scores == "logits" else (logits - score_map.logsumexp(dim=1)).exp()
    return own, wins


def tight_boxes(
    own: Tensor,
    wins: Tensor,
    threshold: float | Tensor,
    image_size: Pair,
    *,
    cell_edges: str = "tile",
    empty: str = "none",
    one_cell: str = "box",
    jump: Pair | None = None,
) -> Tensor:
    """`boxes` from what `class_evidence` gives; other arguments, result and errors as there."""
    check_choice("cell_edges", cell_edges, CELL_EDGES)
    check_choice("empty", empty, EMPTY)
    check_choice("one_cell", one_cell, ONE_CELL)
    check_own(own)
    if wins.shape != own.shape:
        raise ValueError(f"scores {tuple(own.shape)} and winning cells {tuple(wins.shape)} differ in shape")
    t = torch.as_tensor(threshold, dtype=own.dtype, device=own.device)
    if t.dim() > 1 or bool(t.isnan().any()):
        raise ValueError(f"the threshold must be a number or a tensor (T,) of numbers, not {threshold!r}")
    rows, columns = own.shape[1:]
    jumps = map_jump((rows, columns), image_size) if jump is None else checked_jump(jump, (rows, columns), image_size)
    height, width = pair(image_size)

    # A row holds a qualifying cell if its highest winning score exceeds t: all thresholds from two small maxima.
    evidence = own.masked_fill(~wins, -math.inf)  # (N, h, w)
    in_row = evidence.amax(dim=2) > t.view(-1, 1, 1)  # (T, N, h)
    in_column = evidence.amax(dim=1) > t.view(-1, 1, 1)  # (T, N, w)
    y0, y1 = extent(in_row, jumps[0], height, cell_edges)
    x0, x1 = extent(in_column, jumps[1], width, cell_edges)
    found = torch.stack([x0, y0, x1, y1], dim=-1).to(torch.float32)  # (T, N, 4)

    least = 1 if one_cell == "box" else 2  # of qualifying cells; one alone marks one row and one column
    nothing = ((in_row.sum(dim=2) < least) & (in_column.sum(dim=2) < least))[..., None]  # (T, N, 1)
    if empty == "peak":
        row, column = _peak(own)
        y0, y1 = edges_of_cells(row, jumps[0], height, convention=cell_edges)
        x0, x1 = edges_of_cells(column, jumps[1], width, convention=cell_edges)
        instead = torch.stack([x0, y0, x1, y1], dim=-1).to(torch.float32)  # (N, 4)
    else:
        edges = [0.0, 0.0, width, height] if empty == "image" else [math.nan] * 4
        instead = torch.tensor(edges, dtype=torch.float32, device=own.device)
    found = torch.where(nothing, instead, found)
    return found if t.dim() else found[0]


def peak_points(own: Tensor, image_size: Pair, *, cell_edges: str = "tile", jump: Pair | None = None) -> Tensor:
    """The middle of the cell where a class scores highest, whether or not it wins there.

    Args:
        own: the class's score (N, h, w), for example of `class_evidence`; the first of equal cells counts.
        image_size, jump: as for `boxes`.
        cell_edges: "centre" puts cell i at the middle of pixel j i, "tile" at the middle of its tile.

    Returns:
        (N, 2), x and y in pixels, inside the image.
    """
    check_choice("cell_edges", cell_edges, CELL_EDGES)
    cells = tuple(own.shape[1:])
    jumps = map_jump(cells, image_size) if jump is None else checked_jump(jump, cells, image_size)
    places = []
    for index, step, size in zip(_peak(own), jumps, pair(image_size)):
        place = index * step + (0.5 if cell_edges == "centre" else step / 2)
        places.append(place.to(torch.float32).clip(max=size - 0.5))
    return torch.stack(places[::-1], dim=-1)


def map_jump(cells: tuple[int, int], image_size: Pair) -> tuple[int, int]:
    """Input pixels between neighbouring cells, from the map's and the image's size alone.

    A network of the book makes ceil(H / S) cells of H pixels, S a power of two. The smallest such S that fits both
    axes is taken; failing that, sizes that divide evenly.

    Args:
        cells: (h, w) of the map.
        image_size: pixels, one number or (height, width).

    Raises:
        ValueError: neither gives a whole number; the caller then has to say `jump`.
    """
    size = pair(image_size)
    for power in range(12):
        if all(math.ceil(side / 2**power) == count for side, count in zip(size, cells)):
            return 2**power, 2**power
    if all(side % count == 0 and side >= count for side, count in zip(size, cells)):
        return size[0] // cells[0], size[1] // cells[1]
    raise ValueError(
        f"a map of {cells[0]}x{cells[1]} cells does not follow from an image of {size[0]}x{size[1]} pixels (height x "
        "width) by a power of two; give the size that the network saw, or jump="
    )


def pooled_logits(score_map: Tensor) -> Tensor:
    """The classifier's logits (N, C): the mean of the map, since pooling and the 1x1 classifier commute (Fig. 2)."""
    return score_map.mean(dim=(2, 3))


@torch.inference_mode()
def localize(
    model: nn.Module, x: Tensor, threshold: float, classes: Tensor | None = None, **choices
) -> tuple[Tensor, Tensor]:
    """Class and box of normalized images in one forward pass.

    Args:
        model: has `score_map`, like every network of the book.
        x: (N, 3, H, W), normalized.
        threshold: as for `boxes`.
        classes: (N,); None takes the class with the highest pooled logit.
        **choices: the keywords of `boxes`.

    Returns:
        Classes (N,) and boxes (N, 4).
    """
    score_map = model.score_map(x)  # (N, C, h, w)
    if classes is None:
        classes = pooled_logits(score_map).argmax(dim=1)
    return classes, boxes(score_map, classes, threshold, tuple(x.shape[2:]), **choices)


def extent(taken: Tensor, jump: int, size: int, convention: str) -> tuple[Tensor, Tensor]:
    """Pixel edges from the first to the last True along the last axis; where there is none the values mean nothing."""
    count = taken.shape[-1]
    first = taken.int().argmax(dim=-1)
    last = count - 1 - taken.flip(-1).int().argmax(dim=-1)
    low, _ = edges_of_cells(first, jump, size, convention=convention)
    _, high = edges_of_cells(last, jump, size, convention=convention)
    return low, high


def _peak(own: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of the highest cell, (N,) each."""
    check_own(own)
    index = own.flatten(1).argmax(dim=1)
    return index // own.shape[2], index % own.shape[2]


def checked_jump(jump: Pair, cells: tuple[int, int], image_size: Pair) -> tuple[int, int]:
    for step, count, side in zip(pair(jump), cells, pair(image_size)):
        if step < 1 or (count - 1) * step >= side:
            raise ValueError(f"{count} cells {step} pixels apart do not lie in {side} pixels; give the map's own jump")
    return pair(jump)


def _check_map(score_map: Tensor) -> None:
    if score_map.dim() != 4 or 0 in score_map.shape[1:]:
        raise ValueError(f"expected a score map (N, C, h, w) with cells, got {tuple(score_map.shape)}")
    if not score_map.is_floating_point():
        raise ValueError(f"a score map holds floating-point numbers, not {score_map.dtype}")
    if not bool(score_map.isfinite().all()):
        raise ValueError("the score map holds values that are not finite; check the weights and the input")


def check_own(own: Tensor) -> None:
    if own.dim() != 3 or 0 in own.shape[1:] or not bool(own.isfinite().all()):
        raise ValueError(f"expected finite scores of one class (N, h, w) with cells, got {tuple(own.shape)}")


def _check_classes(classes: Tensor, images: int, count: int) -> None:
    if classes.dim() != 1 or len(classes) != images or classes.is_floating_point() or classes.dtype is torch.bool:
        raise ValueError(f"expected one whole class number for each of {images} images, got {tuple(classes.shape)}")
    if images and (int(classes.min()) < 0 or int(classes.max()) >= count):
        raise ValueError(f"classes must lie in 0..{count - 1}; found {int(classes.min())}..{int(classes.max())}")


def check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be {' or '.join(map(repr, known))}, not {value!r}")
