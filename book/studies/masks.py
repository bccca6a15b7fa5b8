"""Localization with a mask as truth: what a run of the study `pets` records on photographs of cats and dogs.

A box around an animal holds much that is not the animal, and in most photographs of the pets the whole frame is nearly
the right box. The mask asks more of a map:

    mask_iou             overlap of the cells where the breed wins and scores above t, each standing for its tile of
                         pixels, with the animal's pixels; the border that the annotators left open counts nowhere
    mask_iou_own         the same of all cells where its score lies above t, whether or not it wins there: naming the
                         breed does not enter
    mask_pointing_error  the highest cell's middle does not lie on the animal or its border
    best70.gt_known_70   the box error at IoU 0.7, with a threshold that was chosen for 0.7

They stand beside the box errors of `localization`, beside answers that look at no photograph, each fitted to its
own column on the validation split, and beside the best that whole tiles allow (`tiles_32`, `tiles_8`). Every
threshold t is chosen on the validation split. A ResNet is measured twice, as trained and, under `posthoc`, dilated
afterwards by the exact rule.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from book.studies.localization import (
    REPORTED_VARIANT,
    ClassMaps,
    EvalSet,
    collect_class_maps,
    measure_setting,
    percent,
    stored_iou,
    trivial_baselines,
)
from drn_lib.conversion import dilate
from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.contract import IGNORE
from drn_lib.localization import scores as scoring
from drn_lib.localization.equations import peak_points
from drn_lib.network import Network


def measure_masks(
    model: Network, image_size: int, tune: ImageDataset, test: ImageDataset
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Localization of a trained network on photographs with masks, everything chosen on the validation split.

    Args:
        model: a network of the book, trained; it is put in evaluation mode.
        image_size: pixels a side of the photographs and of the network's input.
        tune, test: photographs of one size with labels, boxes and masks.

    Returns:
        Metrics by names that begin with `pets.`, `pets.posthoc.` and `pets.trivial.`: those of
        `localization.measure_setting`, and those at the head of this file (overlaps are means over photographs,
        0 to 1, errors in percent), with `mask_threshold`. And arrays by the same beginnings, one entry for each
        photograph: `mask_iou`, `mask_iou_own` and `best70.iou` (`stored_iou`), `mask_pointing` (bool); `mask_curve`
        (41, 2) is the mean of `mask_iou` against the 41 thresholds on validation and on test.
    """
    (tune_set, tune_masks), (test_set, test_masks) = _with_masks(tune), _with_masks(test)
    metrics = trivial_baselines(tune_set, test_set, "pets.trivial")
    metrics.update(_trivial_masks((tune_set, tune_masks), (test_set, test_masks)))
    networks = {"pets": model}
    if model.table.dilation_rule is None:
        networks["pets.posthoc"] = dilate(model, output_stride=8, dilation_rule="exact")
    per_image = {}
    for prefix, network in networks.items():
        found, arrays = measure_setting(network, tune_set, test_set, image_size)
        maps = collect_class_maps(network, tune_set, image_size)
        thresholds = maps.variants()[REPORTED_VARIANT[0]][1]  # (41,), in the unit of the validation split
        tune_ious, tune_own = (
            mask_overlaps(maps, thresholds, tune_masks, must_win) for must_win in (True, False)
        )  # (41, N)
        best, best_own = (int(ious.mean(dim=1).argmax()) for ious in (tune_ious, tune_own))
        best_70 = int(scoring.gt_known_error(maps.overlaps(tune_set.gt_boxes, *REPORTED_VARIANT), 0.7).argmin())
        unit = {"mean": maps.mean, "deviation": maps.deviation}
        maps = replace(collect_class_maps(network, test_set, image_size), **unit)
        test_ious, test_own = (mask_overlaps(maps, thresholds, test_masks, must_win) for must_win in (True, False))
        boxes_70 = maps.overlaps(test_set.gt_boxes, *REPORTED_VARIANT)[best_70]
        found["mask_iou_own"] = test_own[best_own].mean().item()
        found["best70.gt_known_70"] = scoring.gt_known_error(boxes_70, 0.7).item()
        arrays["mask_iou_own"], arrays["best70.iou"] = stored_iou(test_own[best_own]), stored_iou(boxes_70)
        pointing = on_mask(peak_points(maps.class_scores, maps.size, jump=maps.jump), test_masks)
        found["mask_threshold"], found["mask_iou"] = thresholds[best].item(), test_ious[best].mean().item()
        found["mask_pointing_error"] = percent(~pointing)
        arrays["mask_iou"] = stored_iou(test_ious[best])
        arrays["mask_pointing"] = pointing.numpy()
        arrays["mask_curve"] = torch.stack([tune_ious.mean(dim=1), test_ious.mean(dim=1)], 1).numpy().astype(np.float32)
        metrics.update({f"{prefix}.{key}": value for key, value in found.items()})
        per_image.update({f"{prefix}.{key}": value for key, value in arrays.items()})
    return metrics, per_image


