"""One 3x3 convolution of stride 1 by an engine, forward and backward."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from drn_lib.fast.engines import Kernel
from drn_lib.fast.matrices import scheme_for

Engine = Kernel | ModuleType  # the module is `plain`


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, dilation: int, engine: Engine) -> Tensor:
        scheme = scheme_for(*x.shape[2:], dilation)
        ctx.save_for_backward(x, weight)
        ctx.how = engine, scheme, dilation
        return engine.forward(x, engine.prepare(weight, scheme), len(weight), scheme, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        (x, weight), (engine, scheme, dilation) = ctx.saved_tensors, ctx.how
        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            back = engine.prepare(weight, scheme, backward=True)
            of_input = engine.forward(gradient, back, x.shape[1], scheme, dilation)
        if ctx.needs_input_grad[1]:
            of_weight = engine.weight_gradient(x, gradient, scheme, dilation)
        return of_input, of_weight, None, None


def convolve(x: Tensor, weight: Tensor, dilation: int, engine: Engine) -> Tensor:
    """The convolution of x (N, in, H, W) with weights (out, in, 3, 3), stride 1, as many zeros around as its dilation.

    Returns (N, out, H, W), channels last; its gradients come from the same engine.
    """
    return _Convolution.apply(x, weight, dilation, engine)
