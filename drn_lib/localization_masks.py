"""Localization with a mask as truth: what a run of the study `pets` records on photographs of cats and dogs.

A box around an animal holds much that is not the animal, and in most photographs of the pets the whole frame is nearly
the right box. The mask asks more of a map:

    mask_iou             overlap of the cells where the breed wins and scores above t, each standing for its tile of
                         pixels, with the animal's pixels; the border that the annotators left open counts nowhere
    mask_pointing_error  the highest cell's middle does not lie on the animal or its border

Both stand beside the box errors of `localization_runs`, and beside answers that look at no photograph. The threshold t
is chosen on the tune part, as there. A ResNet is measured twice, as trained and, under `posthoc`, dilated afterwards by
the exact rule.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from drn_lib import localization_scores as scoring
from drn_lib.conversion import dilate
from drn_lib.localization import peak_points
from drn_lib.localization_runs import (
    READING,
    Evidence,
    View,
    gather,
    measure_setting,
    percent,
    stored_iou,
    trivial_answers,
)
from drn_lib.network import Network
from drn_lib.samples import IGNORE, ImageDataset


def measure_masks(
    model: Network, image_size: int, tune: ImageDataset, test: ImageDataset
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Localization of a trained network on photographs with masks, with all that is chosen chosen on the tune part.

    Args:
        model: a network of the book, trained; it is put in evaluation mode.
        image_size: pixels a side of the photographs and of the network's input.
        tune, test: photographs of one size with labels, boxes and masks.

    Returns:
        Metrics by names that begin with `pets.`, `pets.posthoc.` and `pets.trivial.`: those of
        `localization_runs.measure_setting`, and with a mask as truth `mask_iou` (mean over photographs, 0 to 1),
        `mask_threshold`, `mask_pointing_error` (percent). And arrays by the same beginnings, one entry for each
        photograph: `mask_iou` (`stored_iou`), `mask_pointing` (bool); `mask_curve` (41, 2) is the mean IoU
        against the 41 thresholds on tune and on test.
    """
    (tune_view, tune_masks), (test_view, test_masks) = _with_masks(tune), _with_masks(test)
    metrics = trivial_answers(tune_view, test_view, "pets.trivial")
    metrics.update(_trivial_masks(tune_view, test_view, test_masks))
    networks = {"pets": model}
    if model.table.dilation_rule is None:
        networks["pets.posthoc"] = dilate(model, output_stride=8, dilation_rule="exact")
    per_image = {}
    for prefix, network in networks.items():
        found, arrays = measure_setting(network, tune_view, test_view, image_size)
        evidence = gather(network, tune_view, image_size)
        thresholds = evidence.readings()[READING[0]][1]  # (41,), in the unit of the tune part
        tune_ious = mask_overlaps(evidence, thresholds, tune_masks)  # (41, N)
        best = int(tune_ious.mean(dim=1).argmax())
        evidence = gather(network, test_view, image_size)
        test_ious = mask_overlaps(evidence, thresholds, test_masks)
        pointing = on_mask(peak_points(evidence.own, evidence.size, jump=evidence.jump), test_masks)
        found["mask_threshold"], found["mask_iou"] = thresholds[best].item(), test_ious[best].mean().item()
        found["mask_pointing_error"] = percent(~pointing)
        arrays["mask_iou"] = stored_iou(test_ious[best])
        arrays["mask_pointing"] = pointing.numpy()
        arrays["mask_curve"] = torch.stack([tune_ious.mean(dim=1), test_ious.mean(dim=1)], 1).numpy().astype(np.float32)
        metrics.update({f"{prefix}.{key}": value for key, value in found.items()})
        per_image.update({f"{prefix}.{key}": value for key, value in arrays.items()})
    return metrics, per_image


def mask_overlaps(evidence: Evidence, thresholds: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of the qualifying cells' tiles with the animal, at every threshold.

    Args:
        evidence: of the photographs, whose sides are multiples of the network's output stride.
        thresholds: (T,), in logits.
        masks: uint8 (N, H, W): 0 background, 1 animal, 255 counted nowhere.

    Returns:
        (T, N), 0..1, double. Where no cell qualifies it is 0.

    Raises:
        ValueError: masks of another size than the network's input, or cells that do not tile it.
    """
    jump = evidence.jump
    expected = tuple(cells * jump for cells in evidence.own.shape[1:])
    if tuple(masks.shape[1:]) != expected or evidence.size != expected:
        raise ValueError(
            f"masks {tuple(masks.shape[1:])} and input {evidence.size} are not {expected}, cells of {jump} px"
        )
    animal, counted = (_pixels_by_tile(part, jump) for part in (masks == 1, masks != IGNORE))  # (N, h, w)
    wanted = animal.sum(dim=(1, 2))
    overlaps = []
    for threshold in thresholds:
        cells = (evidence.wins & (evidence.own > threshold)).double()
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


def _trivial_masks(tune: View, test: View, masks: Tensor) -> dict[str, float]:
    """The answers that look at no photograph, against the masks."""
    height, width = test.size
    boxes = {
        "whole_image": scoring.whole_image(1, test.size)[0],
        "fixed_box": scoring.best_fixed_box(tune.true, tune.size),
    }
    animal, counted = (masks == 1).double(), (masks != IGNORE).double()
    metrics = {}
    for name, box in boxes.items():
        x0, y0, x1, y1 = (round(edge) for edge in box.tolist())
        inside = torch.zeros(height, width, dtype=torch.double)
        inside[y0:y1, x0:x1] = 1.0
        shared = (animal * inside).sum(dim=(1, 2))
        either = (counted * inside).sum(dim=(1, 2)) + animal.sum(dim=(1, 2)) - shared
        metrics[f"pets.trivial.{name}.mask_iou"] = (shared / either.clip(min=1)).mean().item()
        points = ((box[:2] + box[2:]) / 2).expand(len(masks), 2)
        metrics[f"pets.trivial.{name}.mask_pointing_error"] = percent(~on_mask(points, masks))
    return metrics


def _with_masks(dataset: ImageDataset) -> tuple[View, Tensor]:
    """All photographs of a dataset, read once, and their masks as uint8 (N, H, W)."""
    samples = [dataset[index] for index in range(len(dataset))]
    images = torch.stack([sample["image"] for sample in samples])
    labels = torch.tensor([sample["label"] for sample in samples])
    masks = torch.stack([sample["mask"].to(torch.uint8) for sample in samples])
    return View(images, labels, scoring.pad_boxes([sample["boxes"] for sample in samples])), masks
