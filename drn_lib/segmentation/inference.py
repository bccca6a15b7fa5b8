"""From an image of any size to a class for every pixel: whole, by sliding windows, at several scales.

Whole is the rule: a fully convolutional network takes an image as it is. Windows bound the memory instead; scales and
mirroring cost time and raise the scores, so anyone who reports such scores must say so.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torchvision.transforms import functional

from drn_lib.checks import require_finite
from drn_lib.probing import evaluating
from drn_lib.segmentation.network import SegmentationNetwork
from drn_lib.segmentation.options import WHOLE, Inference


@torch.inference_mode()
def predict_labels(model: SegmentationNetwork, image: Tensor, how: Inference = WHOLE) -> Tensor:
    """The most probable class of every pixel.

    Args:
        model: it is put in evaluation mode while it reads.
        image: uint8 (3, H, W).
        how: see `Inference`.

    Returns:
        (H, W) on the CPU, values 0 to classes - 1: uint8 for up to 256 classes, else int16.

    Raises:
        ValueError: not such an image, windows that are no multiple of the output stride, or scores that are not finite:
            the network's numbers overflow.
    """
    dtype = torch.uint8 if model.num_classes <= 256 else torch.int16
    _require_image(image)
    with evaluating(model):
        if how.views != [(1.0, False)]:
            return _average(model, image, how).argmax(0).to(dtype)
        if how.window is None:
            return _logits(model, image).argmax(0).to(dtype).cpu()
        labels = torch.empty(image.shape[1:], dtype=dtype)
        for top, rows in _strips(model, image, how):
            labels[top : top + rows.shape[1]] = rows.argmax(0).to(dtype)
        return labels


@torch.inference_mode()
def predict_probabilities(model: SegmentationNetwork, image: Tensor, how: Inference = WHOLE) -> Tensor:
    """The probabilities of all classes at every pixel, float32 (classes, H, W) on the CPU.

    Arguments and errors as `predict_labels`, which needs less memory.
    """
    _require_image(image)
    with evaluating(model):
        return _average(model, image, how)


def _require_image(image: Tensor) -> None:
    if image.dtype != torch.uint8 or image.dim() != 3 or image.shape[0] != 3 or not image.numel():
        raise ValueError(f"expected an image, uint8 (3, H, W), and got {image.dtype} {tuple(image.shape)}")


def _average(model: SegmentationNetwork, image: Tensor, how: Inference) -> Tensor:
    """The mean over all views of an image, (classes, H, W)."""
    size, total = list(image.shape[1:]), 0.0
    for scale, mirrored in how.views:
        scaled = [max(1, round(scale * side)) for side in size]
        seen = image if scaled == size else functional.resize(image, scaled, antialias=True)
        found = _read(model, seen.flip(2) if mirrored else seen, how)
        found = found.flip(2) if mirrored else found
        if how.average == "log":
            found = found.clamp(min=torch.finfo(torch.float32).tiny).log()
        if scaled != size:
            found = nn.functional.interpolate(found[None], size, mode="bilinear", align_corners=False)[0]
        total = found + total
    mean = total / len(how.views)
    return mean.softmax(0) if how.average == "log" else mean


def _read(model: SegmentationNetwork, image: Tensor, how: Inference) -> Tensor:
    """Probabilities (classes, H, W) of one view."""
    if how.window is None:
        return _probabilities(model, image)
    return torch.cat([rows for _, rows in _strips(model, image, how)], dim=1)


def _probabilities(model: SegmentationNetwork, image: Tensor) -> Tensor:
    return _logits(model, image).float().softmax(0).cpu()


def _logits(model: SegmentationNetwork, image: Tensor) -> Tensor:
    """Scores (classes, H, W) on the model's device; ValueError where one is not finite: any class would win then."""
    scores = model(model.prepare(image[None].to(model.mean.device)))[0]
    for extreme in scores.aminmax(dim=0):  # a NaN is both; this needs less memory than to look at all scores at once
        require_finite(extreme, "the network's score map")
    return scores


def _strips(model: SegmentationNetwork, image: Tensor, how: Inference) -> Iterator[tuple[int, Tensor]]:
    """(first row, probabilities (classes, rows, W)) of one strip after the other, from windows left to right.

    Rows are handed on as soon as no later window holds them, so that never more than two windows' height is kept.
    """
    if how.window % model.output_stride or how.overlap % model.output_stride:
        raise ValueError(
            f"windows of {how.window} and overlaps of {how.overlap} pixels must be multiples of the output stride, "
            f"{model.output_stride}, so that all windows have the cells of the whole image"
        )
    height, width = image.shape[1:]
    tops, lefts = (_starts(side, how.window, how.overlap, model.output_stride) for side in (height, width))
    columns = torch.zeros(width)
    for left in lefts:
        columns[left : left + how.window] += 1
    open_rows, counts = torch.zeros(model.num_classes, 0, width), torch.zeros(0)
    for top, following in zip(tops, [*tops[1:], height]):
        rows = min(how.window, height - top)
        new = rows - open_rows.shape[1]
        open_rows = torch.cat([open_rows, torch.zeros(model.num_classes, new, width)], dim=1)  # (classes, rows, W)
        counts = torch.cat([counts, torch.zeros(new)])
        for left in lefts:
            window = image[:, top : top + how.window, left : left + how.window]
            open_rows[:, :, left : left + how.window] += _probabilities(model, window)
        counts += 1
        done = following - top
        yield top, open_rows[:, :done] / (counts[:done, None] * columns)
        open_rows, counts = open_rows[:, done:].clone(), counts[done:]


def _starts(side: int, window: int, overlap: int, step: int) -> list[int]:
    """Where windows begin: at multiples of `step`, each but the last a full window, all of the side covered."""
    last = max(0, -(-(side - window) // step) * step)
    return [*range(0, last, window - overlap), last]
