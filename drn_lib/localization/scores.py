"""How good is a box: overlap, errors, pointing; the best that a grid allows; answers that ignore the image.

A box is (x0, y0, x1, y1) in pixel edges, half open. Several true boxes of an image are (N, M, 4), padded with NaN
(`pad_boxes`); the best one counts. All errors are in percent.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from drn_lib.checks import require_finite, require_type
from drn_lib.evaluation.classification import topk_hits
from drn_lib.geometry.axis import Pair, pair
from drn_lib.geometry.axis import cell_edges as edges_of_cells
from drn_lib.localization.equations import map_jump
from drn_lib.localization.places import Centre, place_of_cells

LEVELS = (0.3, 0.5, 0.7)
"""The overlaps asked for; 0.5 is ILSVRC's and the paper's."""


def iou(pred_boxes: Tensor, gt_boxes: Tensor) -> Tensor:
    """Intersection over union, 0..1 (...), of boxes in pixel edges (..., 4), pair by pair; the shapes broadcast.

    A box with NaN, or empty, overlaps nothing.
    """
    low = torch.maximum(pred_boxes[..., :2], gt_boxes[..., :2])
    high = torch.minimum(pred_boxes[..., 2:], gt_boxes[..., 2:])
    shared = (high - low).clip(min=0).prod(dim=-1)
    union = area(pred_boxes) + area(gt_boxes) - shared
    return torch.where(union > 0, shared / union, torch.zeros_like(union)).nan_to_num(nan=0.0)


def area(boxes: Tensor) -> Tensor:
    """Pixels in boxes (..., 4); 0 where an edge lies before its opposite."""
    return (boxes[..., 2:] - boxes[..., :2]).clip(min=0).prod(dim=-1)


def pad_boxes(boxes: Sequence[Tensor]) -> Tensor:
    """The gt boxes of N images, (M_i, 4) each, M_i > 0, as one tensor (N, M, 4) filled up with NaN."""
    if any(len(own) == 0 for own in boxes):
        raise ValueError("every image needs at least one true box; leave out images without one")
    most = max((len(own) for own in boxes), default=1)
    padded = torch.full((len(boxes), most, 4), torch.nan)
    for row, own in zip(padded, boxes):
        row[: len(own)] = own
    return padded


def best_iou(pred_boxes: Tensor, gt_boxes: Tensor) -> Tensor:
    """Overlap with the gt box that fits best: (..., N), 0..1.

    Args:
        pred_boxes: (..., N, 4), for example (T, N, 4) for T thresholds.
        gt_boxes: of the same N images, (N, 4), or (N, M, 4) with NaN where an image has fewer.
    """
    gt_boxes = _several(gt_boxes)
    if pred_boxes.shape[-2:] != ((count := len(gt_boxes)), 4):
        raise ValueError(f"expected boxes ({count}, 4) for {count} images, got {tuple(pred_boxes.shape)}")
    return torch.stack([iou(pred_boxes, gt_boxes[:, k]) for k in range(gt_boxes.shape[1])]).amax(dim=0)


def gt_known_error(ious: Tensor, level: float = 0.5) -> Tensor:
    """Fraction of images, in percent, whose box for the *true* class overlaps the ground truth by no more than `level`.

    Args:
        ious: (..., N) of at least one image, for example of `best_iou`; the result is (...), double.
    """
    require_type(ious, Tensor, "the overlaps")
    if not ious.dim() or not ious.shape[-1]:
        raise ValueError(f"an error needs at least one image, got overlaps of shape {tuple(ious.shape)}")
    require_finite(ious, "the overlaps")
    # In double, as the outcomes of each image are stored: single precision's 0.3 is a hair above 0.3.
    return 100.0 * (1.0 - (ious.double() > level).double().mean(dim=-1))


def localization_error(logits: Tensor, labels: Tensor, ious: Tensor, k: int = 1, level: float = 0.5) -> float:
    """Fraction of images, in percent, where none of the k best classes is right together with its box: Table 2.

    Only the box of the true class can be right together with its class, so its overlap is all that is needed.

    Args:
        logits, labels: (N, classes) and (N,), as for `topk_hits`.
        ious: (N,), the overlap of the true class's box, which must exceed `level`.
        k: 1 for top-1, 5 for top-5 localization error.

    Source: section 4, Table 2; the rule is ILSVRC's.
    """
    named = topk_hits(logits, labels, k)
    require_type(ious, Tensor, "the overlaps")
    require_finite(ious, "the overlaps")
    if ious.shape != labels.shape:
        raise ValueError(f"expected one overlap for each of {len(labels)} images, got {tuple(ious.shape)}")
    return 100.0 * (1.0 - (named & (ious.double() > level)).double().mean().item())


def pointing_hits(points: Tensor, gt_boxes: Tensor) -> Tensor:
    """Whether a point (N, 2), x and y in pixels, lies in one of the image's gt boxes, (N, 4) or (N, M, 4): (N,)."""
    gt_boxes = _several(gt_boxes)
    inside = (points[:, None] >= gt_boxes[..., :2]) & (points[:, None] < gt_boxes[..., 2:])  # (N, M, 2)
    return inside.all(dim=2).any(dim=1)


