"""A trained network as an ONNX file, for programs that have no torch: onnxruntime, or a browser.

The graph is written from the network's table and not recorded from a run: it takes a second, needs neither torch nor an
example, and any image size and batch may be fed in. Kernels are stored in 16 bits, with a cast to 32 after them, and
computed with in 32: half the bytes, and the same numbers for weights that are stored in 16 bits anyway, as this book's.

    input    image       (N, 3, H, W)  float32, normalized as by `images.normalize` with the network's own colors
    outputs  score_map   (N, classes, H/8, W/8) for a DRN
             level_1 ... (N, channels, H/jump, W/jump), the map that leaves each level

Its metadata hold what a reader has to know beside the graph: task, classes, normalization, jumps, licence; and of a
segmentation network, how the score map is brought to the image's size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drn_lib import geometry, paths
from drn_lib.architecture import Architecture, Convolution, convolutions, width_of
from drn_lib.checkpoints.descriptions import TASK, description
from drn_lib.checkpoints.files import licence_of, metadata_of, read_safetensors, sha256_of
from drn_lib.checks import one_of, require_finite_weights
from drn_lib.images import NORMALIZATION

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

STORAGES = ("float16", "float32")
OPSET = 18
IR_VERSION = 10  # what goes with this opset; onnx would write a newer one than older runtimes read
EPSILON = 1e-5  # of torch's BatchNorm2d, under the root of the variance
SCORES = "score_map"


@dataclass(frozen=True)
class TrainedArrays:
    """A trained network without torch."""

    table: Architecture  # at its final width
    tensors: Mapping[str, np.ndarray]  # by the names of `network.Network`
    classes: list[str] | None  # their names, in the classifier's order, where they are known
    file: str  # the name of the file of weights, whose SHA-256 is the next
    sha256: str
    licence: str  # sentences on what the weights may be used for
    task: str = "classification"
    colors: str = "imagenet"  # one of `images.NORMALIZATION`
    upsampling: str | None = None  # of a segmentation network: one of `descriptions.UPSAMPLINGS`


def read_trained(file: Path) -> TrainedArrays:
    """The network in one of our own files (`checkpoints.save_weights`), read without torch.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or does not describe its network.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there are no weights at {file}")
    tensors, about = read_safetensors(file, "np")
    if about is None:
        raise ValueError(f"{file.name} does not say which network it holds")
    said = description(about, tensors, file.name)
    return trained_in(file, said.table, tensors, said.classes)


def trained_in(
    file: Path, table: Architecture, tensors: Mapping[str, np.ndarray], classes: list[str] | None
) -> TrainedArrays:
    """A network that was read from a file already, with what else the file tells: its licence, task and colors."""
    about = metadata_of(file)
    how = (TASK, about["colors"], about["upsampling"]) if about.get("task") == TASK else ()
    return TrainedArrays(table, tensors, classes, file.name, sha256_of(file), licence_of(file), *how)


def onnx_model(trained: TrainedArrays, storage: str = "float16") -> ModelProto:
    """The network as an ONNX model with kernels of a storage, "float16" or "float32", checked by onnx.

    Raises:
        RuntimeError: the package onnx is not installed.
        ValueError: another storage, a network with smoothing filters, a tensor that is missing, of another shape,
            without floating-point numbers or not finite, or a kernel with a value that 16 bits do not hold.
    """
    onnx = _onnx()
    one_of("storage called", storage, STORAGES)
    if any(row.before or row.after or row.pooled == "blur" for row in convolutions(trained.table)):
        raise ValueError(f"{trained.table.name} smooths its maps by filters, which are not written as ONNX")
    graph = _Graph(trained, storage)
    last = graph.network()
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    classes, outputs = graph.tensor("classifier.bias", None).size, []
    for name, (channels, _) in {SCORES: (classes, 0), **level_outputs(trained.table)}.items():
        outputs.append(helper.make_tensor_value_info(name, floats, ["images", channels, f"{name}_h", f"{name}_w"]))
    image = helper.make_tensor_value_info("image", floats, ["images", 3, "height", "width"])
    kernel = graph.kernel("classifier.weight", (classes, trained.table.out_channels, 1, 1))
    graph.node("Conv", [last, kernel, graph.constant("classifier.bias", (classes,))], SCORES)
    made = helper.make_graph(graph.nodes, trained.table.name, [image], outputs, graph.initializers)
    opset = {"ir_version": IR_VERSION, "opset_imports": [helper.make_opsetid("", OPSET)]}
    model = helper.make_model(made, producer_name="drn_lib", **opset)
    helper.set_model_props(model, _metadata(trained, classes, storage))
    onnx.checker.check_model(model, full_check=True)
    return model


