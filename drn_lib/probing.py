"""A module tried out on a copy, so that the user's own stays as it is: copies, random statistics, modes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from drn_lib.checks import require_type

Move = Callable[[Tensor], Tensor]

TOLERANCE = 1e-9
"""Relative difference in float64 up to which two maps are the same: far above rounding, far below any fault."""


def copied(module: nn.Module, move: Move | None = None) -> nn.Module:
    """A deep copy, also of a module that keeps tensors with a history (an activation, an old `weight_norm`).

    `move` makes the copy of each tensor, plain attributes included; a ValueError tells what cannot be copied.
    """
    require_type(module, nn.Module, "the model")
    try:
        with _Copying(move), torch.no_grad():
            memo = {id(p): nn.Parameter(move(p), p.requires_grad) for p in module.parameters()} if move else {}
            return copy.deepcopy(module, memo)
    except Exception as error:
        raise ValueError(f"the {type(module).__name__} holds something that cannot be copied: remove it") from error


def probe(module: nn.Module, random: torch.Generator) -> nn.Module:
    """A copy to try out: float64, on the CPU, in evaluation mode, without the user's hooks, its statistics random."""
    twin = copied(module, _float64).eval()
    for part in twin.modules():
        for hooks in (part._forward_hooks, part._forward_pre_hooks):
            for key, hook in list(hooks.items()):
                if not type(hook).__module__.startswith("torch.nn.utils"):  # weight_norm and the like live there
                    del hooks[key]
    if not is_meta(twin):
        randomize(twin, random)
    return twin


@torch.no_grad()
def randomize(module: nn.Module, random: torch.Generator) -> None:
    """Draw the statistics of every normalization, so that they are not neutral: mean 0.1 N(0, 1), variance 0.5 + U."""
    for part in module.modules():
        mean, variance = getattr(part, "running_mean", None), getattr(part, "running_var", None)
        if isinstance(mean, Tensor) and isinstance(variance, Tensor):
            mean.normal_(0, 0.1, generator=random)
            variance.uniform_(0.5, 1.5, generator=random)


def is_meta(module: nn.Module) -> bool:
    """Whether a module has shapes only, so that there are no values to compare."""
    return any(parameter.is_meta for parameter in module.parameters())


def relative_difference(found: Tensor, expected: Tensor) -> float:
    """The largest absolute difference over the largest absolute value; 0 for two maps of zeros."""
    apart, size = (found - expected).abs().max().item(), expected.abs().max().item()
    return apart / size if size else float("inf") if apart else 0.0


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards the mode that each part had, also where an error ends it."""
    require_type(model, nn.Module, "the model")
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


class _Copying(TorchFunctionMode):
    """Lets deepcopy copy the tensors that it refuses, those with a history; or all of them by `move`."""

    def __init__(self, move: Move | None) -> None:
        super().__init__()
        self.move = move

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is Tensor.__deepcopy__ and self.move:
            return self.move(args[0])
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            return args[0].detach().clone()
        return func(*args, **(kwargs or {}))


def _float64(tensor: Tensor) -> Tensor:
    dtype = torch.float64 if tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to("meta" if tensor.is_meta else "cpu", dtype, copy=True)
