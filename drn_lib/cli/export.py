"""The command `export`: a trained network as one ONNX file, with all that its readers have to know in its metadata.

    python -m drn_lib export --arch drn_c_26 --out drn_c_26.onnx
    python -m drn_lib export --weights my_run/drn_c_26-s0.safetensors --out mine.onnx

`drn_lib.checkpoints.onnx` says what is in the file.
"""

from __future__ import annotations

import argparse

from drn_lib import paths
from drn_lib.checkpoints import onnx
from drn_lib.checkpoints.files import find_weights, require_weights
from drn_lib.cli.options import add_flags, add_network, begin


def add_commands(commands) -> None:
    """Add `export` to argparse's subparsers."""
    command = commands.add_parser(
        "export",
        help="write a trained network as an ONNX file, for onnxruntime or a browser",
        description="The file takes normalized images of any size and gives the score map and each level's map; its "
        "metadata names the classes, the normalization, the outputs and the weights that it was made from.",
    )
    add_network(command)
    add_flags(command, "--out", required=True, metavar="FILE", help="the file to write, ending in .onnx")
    help_storage = "of the kernels; all is computed in float32 (%(default)s)"
    command.add_argument("--storage", choices=onnx.STORAGES, default="float16", help=help_storage)
    command.set_defaults(function=_export)


def _export(options: argparse.Namespace) -> None:
    if options.out.suffix != ".onnx":
        raise ValueError(f"--out is a file whose name ends in .onnx, not {options.out}")
    paths.output_file(options.out, "--out")
    weights = require_weights(options.weights, options.arch)
    begin(f"exporting {weights}")

    from drn_lib.checkpoints import load_any

    model = load_any(options.weights, options.arch)  # says in a sentence what is wrong with a file
    file = find_weights(options.arch if weights == "released" else weights)
    tensors = {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}
    trained = onnx.trained_in(file, model.table, tensors, model.classes)
    size = onnx.save_onnx(trained, options.out, options.storage)
    outputs = ", ".join([onnx.SCORES, *onnx.level_outputs(trained.table)])
    print(f"{options.out}: {trained.table.name}, {size / 1e6:.2f} MB, kernels in {options.storage}; outputs {outputs}")
