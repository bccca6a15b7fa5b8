"""What a network sees of a training image: a pure function of (seed, epoch, index), so that runs resume exactly.

Two ways, told apart by the recipe: small images in memory are shifted and mirrored (`augment`); photographs of all
sizes are cropped at a random scale and aspect ratio, mirrored, and changed in color (`training_crop`).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms import functional

from drn_lib.training.recipes import Recipe

ASPECT_RATIOS = (3 / 4, 4 / 3)
"""Width over height of a training crop, drawn evenly on a logarithmic scale (Szegedy et al. 2015)."""
ATTEMPTS = 10
"""Crops drawn before the central square is taken: a drawn crop can be longer than the image."""

COLOR_AXES = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
COLOR_SPREADS = np.array([0.2175, 0.0188, 0.0045])
LIGHTING = 0.1
"""Principal axes (columns) and variances of ImageNet's colors in 0..1, and the strength with which a random step
along them is added to all pixels (Krizhevsky et al. 2012; the numbers as published in fb.resnet.torch)."""


def epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    """The order of `count` images in an epoch, (count,): a pure function of its arguments."""
    return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(count))


def augment(images: Tensor, indices: Tensor, seed: int, epoch: int, recipe: Recipe) -> Tensor:
    """Shift and mirror each image by a pure function of (seed, epoch, its index).

    Args:
        images: uint8 (N, 3, H, W).
        indices: (N,), the images' places in the training set.

    Returns:
        uint8 (N, 3, H, W): a random H x W window of the image with `crop_padding` reflected pixels around it.
    """
    pad = recipe.crop_padding
    height, width = images.shape[2:]
    padded = nn.functional.pad(images.float(), (pad, pad, pad, pad), mode="reflect").to(torch.uint8) if pad else images
    out = torch.empty_like(images)
    for row, index in enumerate(indices.tolist()):
        random = _stream(seed, epoch, index)
        top, left = random.integers(0, 2 * pad + 1, 2)
        window = padded[row, :, top : top + height, left : left + width]
        out[row] = window.flip(2) if recipe.mirror and random.random() < 0.5 else window
    return out


def training_crop(image: Tensor, seed: int, epoch: int, index: int, recipe: Recipe) -> Tensor:
    """A crop of random scale and aspect ratio, mirrored or not, its color changed where the recipe says so.

    Args:
        image: uint8 (3, H, W), a photograph of any size.
        index: its place in the training set.

    Returns:
        uint8 (3, S, S), S being the recipe's `image_size`.

    Source: the augmentation that the paper names (scale, aspect ratio, color); the numbers: see `recipes`.
    """
    random = _stream(seed, epoch, index)
    top, left, height, width = _window(random, image.shape[1], image.shape[2], recipe.smallest_area)
    size = [recipe.image_size, recipe.image_size]
    crop = functional.resized_crop(image, top, left, height, width, size, antialias=True)  # (3, S, S)
    if recipe.mirror and random.random() < 0.5:
        crop = functional.hflip(crop)
    return crop if recipe.color is None else _change_color(crop, random, recipe.color)


def _stream(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The random numbers of one image in one epoch."""
    # +1 keeps these streams apart from epoch_order's, which has two numbers in its seed.
    return np.random.default_rng([seed, epoch, index + 1])


def _window(random: np.random.Generator, height: int, width: int, smallest_area: float) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop of a height x width image."""
    low, high = (math.log(ratio) for ratio in ASPECT_RATIOS)
    for _ in range(ATTEMPTS):
        area = height * width * random.uniform(smallest_area, 1.0)
        ratio = math.exp(random.uniform(low, high))
        crop_height, crop_width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < crop_height <= height and 0 < crop_width <= width:
            top = int(random.integers(0, height - crop_height + 1))
            left = int(random.integers(0, width - crop_width + 1))
            return top, left, crop_height, crop_width
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def _change_color(image: Tensor, random: np.random.Generator, strength: float) -> Tensor:
    """Brightness, contrast and saturation by factors in 1 - strength to 1 + strength, in random order, then lighting.

    Source: Howard 2013 and Krizhevsky et al. 2012, with the numbers of fb.resnet.torch.
    """
    changes = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation)
    for place in random.permutation(len(changes)):
        image = changes[place](image, random.uniform(1.0 - strength, 1.0 + strength))
    step = COLOR_AXES @ (random.normal(0.0, LIGHTING, 3) * COLOR_SPREADS)  # (3,), in 0..1
    shift = torch.from_numpy(255.0 * step).float().view(3, 1, 1)
    return (image + shift).round().clamp(0, 255).to(torch.uint8)
