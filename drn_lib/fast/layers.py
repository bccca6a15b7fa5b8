"""The layers that `accelerate` puts in the place of PyTorch's: same parameters, same state dict, other products.

Only the class of a layer is changed, so every tensor stays the one it was. Each decides for each input: what the
engine does not compute exactly as PyTorch would (other types, tracing, compiling) is left to PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from drn_lib.fast import operations, plain
from drn_lib.fast.choices import DIRECT, TORCH, WINOGRAD, Case, choose
from drn_lib.fast.kernel import Kernel, Steps, channels_last, kernel
from drn_lib.fast.matrices import scheme_for
from drn_lib.fast.plain import Ending
from drn_lib.network import Block, ConvNorm, Network

LARGEST_KERNEL = 8
"""Taps a side up to which the kernel computes a convolution as it is written."""
SAMPLED = 64
"""One in this many input channels of a filter is compared before prepared weights are reused."""


@dataclass
class Settings:
    """How one network is accelerated: shared by its layers.

    engine  "kernel" or "plain"
    fold    take batch normalization into the weights where nothing is learned
    tuned   what was measured on this machine, by case; before the table
    """

    engine: str
    fold: bool = False
    tuned: dict[Case, str] = field(default_factory=dict)

    def functions(self) -> Kernel | ModuleType:
        """The engine's functions; not kept here, since a library cannot be copied or saved."""
        return kernel() if self.engine == "kernel" else plain

    def method(self, case: Case) -> str:
        """How a convolution is computed: WINOGRAD, DIRECT or TORCH."""
        return self.tuned.get(case) or choose(case)


class Prepared:
    """Weights as an engine wants them, kept from call to call; neither copied nor saved with their layer.

    They are made again when a tensor that they come from was written to. PyTorch does not count what is written through
    `.data`, so a sample of each filter is compared too; a single weight that is changed in this way may be missed.
    """

    def __init__(self) -> None:
        self.made: dict[tuple, tuple] = {}

    def __reduce__(self):
        return Prepared, ()

    def get(self, kind: tuple, sources: tuple[Tensor, ...], make, sampled: bool = True):
        """What `make()` gives, or gave for the same sources; those made in inference mode have no count of writes.

        Without `sampled` no value is compared: for sources that nobody else can write to.
        """
        if any(tensor.is_inference() for tensor in sources):
            return make()
        state = tuple(
            (id(tensor), tensor.data_ptr(), tensor._version, _sample(tensor) if sampled else 0) for tensor in sources
        )
        found = self.made.get(kind)
        if found is None or found[0] != state:
            with torch.inference_mode(False), torch.no_grad():
                found = self.made[kind] = state, make(), sources  # kept, so that no other tensor lies in their place
        return found[1]


def _sample(tensor: Tensor) -> float:
    part = tensor.detach()
    part = part[:, ::SAMPLED, -1, -1] if part.dim() == 4 else part
    return part.sum().item()


class Convolution(nn.Conv2d):
    """A convolution that is computed by an engine where that pays."""

    fast: Settings
    prepared: Prepared

    def forward(self, x: Tensor) -> Tensor:
        if not fits(self, x):
            return super().forward(x.contiguous() if torch.is_grad_enabled() else x)
        return self.compute(x)

    def compute(self, x: Tensor) -> Tensor:
        """The convolution of maps that are known to be computable."""
        if not torch.is_grad_enabled():
            return self.finish(x, self.weight, self.bias)
        method = self.fast.method(case_of(x, self, self.fast.engine, training=True))
        if method == TORCH:
            return nn.Conv2d.forward(self, x.contiguous())  # backwards, small channels-last maps corrupt torch's memory
        engine, steps = self.fast.functions(), steps_of(self)
        if method == WINOGRAD:
            y = operations.winograd(x, self.weight, steps.dilation, engine)
        else:
            y = operations.direct(x, self.weight, steps, engine)
        return y if self.bias is None else y + self.bias[:, None, None]

    def finish(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, added: Tensor | None = None, relu: bool = False
    ) -> Tensor:
        """Without gradients: the convolution by `weight`, + bias, + `added`, ReLU."""
        case, engine, steps = case_of(x, self, self.fast.engine, training=False), self.fast.functions(), steps_of(self)
        method = self.fast.method(case)
        if method == WINOGRAD:
            scheme = scheme_for(*x.shape[2:], steps.dilation)
            own = weight is self.weight
            kind = "prepared", scheme.name, own
            prepared = self.prepared.get(kind, (weight,), lambda: engine.prepare(weight, scheme), sampled=own)
            return engine.forward(x, prepared, len(weight), scheme, steps.dilation, Ending(bias, added, relu))
        if method == DIRECT:
            y = engine.direct(x, weight, steps)
            y = y if bias is None else y.add_(bias[:, None, None])
        else:
            x = channels_last(x) if self.fast.engine == "kernel" else x
            y = conv2d(x, weight, bias, self.stride, self.padding, self.dilation)
        y = y if added is None else y.add_(added)
        return y.relu_() if relu else y


