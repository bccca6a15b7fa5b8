"""Averages over neighboring cells."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from drn_lib.checks import require_type


def low_pass(maps: Tensor, *kernels: Sequence[float]) -> Tensor:
    """Maps averaged over neighboring cells, with each kernel in turn along columns and rows.

    Args:
        maps: (..., H, W).
        kernels: weights of an odd number of cells, above 0 in sum. [1, 2, 2, 2, 1] is the mean over 4 cells, centered.
            At the borders the average is over the cells inside the map, so that a constant stays what it is.

    Returns:
        The same shape.

    Raises:
        ValueError: the maps are not of real floating-point numbers with cells, or a kernel has an even number of
            weights, weights that are not finite, or a sum that is not above 0.
    """
    require_type(maps, Tensor, "the map")
    if not maps.is_floating_point() or maps.ndim < 2 or 0 in maps.shape[-2:]:
        raise ValueError(f"maps must be floating-point (..., H, W) with cells, not {maps.dtype} {tuple(maps.shape)}")
    for kernel in kernels:
        if len(kernel) % 2 == 0 or not 0 < sum(kernel) < math.inf:
            raise ValueError(f"a kernel has an odd number of weights with a sum above 0, unlike {list(kernel)}")
    x = maps.reshape(-1, 1, *maps.shape[-2:])
    for kernel in kernels:
        line, reach = x.new_tensor(kernel), len(kernel) // 2
        for shape, padding in (((1, 1, -1, 1), (reach, 0)), ((1, 1, 1, -1), (0, reach))):
            weights = F.conv2d(torch.ones_like(x[:1]), line.view(shape), padding=padding)
            x = F.conv2d(x, line.view(shape), padding=padding) / weights
    return x.view(maps.shape)
