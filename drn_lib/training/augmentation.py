"""What a network sees of a training image: a pure function of (seed, epoch, index), so that runs resume exactly.

Two ways, told apart by the recipe: small images in memory are shifted and mirrored (`augment`); photographs of all
sizes are cropped at a random scale and aspect ratio, mirrored, and changed in color (`training_crop`).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from drn_lib.training.recipes import ClassificationRecipe

ASPECT_RATIOS = (3 / 4, 4 / 3)
"""Width over height of a training crop, sampled evenly on a logarithmic scale (Szegedy et al. 2015)."""

COLOR_AXES = torch.tensor([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
COLOR_SPREADS = torch.tensor([0.2175, 0.0188, 0.0045])
LIGHTING = 0.1
"""Principal axes (columns) and variances of ImageNet's colors in 0..1, and the strength with which a random step
along them is added to all pixels (Krizhevsky et al. 2012; the numbers as published in fb.resnet.torch)."""


def epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    """The order of `count` images in an epoch, (count,): a pure function of its arguments."""
    return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(count))


def image_stream(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The random numbers of one image, by its place in the training set, in one epoch."""
    # +1 keeps these streams apart from epoch_order's, which has two numbers in its seed.
    return np.random.default_rng([seed, epoch, index + 1])


def augment(images: Tensor, indices: Tensor, seed: int, epoch: int, recipe: ClassificationRecipe) -> Tensor:
    """Shift and mirror each image by a pure function of (seed, epoch, its index).

    Args:
        images: uint8 (N, 3, H, W).
        indices: (N,), the images' places in the training set.

    Returns:
        uint8 (N, 3, H, W): a random H x W window of the image with `crop_padding` reflected pixels around it.
    """
    pad = recipe.crop_padding
    height, width = images.shape[2:]
    out = torch.empty_like(images)
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="reflect")
    for window, made, index in zip(padded, out.numpy(), indices.tolist()):
        random = image_stream(seed, epoch, index)
        top, left = random.integers(0, 2 * pad + 1, 2)
        window = window[:, top : top + height, left : left + width]
        made[:] = window[:, :, ::-1] if recipe.mirror and random.random() < 0.5 else window
    return out


def training_crop(image: Tensor, seed: int, epoch: int, index: int, recipe: ClassificationRecipe) -> Tensor:
    """A crop of random scale and aspect ratio, mirrored or not, its color changed where the recipe says so.

    Args:
        image: uint8 (3, H, W), a photograph of any size.
        index: its place in the training set.

    Returns:
        uint8 (3, S, S), S being the recipe's `image_size`.

    Source: the augmentation that the paper names (scale, aspect ratio, color); the numbers: see `recipes`.
    """
    steps = [v2.RandomResizedCrop(recipe.image_size, (recipe.smallest_area, 1.0), ASPECT_RATIOS)]
    if recipe.mirror:
        steps.append(v2.RandomHorizontalFlip())
    if recipe.color is not None:
        steps += [v2.ColorJitter(recipe.color, recipe.color, recipe.color), _lighting]
    with torch.random.fork_rng(devices=[]):  # torchvision takes its random numbers from torch's global stream
        torch.default_generator.manual_seed(int(image_stream(seed, epoch, index).integers(2**63)))
        return v2.Compose(steps)(image)


def _lighting(image: Tensor) -> Tensor:
    """A random step along the principal axes of ImageNet's colors, the same for all pixels."""
    step = COLOR_AXES @ (LIGHTING * torch.randn(3) * COLOR_SPREADS)  # (3,), in 0..1
    return (image + 255.0 * step.view(3, 1, 1)).round().clamp(0, 255).to(torch.uint8)
