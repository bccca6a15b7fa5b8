"""How good is a classifier: scores of a whole set, top-1 and top-5 error.

Test images are read here and nowhere else in a study, once, after the last step of training.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's colors, in 0..1, by which every network's input is normalized."""


def normalize(images: Tensor) -> Tensor:
    """Bytes (N, 3, H, W) in 0..255 to the float32 input of a network.

    Raises:
        ValueError: the tensor does not hold bytes, or has not three channels.
    """
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3:
        raise ValueError(f"expected uint8 images (N, 3, H, W), got {images.dtype} {tuple(images.shape)}")
    mean = torch.tensor(MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(1, 3, 1, 1)
    return (images.float() / 255.0 - mean) / std


def enlarge(images: Tensor, size: int | None) -> Tensor:
    """Bytes (N, 3, H, W) bilinearly resized to `size` pixels a side, rounded to bytes; as they are where it is None."""
    if size is None or tuple(images.shape[2:]) == (size, size):
        return images
    return nn.functional.interpolate(images, (size, size), mode="bilinear", align_corners=False)


@torch.inference_mode()
def predict(model: nn.Module, images: Tensor, size: int | None = None, batch_size: int = 100) -> Tensor:
    """Logits (N, classes) of uint8 images (N, 3, H, W), in evaluation mode, returned on the CPU.

    The network sees the images at `size` pixels a side, or as they are.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    logits = [model(normalize(enlarge(batch, size).to(device))).float().cpu() for batch in images.split(batch_size)]
    model.train(was_training)
    return torch.cat(logits)


def topk_error(logits: Tensor, labels: Tensor, k: int = 1) -> float:
    """Share of images, in percent, whose class is not among the k highest scores (the paper's Table 1).

    Args:
        logits: (N, classes).
        labels: (N,), integers in 0..classes-1.

    Raises:
        ValueError: a label out of range, k larger than the number of classes, or no image.
    """
    classes = logits.shape[1]
    if len(logits) == 0 or len(logits) != len(labels):
        raise ValueError(f"expected as many labels as rows of logits, and one; got {len(labels)} and {len(logits)}")
    if not 1 <= k <= classes:
        raise ValueError(f"k must lie in 1..{classes}, not {k}")
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}; found {int(labels.min())}..{int(labels.max())}")
    best = logits.topk(k, dim=1).indices  # (N, k)
    hit = (best == labels[:, None]).any(dim=1)
    return 100.0 * (1.0 - hit.double().mean().item())


def evaluate(
    model: nn.Module, images: Tensor, labels: Tensor, size: int | None = None
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Score a classifier on a whole set.

    Args:
        model: gives logits (N, classes).
        images: uint8 (N, 3, H, W).
        labels: (N,).
        size: pixels a side at which the network sees them; None leaves them as they are.

    Returns:
        The metrics {"top1", "top5" (errors in percent), "loss" (mean cross entropy, nats)}, and what each image
        came to: {"label", "prediction", "correct", "top5_correct", "loss"}, each (N,).
    """
    logits = predict(model, images, size)
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    prediction = logits.argmax(dim=1)
    k = min(5, logits.shape[1])
    top5_correct = (logits.topk(k, dim=1).indices == labels[:, None]).any(dim=1)
    metrics = {
        "top1": topk_error(logits, labels, 1),
        "top5": topk_error(logits, labels, k),
        "loss": losses.mean().item(),
    }
    per_image = {
        "label": labels.numpy().astype(np.int16),
        "prediction": prediction.numpy().astype(np.int16),
        "correct": (prediction == labels).numpy(),
        "top5_correct": top5_correct.numpy(),
        "loss": losses.numpy().astype(np.float32),
    }
    return metrics, per_image
