"""Winograd's minimal filtering on sub-lattices in plain PyTorch: needs no compiler, and takes float64 too.

All tiles of a map are gathered into one matrix, so that each of the three transforms is one product with the square
(Kronecker product) of a small matrix, and the multiplication itself one batched product.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from drn_lib.fast.matrices import Scheme


class Ending(NamedTuple):
    """What follows a convolution at once: + bias (out), + another map of its shape, ReLU."""

    bias: Tensor | None = None
    added: Tensor | None = None
    relu: bool = False


NOTHING = Ending()


def prepare(weight: Tensor, scheme: Scheme) -> Tensor:
    """The transformed weights (products^2, in, out) of (out, in, 3, 3)."""
    outputs, inputs = weight.shape[:2]
    taps = weight.reshape(outputs * inputs, 9).t()  # (9, out * in)
    return (_squared(scheme, "G", weight.dtype) @ taps).view(-1, outputs, inputs).transpose(1, 2)


def forward(
    x: Tensor, prepared: Tensor, channels: int, scheme: Scheme, dilation: int, ending: Ending = NOTHING
) -> Tensor:
    """The convolution of x (N, in, H, W) to (N, channels, H, W), channels last, and its ending."""
    cells = _gather(x, dilation, scheme.inputs, scheme.outputs, scheme.before)  # (inputs^2, tiles * in)
    tiles = _transform(scheme, "BT", cells, x.shape[1])
    products = torch.bmm(tiles, prepared)  # (products^2, tiles, channels)
    y = _scatter(_squared(scheme, "AT", x.dtype) @ products.flatten(1), x, dilation, scheme.outputs, channels)
    y = y if ending.bias is None else y + ending.bias[:, None, None]
    y = y if ending.added is None else y + ending.added
    return (y.relu() if ending.relu else y).contiguous(memory_format=torch.channels_last)


def convolve(x: Tensor, weight: Tensor, scheme: Scheme, dilation: int, backward: bool = False) -> Tensor:
    """The convolution by weights that are prepared for this call only; `backward`: the gradient of its input from x."""
    weight = weight.flip(2, 3).transpose(0, 1) if backward else weight
    return forward(x, prepare(weight, scheme), len(weight), scheme, dilation)


def weight_gradient(x: Tensor, gradient: Tensor, scheme: Scheme, dilation: int) -> Tensor:
    """The gradient (out, in, 3, 3) of the weights, from the input and the gradient (N, out, H, W) of the output."""
    inputs, outputs = x.shape[1], gradient.shape[1]
    cells = _gather(x, dilation, scheme.inputs, scheme.outputs, scheme.before)
    tiles = _transform(scheme, "BT", cells, inputs)  # (products^2, tiles, in)
    cells = _gather(gradient, dilation, scheme.outputs, scheme.outputs, 0)
    back = _transform(scheme, "A", cells, outputs)  # (products^2, tiles, out)
    products = torch.bmm(back.transpose(1, 2), tiles)  # (products^2, out, in)
    return (_squared(scheme, "GT", x.dtype) @ products.flatten(1)).t().reshape(outputs, inputs, 3, 3)


def _transform(scheme: Scheme, name: str, cells: Tensor, channels: int) -> Tensor:
    return (_squared(scheme, name, cells.dtype) @ cells).view(scheme.products**2, -1, channels)


@lru_cache
def _squared(scheme: Scheme, name: str, dtype: torch.dtype) -> Tensor:
    """The Kronecker square of a matrix of the scheme, or of the transposed one: A and GT."""
    matrix = {"BT": scheme.BT, "G": scheme.G, "AT": scheme.AT, "A": zip(*scheme.AT), "GT": zip(*scheme.G)}[name]
    matrix = torch.tensor([[float(entry) for entry in row] for row in matrix], dtype=dtype)
    return torch.kron(matrix, matrix)


def _gather(x: Tensor, dilation: int, size: int, step: int, before: int) -> Tensor:
    """The size x size cells of all tiles of all sub-lattices, (size^2, tiles * C); zeros outside of the map."""
    images, channels, height, width = x.shape
    d, down, across = dilation, -(-height // (step * dilation)), -(-width // (step * dilation))
    padded = x.new_zeros(images, d * (step * down + size - step), d * (step * across + size - step), channels)
    padded[:, d * before : d * before + height, d * before : d * before + width] = x.permute(0, 2, 3, 1)
    lattices = padded.view(images, -1, d, padded.shape[2] // d, d, channels)  # [n, y, i, x, j]: cell (d y + i, d x + j)
    tiles = lattices.unfold(1, size, step).unfold(3, size, step)  # (N, down, d, across, d, C, size, size)
    return tiles.permute(6, 7, 0, 2, 4, 1, 3, 5).reshape(size * size, -1)


def _scatter(y: Tensor, like: Tensor, dilation: int, step: int, channels: int) -> Tensor:
    """The map (N, channels, H, W) from its tiles (step^2, tiles * channels): undoes `_gather`."""
    images, _, height, width = like.shape
    down, across = -(-height // (step * dilation)), -(-width // (step * dilation))
    tiles = y.view(step, step, images, dilation, dilation, down, across, channels)
    whole = tiles.permute(2, 5, 0, 3, 6, 1, 4, 7).reshape(
        images, down * step * dilation, across * step * dilation, channels
    )
    return whole[:, :height, :width].permute(0, 3, 1, 2)
