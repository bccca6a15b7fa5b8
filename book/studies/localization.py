"""What a run of a study records of localization: boxes and pointing of one trained network, plain and in clutter.

    native        the images at the size that the network was trained at
    px128, px224  enlarged before the fully convolutional pass, boxes scaled back; a fixed part of the images
    clutter       each image on a canvas twice as wide (`drn_lib.datasets.clutter`), seen at the training scale

A ResNet is measured twice, as trained and, under `posthoc`, dilated afterwards by the exact rule: the same function
read on a denser map. Nothing is trained here. The threshold t is chosen on the validation split, for every network and
setting alike, and the whole curve of error against t is kept.

Thresholds. Softmax scores are compared with 0, 1/40, ..., 1. Logits have no scale of their own, and a network trained
longer has larger ones; equation (2) wants one number for all images. Their thresholds are mean + u * deviation, over
all logits of all cells of the validation images, with the same 41 values of u for every network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from drn_lib.conversion import dilate
from drn_lib.datasets.base import ImageDataset
from drn_lib.evaluation.classification import topk_error
from drn_lib.images import enlarge, normalize
from drn_lib.localization import scores as scoring
from drn_lib.localization.cam import cam_boxes
from drn_lib.localization.equations import class_evidence, peak_points, pooled_logits, tight_boxes
from drn_lib.localization.options import SCORES, BoxOptions
from drn_lib.network import Network

U = torch.linspace(-1.0, 5.0, 41)
"""Thresholds of logits, in deviations above the mean."""
PROBABILITIES = torch.linspace(0.0, 1.0, 41)
"""Thresholds of softmax scores."""
CAM_FRACTIONS = torch.linspace(0.1, 0.9, 9)
"""Thresholds of CAM boxes, as fractions of an image's own range; tried on every fourth validation image."""
ENLARGED = {128: (2, 3), 224: (4, 10)}
"""Pixels a side to which images are enlarged: every how many validation and test images are measured there."""
LARGE_CLUTTER = (4, 2)
"""The same for canvases that are enlarged, for networks trained at twice the size: they cost four times as much."""
EDGES = ("centre", "tile")  # what is tried as `BoxOptions.cell_edges`: the networks of the studies have even padding
REPORTED_VARIANT = ("logits", "tile")
"""What is reported on the test split. On the first networks' validation images it did best in most settings; it does
not put the coarse map at a disadvantage: by "centre" the 2x2 cells of a ResNet at 64 px end at pixel 48."""
SIZES = ("small", "medium", "large")


@dataclass(frozen=True)
class EvalSet:
    """Images with labels and ground truth boxes: uint8 (N, 3, H, W), (N,), (N, M, 4) in pixels of these images."""

    images: Tensor
    labels: Tensor
    gt_boxes: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return tuple(self.images.shape[2:])

    def every(self, step: int) -> EvalSet:
        """Every `step`-th image."""
        return EvalSet(self.images[::step], self.labels[::step], self.gt_boxes[::step])


