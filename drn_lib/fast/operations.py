"""What a network computes, by an engine, forward and backward: convolutions, and normalization with what follows it."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from drn_lib.fast.kernel import Kernel, Steps, channels_last
from drn_lib.fast.matrices import scheme_for

Engine = Kernel | ModuleType  # the module is `plain`


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, dilation: int, engine: Engine) -> Tensor:
        scheme = scheme_for(*x.shape[2:], dilation)
        ctx.save_for_backward(x, weight)
        ctx.how = engine, scheme, dilation
        return engine.convolve(x, weight, scheme, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        (x, weight), (engine, scheme, dilation) = ctx.saved_tensors, ctx.how
        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            of_input = engine.convolve(gradient, weight, scheme, dilation, backward=True)
        if ctx.needs_input_grad[1]:
            of_weight = engine.weight_gradient(x, gradient, scheme, dilation)
        return of_input, of_weight, None, None


class _Direct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, steps: Steps, kernel: Kernel) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.how = kernel, steps
        return kernel.direct(x, weight, steps)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        (x, weight), (kernel, steps) = ctx.saved_tensors, ctx.how
        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            of_input = kernel.direct_input_gradient(gradient, weight, steps, x.shape)
        if ctx.needs_input_grad[1]:
            of_weight = kernel.direct_weight_gradient(x, gradient, weight, steps)
        return of_input, of_weight, None, None


class _Normalize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, added: Tensor | None, norm: nn.BatchNorm2d, gamma: Tensor, beta: Tensor, *how):
        relu, kernel = how
        x, channels = channels_last(x), x.shape[1]
        added = None if added is None else channels_last(added)
        y, mean, inverse = torch.empty_like(x), torch.empty(channels), torch.empty(channels)
        tensors = x, added, gamma, beta, norm.running_mean, norm.running_var, y, mean, inverse
        pointers = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
        rows = x.numel() // channels
        kernel.library.norm_forward(*pointers, rows, channels, norm.eps, norm.momentum, relu, torch.get_num_threads())
        ctx.save_for_backward(x, y if relu else x, gamma, mean, inverse)
        ctx.how = relu, added is not None, kernel
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        (x, y, gamma, mean, inverse), (relu, has_added, kernel) = ctx.saved_tensors, ctx.how
        gradient, channels = channels_last(gradient), x.shape[1]
        of_x, of_added = torch.empty_like(x), torch.empty_like(x) if has_added else None
        of_gamma, of_beta = torch.empty_like(gamma), torch.empty_like(gamma)
        tensors = gradient, y, x, gamma, mean, inverse, of_x, of_added, of_gamma, of_beta
        pointers = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
        rows = x.numel() // channels
        kernel.library.norm_backward(*pointers, rows, channels, relu, torch.get_num_threads())
        return of_x, of_added, None, of_gamma, of_beta, None, None


def winograd(x: Tensor, weight: Tensor, dilation: int, engine: Engine) -> Tensor:
    """The convolution of x (N, in, H, W) with weights (out, in, 3, 3), stride 1, as many zeros around as its dilation.

    Returns (N, out, H, W), channels last; its gradients come from the same engine.
    """
    return _Winograd.apply(x, weight, dilation, engine)


def direct(x: Tensor, weight: Tensor, steps: Steps, kernel: Kernel) -> Tensor:
    """Any convolution of a square kernel of at most 8 x 8 taps by the kernel, channels last."""
    return _Direct.apply(x, weight, steps, kernel)


def normalize(x: Tensor, norm: nn.BatchNorm2d, added: Tensor | None, relu: bool, kernel: Kernel) -> Tensor:
    """What `norm` in training makes of x (N, C, H, W), + `added`, ReLU; the running statistics move on."""
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    return _Normalize.apply(x, added, norm, norm.weight, norm.bias, relu, kernel)