def save_onnx(trained: TrainedArrays, path: Path, storage: str = "float16") -> int:
    """Write the network to an ONNX file, whole or not at all; the number of its bytes. Errors as `onnx_model`."""
    content = onnx_model(trained, storage).SerializeToString(deterministic=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with paths.replacing(path) as temporary:
        temporary.write_bytes(content)
    return len(content)


def level_outputs(table: Architecture) -> dict[str, tuple[int, int]]:
    """Each level's output by name: its channels, and the input pixels between neighboring cells."""
    channels = {level.number: level.out_channels for level in table.levels}
    if table.stem_level is not None:
        channels[table.stem_level] = table.stem.channels
    places = geometry.table(table).levels
    return {f"level_{number}": (channels[number], places[number].jump) for number in sorted(channels)}


def _metadata(trained: TrainedArrays, classes: int, storage: str) -> dict[str, str]:
    table, outputs = trained.table, {SCORES: {"channels": classes, "jump": trained.table.output_stride}}
    for name, (channels, jump) in level_outputs(table).items():
        outputs[name] = {"channels": channels, "jump": jump, "level": int(name.removeprefix("level_"))}
    mean, std = NORMALIZATION[trained.colors]
    colors = {"order": "RGB", "range": [0, 1], "mean": list(mean), "std": list(std)}
    values = {"architecture": table.name, "width": width_of(table), "dilation_rule": table.dilation_rule or "none"}
    values |= {"num_classes": classes, "classes": trained.classes, "normalization": colors, "outputs": outputs}
    values |= {"task": trained.task} | ({"upsampling": trained.upsampling} if trained.upsampling else {})
    values |= {"kernel_storage": storage, "weights": trained.file, "weights_sha256": trained.sha256}
    values["licence"] = trained.licence
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


class _Graph:
    """The nodes and stored tensors of a network, in the order of computation."""

    def __init__(self, trained: TrainedArrays, storage: str) -> None:
        self.trained, self.storage, self.onnx = trained, storage, _onnx()
        self.tensors: dict[str, np.ndarray] = {}
        for name, values in trained.tensors.items():
            if np.issubdtype(values.dtype, np.floating):
                with np.errstate(over="ignore"):  # the check below says it better
                    self.tensors[name] = values.astype(np.float32)
            elif not name.endswith("num_batches_tracked"):
                says = f"holds {values.dtype}, and weights are floating-point numbers"
                raise ValueError(f"{name} of {trained.file} {says}")
        require_finite_weights(self.tensors, trained.file)
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []

    def network(self) -> str:
        """Everything below the classifier; the name of the last map. Each level's map is called level_<number>."""
        table = self.trained.table
        stem, *rows = convolutions(table)
        x = self.conv_norm("image", stem)
        x = self.node("Relu", [x], f"level_{table.stem_level}" if table.stem_level else "stem")
        blocks = [list(block) for _, block in groupby(rows, key=lambda row: row.name.split(".")[1:3])]
        for block, after in zip(blocks, [*blocks[1:], None]):
            level, name = block[0].level, ".".join(block[0].name.split(".")[:3])
            if block[0].pooled:
                x = self.node("MaxPool", [x], "pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
            ends_level = after is None or after[0].level != level
            x = self.block(x, block, table.level(level).residual, f"level_{level}" if ends_level else name)
        return x

    def block(self, x: str, rows: list[Convolution], residual: bool, result: str) -> str:
        """Convolutions in a row, ReLU between them, the shortcut where there is one: `network.Block`."""
        chain = [row for row in rows if not row.shortcut]
        out = self.conv_norm(x, chain[0])
        for before, row in zip(chain, chain[1:]):
            out = self.conv_norm(self.node("Relu", [out], f"{before.name}.relu"), row)
        if residual:
            x = self.conv_norm(x, rows[-1]) if rows[-1].shortcut else x
            out = self.node("Add", [out, x], f"{rows[0].name.split('.convs')[0]}.sum")
        return self.node("Relu", [out], result)

    def conv_norm(self, x: str, row: Convolution) -> str:
        """A convolution without bias and its normalization: `network.ConvNorm`; runtimes make them one."""
        how = {"strides": [row.stride] * 2, "pads": [row.padding] * 4, "dilations": [row.dilation] * 2}
        shape = row.out_channels, row.in_channels, row.kernel, row.kernel
        x = self.node("Conv", [x, self.kernel(f"{row.name}.conv.weight", shape)], f"{row.name}.conv", **how)
        names = [f"{row.name}.norm.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        parts = [self.constant(name, (row.out_channels,)) for name in names]
        return self.node("BatchNormalization", [x, *parts], f"{row.name}.norm", epsilon=EPSILON)

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def tensor(self, name: str, shape: tuple[int, ...] | None) -> np.ndarray:
        """A tensor of a shape, in 32 bits."""
        file, network = self.trained.file, self.trained.table.name
        if name not in self.tensors:
            raise ValueError(f"{file} has no {name}, so it is no whole {network}")
        if shape not in (None, found := self.tensors[name].shape):
            raise ValueError(f"{name} of {file} is {list(found)}, and {network} of this width has {list(shape)}")
        return self.tensors[name]

    def constant(self, name: str, shape: tuple[int, ...]) -> str:
        """A tensor, stored in 32 bits."""
        self.initializers.append(self.onnx.numpy_helper.from_array(self.tensor(name, shape), name))
        return name

    def kernel(self, name: str, shape: tuple[int, ...]) -> str:
        """A kernel, stored as was asked and computed with in 32 bits."""
        if self.storage == "float32":
            return self.constant(name, shape)
        with np.errstate(over="ignore"):  # the sentence below says it better
            stored = self.tensor(name, shape).astype(np.float16)
        if not np.isfinite(stored).all():
            raise ValueError(f"{name} holds values that are not finite in 16 bits: store it in float32")
        self.initializers.append(self.onnx.numpy_helper.from_array(stored, name))
        return self.node("Cast", [name], f"{name}.float32", to=self.onnx.TensorProto.FLOAT)


def _onnx() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError:
        raise RuntimeError("an export needs the package onnx: install it with `pip install onnx`") from None
    return onnx
