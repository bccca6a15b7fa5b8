"""How good is a classifier: scores of a whole set, top-1 and top-5 error.

`evaluate` scores a set in memory; `evaluate_files` photographs of all sizes, by one crop or by ten, as Table 1 does. A
study reads its test images here and nowhere else, once, after the last step of training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm  # not tqdm.auto: it warns in every notebook without ipywidgets

from drn_lib.checks import require_class_numbers, require_finite, require_type, whole_number
from drn_lib.datasets.base import ImageDataset, labels_of
from drn_lib.datasets.contract import DataError
from drn_lib.distributed import Group
from drn_lib.images import CROPS, cut_crops, enlarge, normalize
from drn_lib.paths import shows_progress
from drn_lib.probing import evaluating

BATCH_SIZE = 100
"""Images, or crops, that go through the network at once."""


@torch.inference_mode()
def predict(model: nn.Module, images: Tensor, size: int | None = None, batch_size: int = BATCH_SIZE) -> Tensor:
    """Logits (N, classes), on the CPU, in eval mode, of uint8 (N, 3, H, W), at `size` pixels a side or as is."""
    require_type(images, Tensor, "the images")
    whole_number("batch_size", batch_size, 1)
    with evaluating(model):
        device = _device(model)
        logits = [model(normalize(enlarge(batch, size).to(device))).float().cpu() for batch in images.split(batch_size)]
    return torch.cat(logits)


def topk_error(logits: Tensor, labels: Tensor, k: int = 1) -> float:
    """Fraction of images, in percent, whose class is not among the k highest scores (the paper's Table 1).

    With k classes the error is 0. Raises ValueError as `topk_hits`.
    """
    return 100.0 * (1.0 - topk_hits(logits, labels, k).double().mean().item())


def topk_hits(logits: Tensor, labels: Tensor, k: int = 1) -> Tensor:
    """Whether the class of each image is among the k highest of its scores: bool (N,), from (N, classes) and (N,).

    Raises:
        ValueError: not as many labels (N,) as rows of logits (N, classes), none, a label that is no whole number, a
            label or k out of range, or logits that are not finite or not real.
    """
    require_type(logits, Tensor, "the logits")
    require_type(labels, Tensor, "the labels")
    if logits.ndim != 2 or labels.ndim != 1 or len(logits) == 0 or len(logits) != len(labels):
        found = f"got {tuple(labels.shape)} and {tuple(logits.shape)}"
        raise ValueError(f"expected an image or more, and as many labels (N,) as rows of logits (N, classes); {found}")
    classes = logits.shape[1]
    whole_number("k", k, 1, classes)
    require_class_numbers(labels, classes, "the labels")
    if logits.is_complex():
        raise ValueError(f"the network's output must hold real numbers, not {logits.dtype}")
    require_finite(logits, "the network's output")
    return (logits.topk(k, dim=1).indices == labels[:, None]).any(dim=1)


def evaluate(
    model: nn.Module, images: Tensor, labels: Tensor, size: int | None = None
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Score a classifier, which gives logits (N, classes), on uint8 images (N, 3, H, W) with labels (N,).

    Args:
        size: pixels a side at which the network sees the images; None leaves them as they are.

    Returns:
        The metrics {"top1", "top5" (errors in percent), "loss" (mean cross entropy, nats)}, and what each image
        came to: {"label", "prediction", "correct", "top5_correct", "loss"}, each (N,).

    Raises:
        ValueError: the images are no uint8 tensor (N, 3, H, W), `size` is out of range, or as `topk_hits`.
    """
    return _score(predict(model, images, size), labels)


@torch.inference_mode()
def evaluate_files(
    model: nn.Module,
    dataset: ImageDataset,
    shorter_side: int,
    size: int,
    crops: int = 1,
    workers: int = 0,
    group: Group | None = None,
    progress: bool = False,
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Score a classifier on photographs that are read one by one; the logits of an image's crops are averaged.

    Args:
        model, dataset: as for `evaluate`; with labels.
        shorter_side, size, crops: see `cut_crops`.
        workers: further processes that read and crop; 0 does it in this one.
        group: the processes that share the images; each gets the metrics of all, and its own images' outcomes.
        progress: whether a progress bar is shown.

    Returns:
        As `evaluate`.

    Raises:
        DataError: an image is missing or damaged, or the samples have no class.
        ValueError: there is no image for one of the processes, or as `topk_hits`.
    """
    labels_of(dataset)
    require_type(model, nn.Module, "the model")
    if crops not in CROPS:
        raise ValueError(f"crops must be 1 or 10, not {crops!r}")
    device = _device(model)
    group = group or Group(0, 1, device)
    places = group.places(len(dataset))
    crop_set = _TestCrops(dataset, places, shorter_side, size, crops)
    pinned = device.type == "cuda"
    loader = DataLoader(crop_set, max(1, BATCH_SIZE // crops), num_workers=workers, pin_memory=pinned)
    logits, labels = [], []
    bar = tqdm(total=len(places), unit="image", disable=not (progress and shows_progress()))
    with plain_data_errors(), evaluating(model), bar:
        for images, truth in loader:  # (n, crops, 3, size, size), (n,)
            scores = model(normalize(images.flatten(0, 1).to(device)))
            logits.append(scores.float().cpu().unflatten(0, (len(images), crops)).mean(dim=1))  # (n, classes)
            labels.append(truth)
            bar.update(len(images))
    metrics, per_image = _score(torch.cat(logits), torch.cat(labels))
    if group.world > 1:
        own = torch.tensor([len(places), *(len(places) * value for value in metrics.values())], dtype=torch.float64)
        count, *sums = group.sum(own.to(device)).tolist()
        metrics = {name: total / count for name, total in zip(metrics, sums)}
    return metrics, per_image


@contextmanager
def plain_data_errors() -> Iterator[None]:
    """A `DataError` in a loader's worker has a traceback for its message: raise it with only its sentence."""
    try:
        yield
    except DataError as error:
        raise DataError(str(error).strip().rpartition("DataError: ")[2]) from None


class _TestCrops(Dataset):
    """The test crops, by `how` (shorter side, size and number), and the label of the images at `places`."""

    def __init__(self, images: ImageDataset, places: range, *how: int):
        self.images, self.places, self.how = images, places, how

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        index = self.places[position]
        return cut_crops(self.images.image(index), *self.how), self.images.labels[index]


def _device(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def _score(logits: Tensor, labels: Tensor) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """The metrics and outcomes of `evaluate` from logits (N, classes) and labels (N,); ValueError as `topk_hits`."""
    correct, top5_correct = (topk_hits(logits, labels, min(k, logits.shape[1])) for k in (1, 5))
    losses = nn.functional.cross_entropy(logits, labels.long(), reduction="none")
    prediction = logits.topk(1, dim=1).indices[:, 0]  # of equal scores the one that `topk_hits` takes
    top1, top5 = (100.0 * (1.0 - hits.double().mean().item()) for hits in (correct, top5_correct))
    metrics = {"top1": top1, "top5": top5, "loss": losses.mean().item()}
    kept = torch.int16 if logits.shape[1] <= 2**15 else torch.int32
    per_image = {"label": labels.to(kept), "prediction": prediction.to(kept), "correct": correct}
    per_image |= {"top5_correct": top5_correct, "loss": losses.float()}
    return metrics, {name: values.numpy() for name, values in per_image.items()}