@dataclass(frozen=True)
class ClassMaps:
    """What a network says of a set: all that boxes and points need, for the true class of each image.

    class_scores, probability   scores of the true class, (N, h, w), as logits and after softmax over a cell's classes
    is_argmax                   whether it has the highest score at the cell, (N, h, w)
    logits                      pooled, (N, C)
    mean, deviation             of all logits of all cells
    size                        (height, width) of the network's input in pixels
    scale                       pixels of the set's images for one of the input
    jump                        input pixels between neighbouring cells
    """

    class_scores: Tensor
    probability: Tensor
    is_argmax: Tensor
    logits: Tensor
    mean: float
    deviation: float
    size: tuple[int, int]
    scale: float
    jump: int

    def variants(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Scores (N, h, w) of the true class and the thresholds (41,) they are compared with."""
        logits = self.class_scores, self.mean + self.deviation * U
        return {"logits": logits, "softmax": (self.probability, PROBABILITIES)}

    def overlaps(self, gt_boxes: Tensor, scores: str, edges: str, **options) -> Tensor:
        """Best overlap (T, N) of the true class's box at every threshold."""
        values, thresholds = self.variants()[scores]
        how = BoxOptions(scores, edges, **options)
        pred_boxes = tight_boxes(values, self.is_argmax, thresholds, self.size, how, jump=self.jump)
        return scoring.best_iou(pred_boxes * self.scale, gt_boxes)

    def pointing(self, gt_boxes: Tensor, scores: str, edges: str) -> Tensor:
        """Whether the middle of the true class's highest cell lies in the object, boolean (N,)."""
        points = peak_points(self.variants()[scores][0], self.size, cell_edges=edges, jump=self.jump)
        return scoring.pointing_hits(points * self.scale, gt_boxes)

    def cam_overlaps(self, gt_boxes: Tensor, fraction: float) -> Tensor:
        """Best overlap (N,) of the CAM boxes at a fraction of each image's range."""
        pred_boxes = cam_boxes(self.class_scores, fraction, self.size, jump=self.jump)
        return scoring.best_iou(pred_boxes * self.scale, gt_boxes)


def measure(
    model: Network,
    image_size: int,
    tune: ImageDataset,
    test: ImageDataset,
    clutter: tuple[ImageDataset, ImageDataset] | None = None,
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Localization of a trained network on test images, with all that is chosen chosen on the validation images.

    Args:
        model: a network of the book, trained; it is put in evaluation mode.
        image_size: pixels a side at which it was trained; images of another size are enlarged to it.
        tune, test: images of one size with labels and boxes.
        clutter: the validation and the test canvases (`open_clutter`); without them nothing of clutter is measured.

    Returns:
        Metrics, errors in percent, by names that begin with `localization.native.`, `localization.px128.`,
        `localization.px224.`, `localization.trivial.` and `clutter.`; a dilated ResNet's with
        `localization.posthoc.` and `clutter.posthoc.`. And arrays by the same beginnings: `iou` (of the box at the
        chosen threshold, `stored_iou`), `pointing` and `off_middle` (bool: the peak lies in the object; the image's
        middle does not), `curve` (41, 4) against the thresholds: GT-known error at 0.5 and mean IoU on validation, then
        on test.
    """
    plain = load_eval_set(tune), load_eval_set(test)
    metrics = trivial_baselines(*plain, "localization.trivial")
    jobs = [("localization", "native", *plain, image_size)]
    for size, (tune_step, test_step) in ENLARGED.items():
        if size > image_size:
            jobs.append(("localization", f"px{size}", plain[0].every(tune_step), plain[1].every(test_step), size))
    if clutter is not None:
        canvases = load_eval_set(clutter[0]), load_eval_set(clutter[1])
        metrics.update(trivial_baselines(*canvases, "clutter.trivial"))
        size = canvases[0].size[0] * image_size // plain[0].size[0]
        if size > canvases[0].size[0]:
            canvases = canvases[0].every(LARGE_CLUTTER[0]), canvases[1].every(LARGE_CLUTTER[1])
        jobs.append(("clutter", "", *canvases, size))

    networks = {"": model}
    if model.table.dilation_rule is None:
        networks["posthoc"] = dilate(model, output_stride=8, dilation_rule="exact")
    per_image = {}
    for twin, network in networks.items():
        for kind, name, tune_set, test_set, size in jobs:
            prefix = ".".join(filter(None, (kind, twin, name)))
            with_cam = name in ("", "native")  # CAM boxes where the sets are whole
            found, arrays = measure_setting(network, tune_set, test_set, size, with_cam)
            metrics.update({f"{prefix}.{key}": value for key, value in found.items()})
            per_image.update({f"{prefix}.{key}": value for key, value in arrays.items()})
    return metrics, per_image


def measure_setting(
    model: Network, tune: EvalSet, test: EvalSet, size: int, with_cam: bool = False
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Metrics and arrays of one network in one setting, without the beginnings of their names.

    Args:
        model: as for `measure`.
        tune, test: the validation and the test images.
        size: pixels a side to which they are enlarged.
        with_cam: whether CAM boxes are measured too.
    """
    return measure_maps(*(collect_class_maps(model, part, size) for part in (tune, test)), tune, test, with_cam)


def measure_maps(
    maps: ClassMaps, test_maps: ClassMaps, tune: EvalSet, test: EvalSet, with_cam: bool = False
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """As `measure_setting`, from what the network says of both sets."""
    metrics = _variants(maps, tune.gt_boxes)
    ious = maps.overlaps(tune.gt_boxes, *REPORTED_VARIANT)  # (41, N)
    errors, means = scoring.gt_known_error(ious), ious.double().mean(dim=1)
    best = max(range(len(errors)), key=lambda k: (-errors[k].item(), means[k].item()))
    threshold = maps.variants()[REPORTED_VARIANT[0]][1][best]
    metrics["threshold"], metrics["threshold_u"] = threshold.item(), U[best].item()
    tune_unit, cam_fraction = (maps.mean, maps.deviation), None
    if with_cam:
        some = replace(maps, class_scores=maps.class_scores[::4])
        overlaps = [some.cam_overlaps(tune.gt_boxes[::4], fraction.item()) for fraction in CAM_FRACTIONS]
        cam_errors = [scoring.gt_known_error(ious).item() for ious in overlaps]
        cam_fraction = CAM_FRACTIONS[int(np.argmin(cam_errors))].item()
        metrics["cam.threshold"], metrics["cam.tune.gt_known_50"] = cam_fraction, min(cam_errors)

    maps = replace(test_maps, mean=tune_unit[0], deviation=tune_unit[1])
    test_ious = maps.overlaps(test.gt_boxes, *REPORTED_VARIANT)  # (41, N)
    chosen, pointing = test_ious[best], maps.pointing(test.gt_boxes, *REPORTED_VARIANT)
    metrics.update(_box_metrics(chosen))
    metrics.update(_size_metrics(chosen, pointing, test.gt_boxes))
    metrics["n"], metrics["tune.n"] = float(len(test.labels)), float(len(tune.labels))
    metrics["no_box"] = percent(~_answered(maps, threshold))
    metrics["pointing_error"] = percent(~pointing)
    middle = torch.tensor([[test.size[1] / 2, test.size[0] / 2]]).expand(len(test.gt_boxes), 2)
    off_middle = ~scoring.pointing_hits(middle, test.gt_boxes)
    metrics["pointing_error_off_middle"] = percent(~pointing[off_middle])
    metrics["pointing_error_centre"] = percent(~maps.pointing(test.gt_boxes, REPORTED_VARIANT[0], "centre"))
    metrics["top1_classification"] = topk_error(maps.logits, test.labels, 1)
    for k in (1, 5):
        k = min(k, maps.logits.shape[1])
        metrics[f"top{k}_localization"] = scoring.localization_error(maps.logits, test.labels, chosen, k)
    arrays = {
        "iou": stored_iou(chosen),
        "pointing": pointing.numpy(),
        "off_middle": off_middle.numpy(),
        "curve": torch.stack([errors, means, scoring.gt_known_error(test_ious), test_ious.double().mean(dim=1)], 1)
        .numpy()
        .astype(np.float32),
    }
    if cam_fraction is not None:
        ious = maps.cam_overlaps(test.gt_boxes, cam_fraction)
        metrics.update({f"cam.{key}": value for key, value in _box_metrics(ious).items()})
        arrays["cam_iou"] = stored_iou(ious)
    return metrics, arrays


def trivial_baselines(tune: EvalSet, test: EvalSet, prefix: str) -> dict[str, float]:
    """What image-agnostic answers score: the whole image, and the fixed box that is best on the validation split."""
    metrics = {}
    fixed = scoring.best_fixed_box(tune.gt_boxes, tune.size)
    answers = {"whole_image": scoring.whole_image(1, test.size)[0], "fixed_box": fixed}
    for name, box in answers.items():
        pred_boxes = box.expand(len(test.gt_boxes), 4)
        points = (pred_boxes[:, :2] + pred_boxes[:, 2:]) / 2
        scores = _box_metrics(scoring.best_iou(pred_boxes, test.gt_boxes))
        metrics.update({f"{prefix}.{name}.{key}": value for key, value in scores.items()})
        metrics[f"{prefix}.{name}.pointing_error"] = percent(~scoring.pointing_hits(points, test.gt_boxes))
    metrics.update({f"{prefix}.fixed_box.{edge}": v for edge, v in zip(("x0", "y0", "x1", "y1"), fixed.tolist())})
    return metrics


def load_eval_set(dataset: ImageDataset) -> EvalSet:
    """All of a dataset that has labels and boxes, at once."""
    images, labels = dataset.arrays()
    edges = getattr(dataset, "edges", None)  # (N, 4), where a dataset knows its boxes without decoding an image
    if edges is not None:
        return EvalSet(images, labels, edges[:, None])
    return EvalSet(images, labels, scoring.pad_boxes([dataset[index]["boxes"] for index in range(len(dataset))]))


def collect_class_maps(model: Network, eval_set: EvalSet, size: int, batch_pixels: int = 400_000) -> ClassMaps:
    """Run a network, where it is, over a set enlarged to `size` pixels a side; what is kept lies on the CPU."""
    return class_maps(score_maps(model, eval_set, size, batch_pixels), eval_set, size, model.feature_info[-1].reduction)


@torch.inference_mode()
def score_maps(model: Network, eval_set: EvalSet, size: int, batch_pixels: int = 400_000) -> Iterator[Tensor]:
    """The score maps (n, C, h, w) of a set enlarged to `size` pixels a side, batch by batch, on the CPU."""
    model.eval()
    device = next((parameter.device for parameter in model.parameters()), eval_set.images.device)
    for images in eval_set.images.split(max(1, batch_pixels // size**2)):
        x = normalize(enlarge(images, size).to(device))
        x = x.contiguous(memory_format=torch.channels_last)  # a third faster on a CPU
        yield model.score_map(x).cpu().contiguous()


def class_maps(batches: Iterable[Tensor], eval_set: EvalSet, size: int, jump: int) -> ClassMaps:
    """What boxes and points need of a set's score maps (n, C, h, w), which come in the order of its images."""
    parts, total, squares, count, begin = [], 0.0, 0.0, 0, 0
    for score_map in batches:
        labels = eval_set.labels[begin : begin + len(score_map)]
        begin += len(score_map)
        class_scores, is_argmax = class_evidence(score_map, labels)
        probability, _ = class_evidence(score_map, labels, "softmax")
        parts.append((class_scores, probability, is_argmax, pooled_logits(score_map)))
        total += score_map.double().sum().item()
        squares += score_map.double().square().sum().item()
        count += score_map.numel()
    mean, deviation = total / count, math.sqrt(max(squares / count - (total / count) ** 2, 0.0))
    return ClassMaps(*map(torch.cat, zip(*parts)), mean, deviation, (size, size), eval_set.size[0] / size, jump)


def stored_iou(ious: Tensor) -> np.ndarray:
    """Overlaps (N,), 0..1, as bytes: 200 times, rounded up, so that "above 0.5" is "above 100" to the last image."""
    return np.ceil(200 * ious.double().numpy()).astype(np.uint8)


def percent(outcomes: Tensor) -> float:
    """Of a boolean (N,), how many are true, in percent; 0 of none."""
    return 100.0 * outcomes.double().sum().item() / max(1, len(outcomes))


def _variants(maps: ClassMaps, gt_boxes: Tensor) -> dict[str, float]:
    """On the validation split: what each variant of the open choices scores, each with its own best threshold."""
    metrics = {}
    for scores in SCORES:
        for edges in EDGES:
            errors = scoring.gt_known_error(maps.overlaps(gt_boxes, scores, edges))
            metrics[f"tune.{scores}_{edges}.gt_known_50"] = errors.min().item()
            metrics[f"tune.{scores}_{edges}.pointing_error"] = percent(~maps.pointing(gt_boxes, scores, edges))
    for empty in ("peak", "image"):
        errors = scoring.gt_known_error(maps.overlaps(gt_boxes, *REPORTED_VARIANT, empty=empty))
        metrics[f"tune.empty_{empty}.gt_known_50"] = errors.min().item()
    return metrics


def _box_metrics(ious: Tensor) -> dict[str, float]:
    metrics = {f"gt_known_{round(100 * level)}": scoring.gt_known_error(ious, level).item() for level in scoring.LEVELS}
    return {**metrics, "mean_iou": ious.double().mean().item()}


def _size_metrics(ious: Tensor, pointing: Tensor, gt_boxes: Tensor) -> dict[str, float]:
    metrics, third = {}, scoring.size_terciles(gt_boxes)
    for number, name in enumerate(SIZES):
        members = third == number
        if not members.any():  # of fewer than three images
            continue
        metrics[f"gt_known_50_{name}"] = scoring.gt_known_error(ious[members]).item()
        metrics[f"pointing_error_{name}"] = percent(~pointing[members])
    return metrics


def _answered(maps: ClassMaps, threshold: Tensor) -> Tensor:
    """Whether any cell qualifies, (N,)."""
    scores, _ = maps.variants()[REPORTED_VARIANT[0]]
    return (maps.is_argmax & (scores > threshold)).flatten(1).any(dim=1)
