"""Tensors that lie in the same memory: which of their cells are the same, and whether they stand at the same places."""

from __future__ import annotations

import numpy as np
from torch import Tensor

MOST_CELLS = 2**24
"""In larger tensors, no shared cells are looked for."""


def layout(tensor: Tensor) -> tuple:
    """Where a tensor's cells lie in its memory."""
    return tensor.storage_offset(), tensor.shape, tensor.stride()


def aligned(view: Tensor, written: Tensor) -> bool | None:
    """Whether two tensors have every cell that they share at the same row and column; None where they share none."""
    if view.numel() == 0 or written.numel() == 0:
        return None
    if max(view.numel(), written.numel()) > MOST_CELLS:
        return False
    found = []
    for tensor in (view, written):
        place, shape = np.int64(tensor.storage_offset()), (1, 1, *tensor.shape)
        for side, step in zip(tensor.shape, tensor.stride()):
            place = np.add.outer(place, np.arange(side) * step)
        cell = np.broadcast_to(np.arange(shape[-2] * shape[-1]).reshape(shape[-2:]), shape)
        found.append((place.ravel(), cell.ravel(), shape[-2:]))
    (ours, our_cell, our_shape), (theirs, their_cell, their_shape) = found
    shared, here, there = np.intersect1d(ours, theirs, return_indices=True)
    if len(shared) == 0:
        return None
    return our_shape == their_shape and bool((our_cell[here] == their_cell[there]).all())
