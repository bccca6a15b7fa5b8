"""Where is the object? Boxes read off the score map of a classifier that never saw one.

The paper's method (section 4) in three equations. Let f(c, w, h) be the score of class c at cell (w, h):

    (1)  g(w, h) = { c : f(c, w, h) >= f(c', w, h) for all classes c' }
    (2)  B_c = boxes that hold every cell with c in g(w, h) and f(c, w, h) > t
    (3)  b_c = the box of B_c with the smallest area

B_c holds every box around *all* qualifying cells, so b_c is the tight box around all of them: no connected parts, no
largest blob (CAM boxes do both: `localization.cam`). What the paper leaves open is a field of `BoxOptions`.

A box is (x0, y0, x1, y1) in pixel edges, half open, as in every dataset of the book (`drn_lib.datasets.base`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from drn_lib.checks import one_of, require_class_numbers, require_type, whole_number
from drn_lib.geometry.axis import Pair, pair
from drn_lib.geometry.axis import cell_edges as edges_of_cells
from drn_lib.geometry.axis import image_size as size_of
from drn_lib.localization.options import DEFAULTS, SCORES, BoxOptions
from drn_lib.localization.places import Centre, own_place, place_of_cells
from drn_lib.probing import evaluating


def class_map(score_map: Tensor) -> Tensor:
    """Which classes win at each cell, equation (1): boolean (N, C, h, w), whether c is in g(w, h).

    Where several have the highest score, all of them win; `.int().argmax(1)` gives one class a cell, to draw it.

    Raises:
        ValueError: the map (N, C, h, w) has another shape, no cell or values that are not finite.
    """
    _check_map(score_map)
    return score_map == score_map.amax(dim=1, keepdim=True)


def boxes(
    score_map: Tensor,
    classes: Tensor,
    threshold: float | Tensor,
    image_size: Pair,
    options: BoxOptions = DEFAULTS,
    *,
    jump: Pair | None = None,
    centre: Centre = None,
) -> Tensor:
    """The box of one class in each image: the tight box around all cells where it wins and scores more than t.

    Args:
        score_map: logits (N, C, h, w), for example of `Network.score_map`.
        classes: (N,), the class to look for in each image; integers in 0..C-1.
        threshold: t of equation (2), in logits or as a probability (`options.scores`); `-math.inf` leaves the condition
            out. The paper does not give its value, so there is no default. A tensor (T,) asks for all of them at once.
        image_size: pixels, one number or (height, width).
        options: what the paper leaves open, see there.
        jump: input pixels between neighboring cells, a number or (height, width); None works it out (`map_jump`).
        centre: `geometry.cell_centre(model, image_size)`, which `cell_edges="measured"` needs.

    Returns:
        Pixel edges (N, 4), float32, clipped to the image; (T, N, 4) for a tensor of thresholds.

    Raises:
        ValueError: shapes that do not fit, a class out of range, values or thresholds that are not numbers, or a map
            that does not belong to the image's size.

    Source: equations (2) and (3).
    """
    require_type(options, BoxOptions, "options")
    class_scores, is_argmax = class_evidence(score_map, classes, options.scores)  # (N, h, w) each
    return tight_boxes(class_scores, is_argmax, threshold, image_size, options, jump=jump, centre=centre)


def class_evidence(score_map: Tensor, classes: Tensor, scores: str = "logits") -> tuple[Tensor, Tensor]:
    """One class's scores and where it wins, which is all that equations (2) and (3) need.

    Arguments and errors as for `boxes`.

    Returns:
        The class's score at every cell, as "logits" or "softmax", and whether it wins there: (N, h, w) each.
    """
    one_of("choice of scores called", scores, SCORES)
    _check_map(score_map)
    _check_classes(classes, len(score_map), score_map.shape[1])
    logits = score_map.gather(1, classes.long().view(-1, 1, 1, 1).expand(-1, 1, *score_map.shape[2:]))[:, 0]
    is_argmax = logits >= score_map.amax(dim=1)  # equation (1) for this class only
    class_scores = logits if scores == "logits" else (logits - score_map.logsumexp(dim=1)).exp()
    return class_scores, is_argmax


def tight_boxes(
    class_scores: Tensor,
    is_argmax: Tensor,
    threshold: float | Tensor,
    image_size: Pair,
    options: BoxOptions = DEFAULTS,
    *,
    jump: Pair | None = None,
    centre: Centre = None,
) -> Tensor:
    """`boxes` from what `class_evidence` gives, where `options.scores` was applied; result and errors as there."""
    check_class_scores(class_scores)
    if is_argmax.shape != class_scores.shape:
        shapes = tuple(class_scores.shape), tuple(is_argmax.shape)
        raise ValueError(f"scores {shapes[0]} and winning cells {shapes[1]} differ in shape")
    require_type(options, BoxOptions, "options")
    wrong = f"the threshold must be a number or a tensor (T,) of numbers, not {threshold!r}"
    try:
        t = torch.as_tensor(threshold, dtype=class_scores.dtype, device=class_scores.device)
    except (TypeError, RuntimeError, ValueError):
        raise ValueError(wrong) from None
    if t.dim() > 1 or bool(t.isnan().any()):
        raise ValueError(wrong)
    jumps = jump_of(class_scores, image_size, jump)
    height, width = pair(image_size)
    place = jumps, (height, width), options.cell_edges, place_of_cells(options.cell_edges, centre)
    # A row holds a qualifying cell if its highest winning score exceeds t: all thresholds from two small maxima.
    evidence = class_scores.masked_fill(~is_argmax, -math.inf)  # (N, h, w)
    in_row = evidence.amax(dim=2) > t.view(-1, 1, 1)  # (T, N, h)
    in_column = evidence.amax(dim=1) > t.view(-1, 1, 1)  # (T, N, w)
    tight = around(in_row, in_column, *place)  # (T, N, 4)
    least = 1 if options.one_cell == "box" else 2  # of qualifying cells; a single one marks one row and one column
    nothing = ((in_row.sum(dim=2) < least) & (in_column.sum(dim=2) < least))[..., None]  # (T, N, 1)
    if options.empty == "peak":
        peak = [one_hot(place, count) for place, count in zip(_peak(class_scores), class_scores.shape[1:])]
        instead = around(*peak, *place)  # (N, 4)
    else:
        edges = [0.0, 0.0, width, height] if options.empty == "image" else [math.nan] * 4
        instead = torch.tensor(edges, dtype=torch.float32, device=class_scores.device)
    tight = torch.where(nothing, instead, tight)
    return tight if t.dim() else tight[0]


def peak_points(
    class_scores: Tensor,
    image_size: Pair,
    *,
    cell_edges: str = "tile",
    jump: Pair | None = None,
    centre: Centre = None,
) -> Tensor:
    """The middle of the cell where a class scores highest, whether or not it wins there: (N, 2), x and y in pixels.

    Args:
        class_scores: (N, h, w), for example of `class_evidence`; the first of equal cells counts.
        image_size, jump, centre: as for `boxes`.
        cell_edges: "centre" puts cell i at the middle of pixel j i, "tile" at the middle of its tile, "measured" at the
            middle of its field, where that lies in the image, else at the last pixel.

    Raises:
        ValueError: scores that are not finite (N, h, w) with cells, a map that does not belong to the image's size, or
            an unknown convention of `cell_edges`, or "measured" without `centre`.
    """
    check_class_scores(class_scores)
    centres = place_of_cells(cell_edges, centre)
    places, axes = [], (jump_of(class_scores, image_size, jump), pair(image_size), centres)
    for index, step, size, first in zip(_peak(class_scores), *axes):
        place = index * step + (step / 2 if cell_edges == "tile" else first + 0.5)
        places.append(place.to(torch.float32).clip(max=size - 0.5))
    return torch.stack(places[::-1], dim=-1)


def map_jump(cells: tuple[int, int], image_size: Pair) -> tuple[int, int]:
    """Input pixels between neighboring cells, from only the map's size (h, w) and the image's.

    A network of the book makes ceil(H / S) cells of H pixels, S a power of two. The smallest such S that fits both
    axes is taken; failing that, sizes that divide evenly.

    Raises:
        ValueError: neither gives a whole number; the caller then has to say `jump`.
    """
    size = size_of(image_size)
    for power in range(12):
        if all(math.ceil(side / 2**power) == count for side, count in zip(size, cells)):
            return 2**power, 2**power
    if all(side % count == 0 and side >= count for side, count in zip(size, cells)):
        return size[0] // cells[0], size[1] // cells[1]
    image = f"an image of {size[0]}x{size[1]} pixels (height x width) by a power of two"
    advice = "give the size that the network saw, or jump="
    raise ValueError(f"a map of {cells[0]}x{cells[1]} cells does not follow from {image}; {advice}")


def pooled_logits(score_map: Tensor) -> Tensor:
    """The classifier's logits (N, C): the mean of the map, since pooling and the 1x1 classifier commute (Fig. 2)."""
    return score_map.mean(dim=(2, 3))