class Transposed(nn.ConvTranspose2d):
    """PyTorch's, which computes gradients of ordinary maps only: see `Convolution.forward`."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(x.contiguous() if torch.is_grad_enabled() else x, output_size)


class Normalized(ConvNorm):
    """A convolution and its batch normalization, and what follows them, in as few passes as the engine can."""

    fast: Settings
    prepared: Prepared

    def forward(self, x: Tensor, added: Tensor | None = None, relu: bool = False) -> Tensor:
        """The normalized convolution of x, + `added`, ReLU."""
        conv, norm = self.conv, self.norm
        ours = isinstance(conv, Convolution) and type(norm) is nn.BatchNorm2d and norm.affine and not hooked(self)
        ready = ours and fits(conv, x)
        if ready and self.fast.fold and not torch.is_grad_enabled() and _foldable(norm):
            sources = conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var
            weight, bias = self.prepared.get(("folded",), sources, lambda: folded(conv, norm))
            return conv.finish(x, weight, bias, added, relu)
        y = conv.compute(x) if ready else conv(x)
        if ours and self.fast.engine == "kernel" and _learns(norm) and _normalizable(y, norm):
            return operations.normalize(y, norm, added, relu, kernel())
        y = norm(y)
        y = y if added is None else y.add_(added)
        return y.relu_() if relu else y


class Connected(Block):
    """A block whose sum and ReLU are computed with its normalization."""

    def forward(self, x: Tensor) -> Tensor:
        if hooked(self):  # a hook sees the maps that PyTorch's layers give
            return super().forward(x)
        out = x
        for conv in self.convs[:-1]:
            out = conv(out, relu=True)
        added = None if not self.link else x if self.shortcut is None else self.shortcut(x)
        if self.link not in (0, 1):
            added = self.link * added
        return self.convs[-1](out, added, relu=True)


class AcceleratedNetwork(Network):
    """A network whose first ReLU is computed with the normalization before it."""

    def stem_map(self, x: Tensor) -> Tensor:
        if hooked(self.relu) or not isinstance(self.stem, Normalized):
            return super().stem_map(x)
        return self.stem(x, relu=True)


def computable(x: Tensor, weight: Tensor) -> bool:
    """Whether an engine takes these as they are: float32 on the CPU, not traced, compiled or autocast."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.is_autocast_enabled("cpu"):
        return False
    same = x.dtype is weight.dtype is torch.float32 and x.is_cpu and weight.is_cpu
    usual = type(x) in _TENSORS and type(weight) in _TENSORS and x.layout is torch.strided
    return same and usual and x.numel() > 0 and (x.dim() == 4 or weight.dim() == 1)


_TENSORS = Tensor, nn.Parameter


def able(conv: nn.Conv2d) -> bool:
    """Whether an engine has this convolution: square, of few taps, of one group, with zeros around."""
    kernel_size, stride, dilation, padding = conv.kernel_size, conv.stride, conv.dilation, conv.padding
    square = all(not isinstance(pair, str) and pair[0] == pair[1] for pair in (kernel_size, stride, dilation, padding))
    return square and conv.groups == 1 and conv.padding_mode == "zeros" and kernel_size[0] <= LARGEST_KERNEL


def fits(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether an engine computes this convolution of these maps; PyTorch raises where they do not fit together."""
    if not (able(conv) and computable(x, conv.weight)) or x.shape[1] != conv.weight.shape[1]:
        return False
    reach = conv.dilation[0] * (conv.kernel_size[0] - 1) + 1
    return min(x.shape[2:]) + 2 * conv.padding[0] >= reach


def steps_of(conv: nn.Conv2d) -> Steps:
    """Stride, padding and dilation, the same along both axes."""
    return Steps(conv.stride[0], conv.padding[0], conv.dilation[0])


def case_of(x: Tensor, conv: nn.Conv2d, engine: str, training: bool) -> Case:
    """What the time of a convolution depends on."""
    side = round((x.shape[2] * x.shape[3]) ** 0.5)
    steps = steps_of(conv)
    dense = conv.kernel_size[0] == 3 and steps.stride == 1 and steps.padding == steps.dilation
    return Case(
        engine, training, dense, conv.kernel_size[0], *steps[::2], conv.in_channels, conv.out_channels, side, len(x)
    )


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """The weights (out, in, k, k) and bias (out) of the convolution followed by its normalization."""
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = norm.bias.double() - scale * norm.running_mean.double()
    bias = bias if conv.bias is None else bias + scale * conv.bias.double()
    return (conv.weight.double() * scale[:, None, None, None]).float(), bias.float()


_HOOKS = "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"


def hooked(module: nn.Module) -> bool:
    """Whether somebody watches the module or a part of it; asked in every step, and so without `modules()`."""
    own = module.__dict__
    watched = any(own[kind] for kind in _HOOKS)
    return watched or any(hooked(part) for part in own["_modules"].values() if part is not None)


def _foldable(norm: nn.BatchNorm2d) -> bool:
    return not norm.training and norm.running_mean is not None


def _learns(norm: nn.BatchNorm2d) -> bool:
    return norm.training and norm.running_mean is not None and norm.momentum is not None


def _normalizable(y: Tensor, norm: nn.BatchNorm2d) -> bool:
    """Whether the kernel normalizes this map; PyTorch refuses one value a channel and other numbers of channels."""
    return computable(y, norm.weight) and y.shape[1] == len(norm.weight) and y.numel() > y.shape[1]
