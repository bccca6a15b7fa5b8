"""The command `export`: a trained network as one ONNX file, with all that its readers have to know in its metadata.

    python -m drn_lib export --arch drn_c_26 --out drn_c_26.onnx
    python -m drn_lib export --weights my_run/drn_c_26-s0.safetensors --out mine.onnx

`drn_lib.checkpoints.onnx` says what is in the file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from drn_lib.checkpoints import onnx

if TYPE_CHECKING:
    from drn_lib.network import Network


def add_commands(commands, load: Callable[[str, str | None], Network]) -> None:
    """Add `export` to argparse's subparsers.

    Args:
        commands: the subparsers.
        load: makes the network from what --weights and --arch say.
    """
    command = commands.add_parser(
        "export",
        help="write a trained network as an ONNX file, for onnxruntime or a browser",
        description="The file takes normalized images of any size and gives the score map and each level's map; its "
        "metadata names the classes, the normalization, the outputs and the weights that it was made from.",
    )
    command.add_argument("--arch", help="the network, e.g. drn_c_26; alone it means the trained one of this book")
    command.add_argument("--weights", help="a file, a shipped name, or 'released' (needs --arch)")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write, ending in .onnx")
    command.add_argument(
        "--storage",
        choices=onnx.STORAGES,
        default="float16",
        help="of the kernels; computed is in float32 (%(default)s)",
    )
    command.set_defaults(function=lambda options: _export(options, load))


def _export(options: argparse.Namespace, load: Callable[[str, str | None], Network]) -> None:
    if options.out.suffix != ".onnx":
        raise ValueError(f"--out is a file whose name ends in .onnx, not {options.out}")
    trained = _trained(onnx.weights_named(options.weights, options.arch), options.arch, load)
    size = onnx.save_onnx(trained, options.out, options.storage)
    outputs = ", ".join([onnx.SCORES, *onnx.level_outputs(trained.table)])
    print(f"{options.out}: {trained.table.name}, {size / 1e6:.2f} MB, kernels in {options.storage}; outputs {outputs}")


def _trained(weights: str, arch: str | None, load: Callable[[str, str | None], Network]) -> onnx.Trained:
    """The network that was asked for, as `export` takes it."""
    from drn_lib.checkpoints.files import find_weights

    model = load(weights, arch)  # says in a sentence what is wrong with names and files
    file = find_weights(arch if weights == "released" else weights)
    tensors = {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}
    about = (model.classes, file.name, onnx.sha256_of(file), onnx.licence_of(file))
    return onnx.Trained(model.table, tensors, *about)
