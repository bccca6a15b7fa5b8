"""The compiled kernel as an engine: the functions of `plain`, and those that only it has. float32, channels last."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from drn_lib.fast.build import load_library
from drn_lib.fast.matrices import SCHEMES, Scheme
from drn_lib.fast.plain import NOTHING, Ending

_POINTER, _NUMBER, _LONG, _FLOAT = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_float
_SIGNATURES = {
    "winograd_size": [_NUMBER] * 3,
    "winograd_entry": [_NUMBER] * 4,
    "winograd_prepare": [_NUMBER, _POINTER, _POINTER, _NUMBER, _NUMBER, _NUMBER],
    "winograd_forward": [_NUMBER, *[_POINTER] * 4, _NUMBER, _POINTER, _POINTER, _NUMBER],
    "winograd_convolve": [_NUMBER, _POINTER, _POINTER, _NUMBER, _POINTER, _POINTER, _NUMBER],
    "winograd_weight_gradient": [_NUMBER, *[_POINTER] * 4, _NUMBER],
    **dict.fromkeys(("direct_forward", "direct_input_gradient", "direct_weight_gradient"), [*[_POINTER] * 4, _NUMBER]),
    "norm_forward": [*[_POINTER] * 9, _LONG, _NUMBER, _FLOAT, _FLOAT, _NUMBER, _NUMBER],
    "norm_backward": [*[_POINTER] * 10, _LONG, _NUMBER, _NUMBER, _NUMBER],
}


class Steps(NamedTuple):
    """How a convolution steps, the same along both axes."""

    stride: int
    padding: int
    dilation: int


class Kernel:
    """The functions of the library on tensors; an engine as `plain` is one."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        for name, types in _SIGNATURES.items():
            getattr(library, name).argtypes = types
        library.winograd_size.restype, library.winograd_entry.restype = _LONG, _FLOAT

    def prepare(self, weight: Tensor, scheme: Scheme) -> Tensor:
        """As `plain.prepare`, in the kernel's own order."""
        weight, number = weight.detach().contiguous(), SCHEMES.index(scheme)
        outputs, inputs = weight.shape[:2]
        prepared = torch.empty(self.library.winograd_size(number, inputs, outputs))
        where = weight.data_ptr(), prepared.data_ptr()
        self.library.winograd_prepare(number, *where, inputs, outputs, torch.get_num_threads())
        return prepared

    def forward(
        self, x: Tensor, prepared: Tensor, channels: int, scheme: Scheme, dilation: int, ending: Ending = NOTHING
    ) -> Tensor:
        """As `plain.forward`."""
        x, bias, added = channels_last(x), ending.bias, ending.added
        added = None if added is None else channels_last(added)
        y = empty_map(x, channels, *x.shape[2:])
        more = [None if tensor is None else tensor.data_ptr() for tensor in (bias, added)]
        shape = _numbers(*_sizes(x), channels, dilation)
        maps = x.data_ptr(), prepared.data_ptr(), *more, ending.relu, y.data_ptr()
        self.library.winograd_forward(SCHEMES.index(scheme), *maps, shape, torch.get_num_threads())
        return y

    def convolve(self, x: Tensor, weight: Tensor, scheme: Scheme, dilation: int, backward: bool = False) -> Tensor:
        """As `plain.convolve`."""
        x, weight = channels_last(x), weight.detach().contiguous()
        channels = weight.shape[1] if backward else len(weight)
        y = empty_map(x, channels, *x.shape[2:])
        shape = _numbers(*_sizes(x), channels, dilation)
        maps = x.data_ptr(), weight.data_ptr(), backward, y.data_ptr()
        self.library.winograd_convolve(SCHEMES.index(scheme), *maps, shape, torch.get_num_threads())
        return y

    def weight_gradient(self, x: Tensor, gradient: Tensor, scheme: Scheme, dilation: int) -> Tensor:
        """As `plain.weight_gradient`."""
        x, gradient = channels_last(x), channels_last(gradient)
        weight = torch.empty(gradient.shape[1], x.shape[1], 3, 3)
        shape = _numbers(*_sizes(x), gradient.shape[1], dilation)
        maps = x.data_ptr(), gradient.data_ptr(), weight.data_ptr()
        self.library.winograd_weight_gradient(SCHEMES.index(scheme), *maps, shape, torch.get_num_threads())
        return weight

    def direct(self, x: Tensor, weight: Tensor, steps: Steps) -> Tensor:
        """Any convolution of a square kernel of at most 8 x 8 taps: x (N, in, H, W), weight (out, in, k, k)."""
        x, weight = channels_last(x), weight.detach().contiguous()
        reach = steps.dilation * (weight.shape[2] - 1) + 1
        sides = ((side + 2 * steps.padding - reach) // steps.stride + 1 for side in x.shape[2:])
        y = empty_map(x, len(weight), *sides)
        self._direct("forward", x, weight, y, _direct_shape(x.shape, weight, y.shape, steps))
        return y

    def direct_input_gradient(self, gradient: Tensor, weight: Tensor, steps: Steps, size: torch.Size) -> Tensor:
        """The gradient of the input of `direct`, whose size is given."""
        gradient, weight = channels_last(gradient), weight.detach().contiguous()
        made = empty_map(gradient, *size[1:])
        self._direct("input_gradient", gradient, weight, made, _direct_shape(size, weight, gradient.shape, steps))
        return made

    def direct_weight_gradient(self, x: Tensor, gradient: Tensor, weight: Tensor, steps: Steps) -> Tensor:
        """The gradient of the weights of `direct`."""
        x, gradient = channels_last(x), channels_last(gradient)
        made = torch.empty(weight.shape)
        self._direct("weight_gradient", x, gradient, made, _direct_shape(x.shape, weight, gradient.shape, steps))
        return made

    def _direct(self, what: str, first: Tensor, second: Tensor, made: Tensor, shape: ctypes.Array) -> None:
        maps = first.data_ptr(), second.data_ptr(), made.data_ptr()
        getattr(self.library, f"direct_{what}")(*maps, shape, torch.get_num_threads())


@cache
def kernel() -> Kernel:
    """The kernel; `build.Unavailable` where it cannot be had."""
    return Kernel(load_library())


def channels_last(tensor: Tensor) -> Tensor:
    """The tensor (N, C, H, W) in that order of memory."""
    return tensor.contiguous(memory_format=torch.channels_last)


def empty_map(like: Tensor, channels: int, height: int, width: int) -> Tensor:
    """A new map of as many images, channels last."""
    return torch.empty((like.shape[0], channels, height, width), memory_format=torch.channels_last)


def _sizes(x: Tensor) -> tuple[int, int, int, int]:
    """Images, height, width, channels: the order of channels last."""
    return x.shape[0], x.shape[2], x.shape[3], x.shape[1]


def _direct_shape(x: torch.Size, weight: Tensor, y: torch.Size, steps: Steps) -> ctypes.Array:
    """The numbers of `Convolution` in direct.cpp."""
    return _numbers(x[0], *x[2:], x[1], *y[2:], y[1], weight.shape[2], steps.stride, steps.dilation, steps.padding)


def _numbers(*values: int) -> ctypes.Array:
    return (ctypes.c_int * len(values))(*values)