def mask_overlaps(maps: ClassMaps, thresholds: Tensor, masks: Tensor, must_win: bool = True) -> Tensor:
    """Intersection over union of the qualifying cells' tiles with the animal, at every threshold.

    Args:
        maps: of the photographs, whose sides are multiples of the network's output stride.
        thresholds: (T,), in logits.
        masks: uint8 (N, H, W): 0 background, 1 animal, 255 counted nowhere.
        must_win: whether the class has to score highest at a cell, by equation (1), or only above the threshold.

    Returns:
        (T, N), 0..1, double. Where no cell qualifies it is 0.

    Raises:
        ValueError: masks of another size than the network's input, or cells that do not tile it.
    """
    jump = maps.jump
    expected = tuple(cells * jump for cells in maps.class_scores.shape[1:])
    if tuple(masks.shape[1:]) != expected or maps.size != expected:
        raise ValueError(f"masks {tuple(masks.shape[1:])} and input {maps.size} are not {expected}, cells of {jump} px")
    animal, counted = (_pixels_by_tile(part, jump) for part in (masks == 1, masks != IGNORE))  # (N, h, w)
    wanted = animal.sum(dim=(1, 2))
    overlaps = []
    for threshold in thresholds:
        cells = ((maps.class_scores > threshold) & (maps.is_argmax | (not must_win))).double()
        shared = (cells * animal).sum(dim=(1, 2))
        either = (cells * counted).sum(dim=(1, 2)) + wanted - shared
        overlaps.append(torch.where(either > 0, shared / either.clip(min=1), torch.zeros_like(either)))
    return torch.stack(overlaps)


def on_mask(points: Tensor, masks: Tensor) -> Tensor:
    """Whether a point (x, y) in pixels, (N, 2), lies on the animal or on its border: boolean (N,)."""
    columns, rows = points.long().T
    return masks[torch.arange(len(masks)), rows, columns] != 0


def _pixels_by_tile(inside: Tensor, jump: int) -> Tensor:
    """How many pixels of boolean (N, H, W) are set in each tile of `jump` x `jump` pixels: double (N, h, w)."""
    return nn.functional.avg_pool2d(inside.double()[:, None], jump)[:, 0] * jump**2


def tile_ceiling(masks: Tensor, jump: int) -> Tensor:
    """The best overlap (N,) with each animal that tiles of `jump` x `jump` pixels can have, if the best are taken.

    The best set of so many tiles holds those with the largest fractions of animal among their counted pixels.
    """
    animal, counted = (_pixels_by_tile(part, jump).flatten(1) for part in (masks == 1, masks != IGNORE))  # (N, tiles)
    order = (animal / counted.clip(min=1)).argsort(dim=1, descending=True)
    shared, taken = animal.gather(1, order).cumsum(dim=1), counted.gather(1, order).cumsum(dim=1)
    return (shared / (taken + animal.sum(dim=1, keepdim=True) - shared).clip(min=1)).amax(dim=1)


def _trivial_masks(tune: tuple[EvalSet, Tensor], test: tuple[EvalSet, Tensor]) -> dict[str, float]:
    """Image-agnostic answers, each chosen on the validation split for its own column, and what tiles allow."""
    (tune_set, tune_masks), (test_set, masks) = tune, test
    metrics = {}
    metrics["whole_image.mask_iou"] = _overlap(torch.ones(test_set.size), masks)
    height, width = test_set.size
    middle = torch.tensor([[width / 2, height / 2]]).expand(len(masks), 2)
    metrics["whole_image.mask_pointing_error"] = percent(~on_mask(middle, masks))

    box = scoring.best_fixed_box(tune_set.gt_boxes, tune_set.size, level=0.7)
    ious = scoring.best_iou(box.expand(len(masks), 4), test_set.gt_boxes)
    metrics["fixed_box_70.gt_known_70"] = scoring.gt_known_error(ious, 0.7).item()
    often = (tune_masks == 1).double().mean(dim=0)  # (H, W), how often the animal is there
    candidates = [(often > twentieths / 20).double() for twentieths in range(20)]
    fixed = max(candidates, key=lambda inside: _overlap(inside, tune_masks))
    metrics["fixed_mask.mask_iou"] = _overlap(fixed, masks)
    row, column = divmod(int((tune_masks != 0).double().mean(dim=0).argmax()), width)
    point = torch.tensor([[column + 0.5, row + 0.5]]).expand(len(masks), 2)
    metrics["fixed_point.mask_pointing_error"] = percent(~on_mask(point, masks))
    metrics.update({f"tiles_{jump}.mask_iou": tile_ceiling(masks, jump).mean().item() for jump in (32, 8)})
    return {f"pets.trivial.{name}": value for name, value in metrics.items()}


def _overlap(inside: Tensor, masks: Tensor) -> float:
    """Mean overlap of one mask (H, W) of zeros and ones with the animals of all photographs."""
    animal, counted = (masks == 1).double(), (masks != IGNORE).double()
    shared = (animal * inside).sum(dim=(1, 2))
    either = (counted * inside).sum(dim=(1, 2)) + animal.sum(dim=(1, 2)) - shared
    return (shared / either.clip(min=1)).mean().item()


def _with_masks(dataset: ImageDataset) -> tuple[EvalSet, Tensor]:
    """All photographs of a dataset, read once, and their masks as uint8 (N, H, W)."""
    samples = [dataset[index] for index in range(len(dataset))]
    images = torch.stack([sample["image"] for sample in samples])
    labels = torch.tensor([sample["label"] for sample in samples])
    masks = torch.stack([sample["mask"].to(torch.uint8) for sample in samples])
    return EvalSet(images, labels, scoring.pad_boxes([sample["boxes"] for sample in samples])), masks