def size_terciles(gt_boxes: Tensor) -> Tensor:
    """0, 1 or 2 for images whose gt boxes are in the smallest, middle or largest third by area: (N,).

    Ranks make the thirds, so that they are equal, by the images' order among equal areas; the largest box counts.
    """
    areas = area(_several(gt_boxes)).nan_to_num(nan=0.0).amax(dim=1)
    ranks = areas.argsort(stable=True).argsort()
    return ranks * 3 // max(1, len(areas))


def ceiling(gt_boxes: Tensor, grid: Pair, image_size: Pair, cell_edges: str = "tile", centre: Centre = None) -> Tensor:
    """The best overlap, 0..1 (N,), that any box of whole cells can reach with each gt box (N, 4).

    Beyond the two cell edges that enclose a gt edge the overlap only falls, so two edges a side, 16 boxes, are tried.

    Args:
        grid: cells of the map, one number or (h, w): 7 for ResNet at 224 px, 28 for a DRN.
        image_size, cell_edges, centre: as for `localization.boxes`.

    Raises:
        ValueError: unknown `cell_edges`, or a grid that does not belong to the image's size.
    """
    centres = place_of_cells(cell_edges, centre)
    jumps = map_jump(pair(grid), image_size)
    sides = []
    for count, jump, size, first in zip(
        pair(grid)[::-1], jumps[::-1], pair(image_size)[::-1], centres[::-1]
    ):  # x first
        low, high = edges_of_cells(torch.arange(count), jump, size, first, cell_edges)
        sides.append(torch.cat([low[:1], high]).to(gt_boxes.dtype))
    candidates = [_enclosing(gt_boxes[:, k].contiguous(), sides[k % 2]) for k in range(4)]  # 4 times (N, 2)
    best = torch.zeros(len(gt_boxes), dtype=gt_boxes.dtype)
    for choice in torch.cartesian_prod(*[torch.arange(2)] * 4):
        best = best.maximum(iou(torch.stack([c[:, i] for c, i in zip(candidates, choice)], dim=1), gt_boxes))
    return best


def whole_image(count: int, image_size: Pair) -> Tensor:
    """The box of the whole image, `count` times: (count, 4). The first trivial answer."""
    height, width = pair(image_size)
    return torch.tensor([0.0, 0.0, width, height]).expand(count, 4)


def best_fixed_box(gt_boxes: Tensor, image_size: Pair, level: float = 0.5) -> Tensor:
    """The one box (4,) that is right for most of these images: the second trivial answer. Fit it on the val split.

    All boxes on a grid of 16 steps a side, then single edges moved by ever smaller steps while that helps; where as
    many are right, the higher mean overlap decides.

    Args:
        gt_boxes: (N, 4) or (N, M, 4), at least one image.
        image_size: pixels, one number or (height, width).
        level: the overlap that must be exceeded.
    """
    if not len(gt_boxes):
        raise ValueError("the best fixed box needs at least one image with a true box")
    height, width = pair(image_size)
    limits = torch.tensor([width, height, width, height], dtype=torch.float32)
    pairs = torch.combinations(torch.arange(17), 2).to(torch.float32) / 16  # (136, 2)
    xs, ys = torch.cartesian_prod(torch.arange(len(pairs)), torch.arange(len(pairs))).T
    steps = torch.stack([pairs[xs, 0], pairs[ys, 0], pairs[xs, 1], pairs[ys, 1]], dim=1)
    best, score = _best_of(steps * limits, gt_boxes, level)
    step = max(height, width) / 32
    while step >= 0.5:
        moves = torch.cat([torch.eye(4), -torch.eye(4)]) * step
        moved, moved_score = _best_of((best + moves).clip(min=0).minimum(limits), gt_boxes, level)
        if moved_score > score:
            best, score = moved, moved_score
        else:
            step /= 2
    return best


def _best_of(boxes: Tensor, gt_boxes: Tensor, level: float) -> tuple[Tensor, tuple[float, float]]:
    """The best of boxes (B, 4) and its (fraction right, mean overlap)."""
    scores = []
    for some in boxes.split(512):
        ious = best_iou(some[:, None].expand(-1, len(gt_boxes), 4), gt_boxes)  # (512, N)
        right, mean = (ious > level).double().mean(dim=1), ious.double().mean(dim=1)
        scores += zip(right.tolist(), mean.tolist())
    index = max(range(len(scores)), key=scores.__getitem__)
    return boxes[index], scores[index]


def _enclosing(places: Tensor, edges: Tensor) -> Tensor:
    """The cell edges at or below and at or above each place, (N, 2); the outermost edge where there is none."""
    above = torch.searchsorted(edges.contiguous(), places).clip(max=len(edges) - 1)
    below = (torch.searchsorted(edges.contiguous(), places, right=True) - 1).clip(min=0)
    return torch.stack([edges[below], edges[above]], dim=1)


def _several(gt_boxes: Tensor) -> Tensor:
    require_type(gt_boxes, Tensor, "the true boxes")
    if gt_boxes.dim() not in (2, 3) or gt_boxes.shape[-1] != 4:
        raise ValueError(f"true boxes must be (N, 4) or (N, M, 4), not {tuple(gt_boxes.shape)}")
    return gt_boxes[:, None] if gt_boxes.dim() == 2 else gt_boxes
