"""What a run of a study records of gridding: lattice energy, grid contrast and the autocorrelation of its maps.

All of it is measured on every tenth test image, enlarged so that a DRN's maps are 28 x 28. The mean autocorrelation is
kept so that any measure of a grid can be computed later, without the weights.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from drn_lib.gridding import autocorrelation_by_level, contrast_of, lattice_energy_by_level
from drn_lib.gridding.contrast import LEAST_SIDE, PERIODS
from drn_lib.images import enlarge, normalize
from drn_lib.network import Network

IMAGES = 300
"""Test images on which gridding is measured: every tenth of 3,000."""
SIZE = 224
"""Pixels a side to which they are enlarged, so that a DRN's maps are 28 x 28."""


def views(images: Tensor) -> Tensor:
    """The images (n, 3, 224, 224) on which gridding is measured, normalized, of all test images (N, 3, H, W) in uint8.

    There are 300 where N is a multiple of 300, and all where N is less.
    """
    return normalize(enlarge(images[:: max(1, len(images) // IMAGES)], SIZE))


def lattice_energies(prefix: str, model: Network, images: Tensor) -> dict[str, float]:
    """Lattice energy of period 4 by level, over all images (N, 3, H, W) of the test part, in uint8."""
    energies = lattice_energy_by_level(model, views(images).to(_device(model)), period=4)
    return {f"{prefix}.{key_of(level)}": energy for level, energy in energies.items()}


def contrasts(model: Network, images: Tensor) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Grid contrast of every level and of the score map, and the mean autocorrelation of their maps.

    Args:
        model: a network of the book, trained.
        images: of the test part, uint8 (N, 3, H, W).

    Returns:
        Metrics `grid_contrast.<level>.period_2` and `.period_4`, means over images; levels with too few cells are left
        out. Arrays: the same names, one value an image in half precision, of which the metric is the mean; and
        `autocorrelation.<level>.plain` and `.without_local_mean`, (lags + 1, 2 lags + 1) in single precision, means
        over images (`gridding.autocorrelation`).
    """
    metrics, arrays = {}, {}
    for level, both in autocorrelation_by_level(model, views(images).to(_device(model))).items():
        key = key_of(level)
        for name, stored in zip(("plain", "without_local_mean"), both):
            arrays[f"autocorrelation.{key}.{name}"] = stored.mean(0).numpy().astype(np.float32)
        if both[0].shape[-2] >= LEAST_SIDE:
            for period in PERIODS:
                name = f"grid_contrast.{key}.period_{period}"
                arrays[name] = contrast_of(both[0], period).numpy().astype(np.float16)
                metrics[name] = float(arrays[name].mean(dtype=float))
    return metrics, arrays


def key_of(level: int | str) -> str:
    """A level's name in metrics and arrays."""
    return level if level == "score_map" else f"level_{level}"


def _device(model: Network) -> torch.device:
    return next(model.parameters()).device
