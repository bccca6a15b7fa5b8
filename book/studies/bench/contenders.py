"""The ways to compute a network's score map that are compared; each gives a call without arguments."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from book.studies.bench.released import released
from drn_lib.checkpoints.onnx import SCORES, TrainedArrays, onnx_model
from drn_lib.fast import Unavailable, accelerate
from drn_lib.fast.build import load_library
from drn_lib.fast.layers import folded
from drn_lib.network import ConvNorm, Network

Call = Callable[[], Tensor]
"""Computes the score map (1, classes, H/8, W/8) of one image."""
RUNTIMES = ("onnxruntime", "openvino")


class Missing(RuntimeError):
    """A contender that cannot run here; the message says why."""


@dataclass(frozen=True)
class Contender:
    """One way to compute: its name in a table, and what makes the call of a network, which it may change."""

    label: str
    make: Callable[[Network, Tensor], Call]


def fill(model: Network, seed: int = 0) -> Network:
    """Weights and statistics drawn from a seed, such that maps stay of one size from layer to layer."""
    random = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, module.weight[0].numel() ** -0.5, generator=random)
        elif isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5, generator=random)
            for tensor in (module.bias, module.running_mean):
                nn.init.normal_(tensor, 0.0, 0.1, generator=random)
    return model.eval()


def _released(model: Network, x: Tensor) -> Call:
    theirs = released(model)
    return lambda: theirs(x)


def _plain(model: Network, x: Tensor) -> Call:
    return lambda: model.score_map(x)


def _folded(model: Network, x: Tensor) -> Call:
    for module in [module for module in model.modules() if isinstance(module, ConvNorm)]:
        weight, bias = folded(module.conv, module.norm)
        module.conv.weight.data, module.conv.bias = weight, nn.Parameter(bias)
        module.norm = nn.Identity()
    return lambda: model.score_map(x)


def _compiled(model: Network, x: Tensor) -> Call:
    try:
        run = torch.compile(model.score_map, options={"freezing": True})
        with torch.no_grad():
            run(x)
    except Exception as error:  # inductor and the compiler have an error each
        raise Missing(f"torch.compile fails here ({type(error).__name__})") from error

    def call() -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            return run(x)

    return call


def _kernel(model: Network, x: Tensor) -> Call:
    try:
        load_library()
    except Unavailable as error:
        raise Missing(f"no kernel here: {error}") from error
    accelerate(model, fold=True, quiet=True)
    return lambda: model.score_map(x)


def _without_kernel(model: Network, x: Tensor) -> Call:
    accelerate(model, fold=True, kernel=False, quiet=True)
    return lambda: model.score_map(x)


def _onnxruntime(model: Network, x: Tensor) -> Call:
    runtime = _package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = runtime.InferenceSession(_onnx(model), options, providers=["CPUExecutionProvider"])
    feed = {"image": x.numpy()}
    return lambda: torch.from_numpy(session.run([SCORES], feed)[0])


def _openvino(model: Network, x: Tensor) -> Call:
    core = _package("openvino").Core()
    read = core.read_model(_onnx(model))
    read.reshape(list(x.shape))
    how = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(read, "CPU", {**how, "INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    feed = {0: x.numpy()}
    return lambda: torch.from_numpy(request.infer(feed)[0])


def _package(name: str):
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Missing(f"{name} is not installed here") from None


def _onnx(model: Network) -> bytes:
    """The network as an ONNX file in float32 that gives the score map alone."""
    tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    try:
        made = onnx_model(TrainedArrays(model.table, tensors, None, "drawn", "", ""), "float32")
    except RuntimeError as error:
        raise Missing(str(error)) from error
    for output in [output for output in made.graph.output if output.name != SCORES]:
        made.graph.output.remove(output)
    return made.SerializeToString()


BASELINE = "released"
CONTENDERS = {
    BASELINE: Contender("PyTorch, as released", _released),
    "plain": Contender("drn_lib", _plain),
    "folded": Contender("drn_lib, batch norm folded", _folded),
    "compiled": Contender("torch.compile", _compiled),
    "onnxruntime": Contender("onnxruntime", _onnxruntime),
    "openvino": Contender("OpenVINO", _openvino),
    "without_kernel": Contender("drn_lib.fast, PyTorch", _without_kernel),
    "kernel": Contender("drn_lib.fast, C++ kernel", _kernel),
}
