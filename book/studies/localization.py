"""What a run of a study records of localization: boxes and pointing of one trained network, plain and in clutter.

    native        the images at the size that the network was trained at
    px128, px224  enlarged before the fully convolutional pass, boxes scaled back; a fixed part of the images
    clutter       each image on a canvas twice as wide (`drn_lib.datasets.clutter`), seen at the training scale

A ResNet is measured twice, as trained and, under `posthoc`, dilated afterwards by the exact rule: the same function
read on a denser map. Nothing is trained here. The threshold t is chosen on the tune part, for every network and
setting alike, and the whole curve of error against t is kept.

Thresholds. Softmax scores are compared with 0, 1/40, ..., 1. Logits have no scale of their own, and a network trained
longer has larger ones; equation (2) wants one number for all images. Their thresholds are mean + u * deviation, over
all logits of all cells of the tune images, with the same 41 values of u for every network.
"""

from __future__ import annotations

import math
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
from drn_lib.localization.options import CELL_EDGES, SCORES, BoxOptions
from drn_lib.network import Network

U = torch.linspace(-1.0, 5.0, 41)
"""Thresholds of logits, in deviations above the mean."""
PROBABILITIES = torch.linspace(0.0, 1.0, 41)
"""Thresholds of softmax scores."""
CAM_SHARES = torch.linspace(0.1, 0.9, 9)
"""Thresholds of the usual method, as shares of an image's own range; tried on every fourth tune image."""
ENLARGED = {128: (2, 3), 224: (4, 10)}
"""Pixels a side to which images are enlarged: every how many of the tune and of the test images are measured there."""
LARGE_CLUTTER = (4, 2)
"""The same for canvases that are enlarged, for networks trained at twice the size: they cost four times as much."""
READING = ("logits", "tile")
"""What is reported on the test part. On the tune part of the first networks it did best in most settings, and it
does not put the coarse map at a disadvantage: by "centre" the 2x2 cells of a ResNet at 64 px end at pixel 48."""
SIZES = ("small", "medium", "large")


@dataclass(frozen=True)
class View:
    """Images with labels and true boxes: uint8 (N, 3, H, W), (N,), (N, M, 4) in pixels of these images."""

    images: Tensor
    labels: Tensor
    true: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return tuple(self.images.shape[2:])

    def every(self, step: int) -> View:
        """Every `step`-th image."""
        return View(self.images[::step], self.labels[::step], self.true[::step])


