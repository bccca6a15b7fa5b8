"""`accelerate` makes a network faster in place, and `restore` undoes it."""

from __future__ import annotations

import torch
from torch import nn

from drn_lib.fast import layers, measure
from drn_lib.fast.build import Unavailable, library_file, load_library
from drn_lib.fast.choices import table_hash
from drn_lib.fast.layers import Settings
from drn_lib.network import Block, ConvNorm, Network

_FASTER = {
    nn.Conv2d: layers.Convolution,
    nn.ConvTranspose2d: layers.Transposed,
    ConvNorm: layers.Normalized,
    Block: layers.Connected,
    Network: layers.AcceleratedNetwork,
}
_PLAIN = {faster: usual for usual, faster in _FASTER.items()}


def accelerate(
    model: nn.Module,
    fold: bool = False,
    tune: tuple[int, int] | None = None,
    quiet: bool = False,
    kernel: bool = True,
) -> nn.Module:
    """Let a network compute its convolutions with fewer multiplications, on a CPU in float32.

    The network is changed in place, and stays what it is: same parameters, same state dict, same results up to
    rounding (1e-5 of the largest score), forward and backward, in training and in evaluation. One printed line says
    which engine computes: a C++ kernel that is compiled at first use, or PyTorch's own functions where there is no
    compiler or another processor. On a GPU or in half precision nothing is changed, and the line says so.

    Args:
        model: any network; what is accelerated are its `nn.Conv2d` and the blocks of our own networks.
        fold: take batch normalization into the weights in evaluation without gradients.
        tune: (images, side in pixels) of a batch: measure on this machine what is fastest for each convolution of such
            a batch, for inference. Otherwise a table decides that was measured on another machine.
        quiet: print nothing.
        kernel: False compiles nothing, and computes by PyTorch's own functions.

    Returns:
        The same network.

    Raises:
        ValueError: `tune` is no pair of positive whole numbers; or the network does not take such images, and is then
            as after `restore`.
    """
    measure.check_batch(tune)
    restore(model)
    said = _obstacle(model)
    if said is None:
        settings, engine = _settings(fold, compiled=kernel)
        said = f"{_change(model, settings)} convolutions can be computed by {engine}"
        if tune is not None:
            try:
                measure.tune(model, *tune, settings)
            except BaseException:
                restore(model)
                raise
    if not quiet:
        print(f"fast: {said}")
    return model


def restore(model: nn.Module) -> nn.Module:
    """Undo `accelerate`: the same network, computed by PyTorch's own layers."""
    for module in model.modules():
        if type(module) in _PLAIN:
            module.__class__ = _PLAIN[type(module)]
            for name in ("fast", "prepared"):
                module.__dict__.pop(name, None)
    return model


def engine_of(model: nn.Module) -> str | None:
    """ "kernel" or "plain" where a network is accelerated, else None."""
    return next((module.fast.engine for module in model.modules() if isinstance(module, layers.Convolution)), None)


def identity(model: nn.Module) -> dict[str, str]:
    """The engine and the table of choices, which decide the last bits of the results; {} without acceleration."""
    engine = engine_of(model)
    if engine is None:
        return {}
    return {"engine": library_file().stem if engine == "kernel" else engine, "choices": table_hash()}


def _settings(fold: bool, compiled: bool) -> tuple[Settings, str]:
    """The engine that there is, and what the printed line says of it."""
    if not compiled:
        return Settings("plain", fold), "PyTorch"
    try:
        load_library()
    except Unavailable as error:
        return Settings("plain", fold), f"PyTorch, since {error}"
    return Settings("kernel", fold), "the C++ kernel"


def _obstacle(model: nn.Module) -> str | None:
    """Why a network is left as it is."""
    tensors = [*model.parameters(), *model.buffers()]
    devices = {tensor.device.type for tensor in tensors}
    if devices - {"cpu"}:
        return f"nothing is changed, since the network lies on {', '.join(sorted(devices))}: this is for a CPU"
    if {tensor.dtype for tensor in tensors if tensor.is_floating_point()} - {torch.float32}:
        return "nothing is changed, since the network is not in float32"
    return None


def _change(model: nn.Module, settings: Settings) -> int:
    """Give the layers their faster classes; how many convolutions an engine has."""
    count = 0
    for module in model.modules():
        kind = type(module)
        if kind not in _FASTER:
            continue
        module.__class__ = _FASTER[kind]
        if kind in (nn.Conv2d, ConvNorm):
            module.fast, module.prepared = settings, layers.Prepared()
        count += kind is nn.Conv2d and layers.able(module)
    return count