@torch.inference_mode()
def localize(
    model: nn.Module,
    x: Tensor,
    threshold: float,
    classes: Tensor | None = None,
    options: BoxOptions | None = None,
    *,
    jump: Pair | None = None,
) -> tuple[Tensor, Tensor]:
    """Class (N,) and box (N, 4) of normalized images x (N, 3, H, W) in one forward pass, in evaluation mode.

    Args:
        model: has `score_map`, like every network of the book.
        threshold, options, jump: as for `boxes`; the default options have the network's own `cell_edges`.
        classes: (N,); None takes the class with the highest pooled logit.

    Raises:
        ValueError: as `boxes`, for this score map and these classes.
    """
    with evaluating(model):
        score_map = model.score_map(x)  # (N, C, h, w)
    classes = pooled_logits(score_map).argmax(dim=1) if classes is None else classes
    size = tuple(x.shape[2:])
    options, centre = own_place(model, size, options)
    return classes, boxes(score_map, classes, threshold, size, options, jump=jump, centre=centre)


def around(
    in_row: Tensor,
    in_column: Tensor,
    jump: Pair,
    size: Pair,
    convention: str,
    centre: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """Pixel edges (..., 4) from the first to the last true cell in rows (..., h) and columns (..., w)."""
    edges = []
    for taken, step, side, first_centre in zip((in_row, in_column), pair(jump), pair(size), centre):
        first = taken.int().argmax(dim=-1)
        last = taken.shape[-1] - 1 - taken.flip(-1).int().argmax(dim=-1)
        edges.append([edges_of_cells(cell, step, side, first_centre, convention) for cell in (first, last)])
    ((y0, _), (_, y1)), ((x0, _), (_, x1)) = edges
    return torch.stack([x0, y0, x1, y1], dim=-1).to(torch.float32)


def jump_of(maps: Tensor, image_size: Pair, jump: Pair | None) -> tuple[int, int]:
    """The jump of maps (N, h, w): the given one if the cells lie in the image, else what `map_jump` works out."""
    cells = tuple(maps.shape[1:])
    if jump is None:
        return map_jump(cells, image_size)
    for step, count, side in zip(pair(jump), cells, size_of(image_size)):
        whole_number("the jump", step, 1)
        if (count - 1) * step >= side:
            raise ValueError(f"{count} cells {step} pixels apart do not lie in {side} pixels; give the map's own jump")
    return pair(jump)


def _peak(class_scores: Tensor) -> tuple[Tensor, Tensor]:
    index = class_scores.flatten(1).argmax(dim=1)
    return index // class_scores.shape[2], index % class_scores.shape[2]


def _check_map(score_map: Tensor) -> None:
    require_type(score_map, Tensor, "the score map")
    if score_map.dim() != 4 or 0 in score_map.shape[1:]:
        raise ValueError(f"expected a score map (N, C, h, w) with cells, got {tuple(score_map.shape)}")
    if not score_map.is_floating_point():
        raise ValueError(f"a score map holds floating-point numbers, not {score_map.dtype}")
    if not bool(score_map.isfinite().all()):
        raise ValueError("the score map holds values that are not finite; check the weights and the input")


def check_class_scores(scores: Tensor) -> None:
    """Raise ValueError where scores are not finite (N, h, w) with cells."""
    require_type(scores, Tensor, "the scores")
    if scores.is_complex():
        raise ValueError(f"scores hold real numbers, not {scores.dtype}")
    if scores.dim() != 3 or 0 in scores.shape[1:] or not bool(scores.isfinite().all()):
        raise ValueError(f"expected finite scores of one class (N, h, w) with cells, got {tuple(scores.shape)}")


def _check_classes(classes: Tensor, images: int, count: int) -> None:
    require_type(classes, Tensor, "the classes")
    if classes.dim() != 1 or len(classes) != images:
        raise ValueError(f"expected one class for each of {images} images, got {tuple(classes.shape)}")
    require_class_numbers(classes, count, "the classes")
