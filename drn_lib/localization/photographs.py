"""The object in one photograph of any size: `find_object`.

Which part of the photograph the network sees, and where the class comes from, are arguments. torch is imported when a
function runs, so that the command line starts without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drn_lib.checks import one_of, whole_number
from drn_lib.images import MOST_SIDE, cut_crops, normalize, require_small
from drn_lib.localization.options import BoxOptions

if TYPE_CHECKING:
    from torch import Tensor

    from drn_lib.network import Network

SIZE = 224
"""Pixels to which the shorter side of a photograph is brought: the paper's input size."""
CROP_CHOICES = ("none", "centre")
CLASS_FROM = ("whole", "centre", "ten")
MARGIN = 256 / 224
"""Shorter side of a photograph over the crops' side where crops name the class: as ImageNet classifiers are tested."""


@dataclass(frozen=True)
class Found:
    """What a network found in one image; boxes are (x0, y0, x1, y1), pixel edges in the image as it was given."""

    index: int  # of the class that was looked for
    box: tuple[float, float, float, float] | None  # None where no cell qualifies
    probability: float  # of the class, from the logits that `class_from` chose
    class_map: Tensor  # scores of the class, (h, w)
    seen: tuple[float, float, float, float] | None = None  # what the network saw; None: the whole image
    cells: tuple[Tensor, Tensor] | None = None  # `places.cells_of_pixels` of what was seen; None: stretch the map

    def laid_out(self) -> Tensor:
        """The class map over what was seen, unsmoothed: the score of the cell that each pixel row and column is in."""
        return self.class_map if self.cells is None else self.class_map[self.cells[0]][:, self.cells[1]]


def find_object(
    model: Network,
    image: Tensor,
    threshold: float = -math.inf,
    index: int | None = None,
    size: int = SIZE,
    crop: str = "none",
    class_from: str = "whole",
    options: BoxOptions | None = None,
) -> Found:
    """The box of one class in a photograph of any size and aspect.

    Args:
        model: a trained network.
        image: uint8 (3, H, W).
        threshold: t of equation (2); by default none, so that every cell counts where the class wins.
        index: the class to look for; None takes the class that the network names.
        size: pixels to which the shorter side is brought before the network sees it.
        crop: what the box is looked for in: "none", the whole photograph, since what is cut away cannot be found (the
            default), or "centre", its central square, as classifiers are mostly tested.
        class_from: what names the class, and gives it its probability: "whole", the mean of the score map that gives
            the box (the default: one pass for both, as in Fig. 2), or "centre" and "ten", one and ten crops of `size`
            pixels, cut as for Table 1 (`images.cut_crops`), their logits averaged.
        options: what the paper leaves open about the box; the default has the network's own `cell_edges`, which is
            "measured" for `lite.LiteNetwork` and "tile" for the others.

    Returns:
        What was found, its box in pixels of `image`.

    Raises:
        DataError: the image would grow beyond `images.MOST_PIXELS`.
        ValueError: a size below 1, an unknown class or choice, or what `localization.boxes` refuses.
    """
    import torch

    from drn_lib.localization.equations import class_evidence, pooled_logits, tight_boxes
    from drn_lib.localization.places import cells_of_pixels, own_place
    from drn_lib.probing import evaluating

    one_of("choice of crop called", crop, CROP_CHOICES)
    one_of("choice of class_from called", class_from, CLASS_FROM)
    known = model.classifier.out_channels
    if index is not None and not 0 <= index < known:
        raise ValueError(f"the network has the classes 0 to {known - 1}, not {index}")
    small = _brought_to(image, size)  # (3, h', w')
    (height, width), (rows, columns) = image.shape[1:], small.shape[1:]
    left, top = ((columns - size) // 2, (rows - size) // 2) if crop == "centre" else (0, 0)
    seen = small[:, top : top + size, left : left + size] if crop == "centre" else small
    seen_size = tuple(seen.shape[1:])
    options, centre = own_place(model, seen_size, options)
    with torch.inference_mode(), evaluating(model):
        device = next(model.parameters()).device
        score_map = model.score_map(normalize(seen[None].to(device))).float().cpu()  # (1, C, h, w)
        logits = pooled_logits(score_map)[0]
        if class_from != "whole":
            crops = cut_crops(image, round(MARGIN * size), size, 10 if class_from == "ten" else 1)
            logits = model(normalize(crops.to(device))).float().cpu().mean(dim=0)
        index = int(logits.argmax()) if index is None else index
        class_scores, is_argmax = class_evidence(score_map, torch.tensor([index]), options.scores)
        place = {"jump": model.feature_info[-1].reduction, "centre": centre}
        box = tight_boxes(class_scores, is_argmax, threshold, seen_size, options, **place)[0]
        cells = cells_of_pixels(tuple(class_scores.shape[1:]), seen_size, cell_edges=options.cell_edges, **place)
    corner, pixel = torch.tensor([left, top] * 2), torch.tensor([width / columns, height / rows] * 2)

    def in_image(edges: Tensor) -> tuple[float, ...]:
        return tuple(((edges + corner) * pixel).tolist())

    part = in_image(torch.tensor([0.0, 0.0, size, size])) if crop == "centre" else None
    found = None if box.isnan().any() else in_image(box)
    return Found(index, found, logits.softmax(dim=0)[index].item(), class_scores[0].clone(), part, cells)


def class_index(model: Network, wanted: str) -> int:
    """The number of a class by its name (upper and lower case are alike) or by its number.

    Raises ValueError where there is no such class; the sentence names the nearest.
    """
    import difflib

    names, count = model.classes, model.classifier.out_channels
    lowered = [name.lower() for name in names or ()]
    if wanted.lower() in lowered:
        return lowered.index(wanted.lower())
    if wanted.isdecimal() and int(wanted) < count:
        return int(wanted)
    if names is None:
        raise ValueError(f"these weights do not name their classes: name a class by its number, 0 to {count - 1}")
    near = difflib.get_close_matches(wanted.lower(), lowered, 3) or lowered[:25]
    near = ", ".join(names[lowered.index(name)] for name in near)
    raise ValueError(f"the network has no class {wanted!r}; there are {near}")


def _brought_to(image: Tensor, size: int) -> Tensor:
    """The image uint8 (3, H, W) with a shorter side of `size`."""
    from torchvision.transforms import functional

    whole_number("size", size, 1, MOST_SIDE)
    height, width = image.shape[1:]
    factor = size / min(height, width)
    target = [max(1, round(height * factor)), max(1, round(width * factor))]
    require_small(image, size)
    return functional.resize(image, target, antialias=True)