@dataclass(frozen=True)
class Evidence:
    """What a network says of a view: all that boxes and points need, for the true class of each image.

    own, probability  scores of the true class, (N, h, w), as logits and after softmax over the classes of a cell
    wins              whether it has the highest score at the cell, (N, h, w)
    logits            pooled, (N, C)
    mean, deviation   of all logits of all cells
    size              (height, width) of the network's input in pixels
    scale             pixels of the view for one of the input
    jump              input pixels between neighbouring cells
    """

    own: Tensor
    probability: Tensor
    wins: Tensor
    logits: Tensor
    mean: float
    deviation: float
    size: tuple[int, int]
    scale: float
    jump: int

    def readings(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Scores (N, h, w) of the true class and the thresholds (41,) they are compared with."""
        return {"logits": (self.own, self.mean + self.deviation * U), "softmax": (self.probability, PROBABILITIES)}

    def overlaps(self, true: Tensor, scores: str, edges: str, **options) -> Tensor:
        """Best overlap (T, N) of the true class's box at every threshold."""
        own, every = self.readings()[scores]
        found = tight_boxes(own, self.wins, every, self.size, BoxOptions(scores, edges, **options), jump=self.jump)
        return scoring.best_iou(found * self.scale, true)

    def pointing(self, true: Tensor, scores: str, edges: str) -> Tensor:
        """Whether the middle of the true class's highest cell lies in the object, boolean (N,)."""
        points = peak_points(self.readings()[scores][0], self.size, cell_edges=edges, jump=self.jump)
        return scoring.pointing_hits(points * self.scale, true)

    def cam_overlaps(self, true: Tensor, share: float) -> Tensor:
        """Best overlap (N,) of the usual method's boxes."""
        return scoring.best_iou(cam_boxes(self.own, share, self.size, jump=self.jump) * self.scale, true)


def measure(
    model: Network,
    image_size: int,
    tune: ImageDataset,
    test: ImageDataset,
    clutter: tuple[ImageDataset, ImageDataset] | None = None,
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Localization of a trained network on test images, with all that is chosen chosen on the tune images.

    Args:
        model: a network of the book, trained; it is put in evaluation mode.
        image_size: pixels a side at which it was trained; images of another size are enlarged to it.
        tune, test: images of one size with labels and boxes.
        clutter: the tune and the test canvases (`open_clutter`); without them nothing of clutter is measured.

    Returns:
        Metrics, errors in percent, by names that begin with `localization.native.`, `localization.px128.`,
        `localization.px224.`, `localization.trivial.` and `clutter.`; a dilated ResNet's with
        `localization.posthoc.` and `clutter.posthoc.`. And arrays by the same beginnings: `iou` (of the box at the
        chosen threshold, `stored_iou`), `pointing` and `off_middle` (bool: the peak lies in the object; the image's
        middle does not), `curve` (41, 4) against the 41 thresholds: GT-known error at 0.5 and mean IoU on tune, then
        on test.
    """
    plain = view(tune), view(test)
    metrics = trivial_answers(*plain, "localization.trivial")
    jobs = [("localization", "native", *plain, image_size)]
    for size, (tune_step, test_step) in ENLARGED.items():
        if size > image_size:
            jobs.append(("localization", f"px{size}", plain[0].every(tune_step), plain[1].every(test_step), size))
    if clutter is not None:
        canvases = view(clutter[0]), view(clutter[1])
        metrics.update(trivial_answers(*canvases, "clutter.trivial"))
        size = canvases[0].size[0] * image_size // plain[0].size[0]
        if size > canvases[0].size[0]:
            canvases = canvases[0].every(LARGE_CLUTTER[0]), canvases[1].every(LARGE_CLUTTER[1])
        jobs.append(("clutter", "", *canvases, size))

    networks = {"": model}
    if model.table.dilation_rule is None:
        networks["posthoc"] = dilate(model, output_stride=8, dilation_rule="exact")
    per_image = {}
    for twin, network in networks.items():
        for kind, name, tune_view, test_view, size in jobs:
            prefix = ".".join(filter(None, (kind, twin, name)))
            usual = name in ("", "native")  # the usual method where the views are whole
            found, arrays = measure_setting(network, tune_view, test_view, size, usual)
            metrics.update({f"{prefix}.{key}": value for key, value in found.items()})
            per_image.update({f"{prefix}.{key}": value for key, value in arrays.items()})
    return metrics, per_image


def measure_setting(
    model: Network, tune: View, test: View, size: int, usual: bool = False
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Metrics and arrays of one network in one setting, without the beginnings of their names.

    Args:
        model: as for `measure`.
        tune, test: the views.
        size: pixels a side to which they are enlarged.
        usual: whether the field's usual method (`localization_cam`) is measured too.
    """
    evidence = gather(model, tune, size)
    metrics = _readings(evidence, tune.true)
    ious = evidence.overlaps(tune.true, *READING)  # (41, N)
    errors, means = scoring.gt_known_error(ious), ious.double().mean(dim=1)
    best = max(range(len(errors)), key=lambda k: (-errors[k].item(), means[k].item()))
    threshold = evidence.readings()[READING[0]][1][best]
    metrics["threshold"], metrics["threshold_u"] = threshold.item(), U[best].item()
    tune_unit, cam_share = (evidence.mean, evidence.deviation), None
    if usual:
        some = replace(evidence, own=evidence.own[::4])
        overlaps = [some.cam_overlaps(tune.true[::4], share.item()) for share in CAM_SHARES]
        cam_errors = [scoring.gt_known_error(ious).item() for ious in overlaps]
        cam_share = CAM_SHARES[int(np.argmin(cam_errors))].item()
        metrics["cam.threshold"], metrics["cam.tune.gt_known_50"] = cam_share, min(cam_errors)

    evidence = replace(gather(model, test, size), mean=tune_unit[0], deviation=tune_unit[1])
    test_ious = evidence.overlaps(test.true, *READING)  # (41, N)
    chosen, pointing = test_ious[best], evidence.pointing(test.true, *READING)
    metrics.update(_box_metrics(chosen))
    metrics.update(_size_metrics(chosen, pointing, test.true))
    metrics["n"], metrics["tune.n"] = float(len(test.labels)), float(len(tune.labels))
    metrics["no_box"] = percent(~_answered(evidence, threshold))
    metrics["pointing_error"] = percent(~pointing)
    middle = torch.tensor([[test.size[1] / 2, test.size[0] / 2]]).expand(len(test.true), 2)
    off_middle = ~scoring.pointing_hits(middle, test.true)
    metrics["pointing_error_off_middle"] = percent(~pointing[off_middle])
    metrics["pointing_error_centre"] = percent(~evidence.pointing(test.true, READING[0], "centre"))
    metrics["top1_classification"] = topk_error(evidence.logits, test.labels, 1)
    for k in (1, 5):
        k = min(k, evidence.logits.shape[1])
        metrics[f"top{k}_localization"] = scoring.localization_error(evidence.logits, test.labels, chosen, k)
    arrays = {
        "iou": stored_iou(chosen),
        "pointing": pointing.numpy(),
        "off_middle": off_middle.numpy(),
        "curve": torch.stack([errors, means, scoring.gt_known_error(test_ious), test_ious.double().mean(dim=1)], 1)
        .numpy()
        .astype(np.float32),
    }
    if cam_share is not None:
        ious = evidence.cam_overlaps(test.true, cam_share)
        metrics.update({f"cam.{key}": value for key, value in _box_metrics(ious).items()})
        arrays["cam_iou"] = stored_iou(ious)
    return metrics, arrays


def trivial_answers(tune: View, test: View, prefix: str) -> dict[str, float]:
    """What answers that look at no image come to: the whole image, and the fixed box that is best on the tune part."""
    metrics = {}
    fixed = scoring.best_fixed_box(tune.true, tune.size)
    answers = {"whole_image": scoring.whole_image(1, test.size)[0], "fixed_box": fixed}
    for name, box in answers.items():
        found = box.expand(len(test.true), 4)
        points = (found[:, :2] + found[:, 2:]) / 2
        metrics.update({f"{prefix}.{name}.{k}": v for k, v in _box_metrics(scoring.best_iou(found, test.true)).items()})
        metrics[f"{prefix}.{name}.pointing_error"] = percent(~scoring.pointing_hits(points, test.true))
    metrics.update({f"{prefix}.fixed_box.{edge}": v for edge, v in zip(("x0", "y0", "x1", "y1"), fixed.tolist())})
    return metrics


def view(dataset: ImageDataset) -> View:
    """All of a dataset that has labels and boxes, at once."""
    images, labels = dataset.arrays()
    edges = getattr(dataset, "edges", None)  # (N, 4), where a dataset knows its boxes without decoding an image
    if edges is not None:
        return View(images, labels, edges[:, None])
    return View(images, labels, scoring.pad_boxes([dataset[index]["boxes"] for index in range(len(dataset))]))


@torch.inference_mode()
def gather(model: Network, seen: View, size: int, batch_pixels: int = 400_000) -> Evidence:
    """Run a network, where it is, over a view enlarged to `size` pixels a side; what is kept lies on the CPU."""
    model.eval()
    device = next((parameter.device for parameter in model.parameters()), seen.images.device)
    parts, total, squares, count = [], 0.0, 0.0, 0
    batch = max(1, batch_pixels // size**2)
    for images, labels in zip(seen.images.split(batch), seen.labels.split(batch)):
        x = normalize(enlarge(images, size).to(device))
        x = x.contiguous(memory_format=torch.channels_last)  # a third faster on a CPU
        score_map = model.score_map(x).cpu().contiguous()  # (N, C, h, w)
        own, wins = class_evidence(score_map, labels)
        probability, _ = class_evidence(score_map, labels, "softmax")
        parts.append((own, probability, wins, pooled_logits(score_map)))
        total += score_map.double().sum().item()
        squares += score_map.double().square().sum().item()
        count += score_map.numel()
    mean = total / count
    deviation = math.sqrt(max(squares / count - mean**2, 0.0))
    scale, jump = seen.size[0] / size, model.feature_info[-1].reduction
    return Evidence(*(torch.cat(part) for part in zip(*parts)), mean, deviation, (size, size), scale, jump)


def stored_iou(ious: Tensor) -> np.ndarray:
    """Overlaps (N,), 0..1, as bytes: 200 times, rounded up, so that "above 0.5" is "above 100" to the last image."""
    return np.ceil(200 * ious.double().numpy()).astype(np.uint8)


def percent(share: Tensor) -> float:
    """Of a boolean (N,), how many are true, in percent; 0 of none."""
    return 100.0 * share.double().sum().item() / max(1, len(share))


def _readings(evidence: Evidence, true: Tensor) -> dict[str, float]:
    """On the tune part: what each reading of the open choices comes to, each with its own best threshold."""
    metrics = {}
    for scores in SCORES:
        for edges in CELL_EDGES:
            errors = scoring.gt_known_error(evidence.overlaps(true, scores, edges))
            metrics[f"tune.{scores}_{edges}.gt_known_50"] = errors.min().item()
            metrics[f"tune.{scores}_{edges}.pointing_error"] = percent(~evidence.pointing(true, scores, edges))
    for empty in ("peak", "image"):
        errors = scoring.gt_known_error(evidence.overlaps(true, *READING, empty=empty))
        metrics[f"tune.empty_{empty}.gt_known_50"] = errors.min().item()
    return metrics


def _box_metrics(ious: Tensor) -> dict[str, float]:
    metrics = {f"gt_known_{round(100 * level)}": scoring.gt_known_error(ious, level).item() for level in scoring.LEVELS}
    return {**metrics, "mean_iou": ious.double().mean().item()}


def _size_metrics(ious: Tensor, pointing: Tensor, true: Tensor) -> dict[str, float]:
    metrics, third = {}, scoring.size_terciles(true)
    for number, name in enumerate(SIZES):
        own = third == number
        if not own.any():  # of fewer than three images
            continue
        metrics[f"gt_known_50_{name}"] = scoring.gt_known_error(ious[own]).item()
        metrics[f"pointing_error_{name}"] = percent(~pointing[own])
    return metrics


def _answered(evidence: Evidence, threshold: Tensor) -> Tensor:
    """Whether any cell qualifies, (N,)."""
    own, _ = evidence.readings()[READING[0]]
    return (evidence.wins & (own > threshold)).flatten(1).any(dim=1)
