"""Weights in and out of a network: our own files, the authors' released ones, torchvision's and pytorchcv's.

Our own files are safetensors: tensors of two or more dimensions stored in 16 bits, the rest (normalization, biases) in
32, and the network's description in the metadata, so that `load_trained` needs the file alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from drn_lib import paths
from drn_lib.architecture import CHANNEL_STEP, Architecture, architecture, dilation_rules, list_models, scale_width
from drn_lib.checkpoints.files import (
    bare_state_dict,
    check_sha256,
    find_shipped,
    find_weights,
    list_trained,
    read_weights,
)
from drn_lib.checkpoints.naming import dead_modules, module_names, schemes
from drn_lib.network import Network, create_model

HEADS = ("strict", "drop")
HEAD_KEYS = {"classifier.weight", "classifier.bias"}
COUNTER = "num_batches_tracked"
"""Counts training steps and plays no part in a prediction; older files do not have it."""


def save_weights(model: Network, path: str | Path, classes: list[str] | None = None, **metadata: object) -> Path:
    """Write the weights and the description of `model` to one safetensors file, whole or not at all.

    Args:
        model: a network from `create_model`.
        path: the file to write; its folder is made.
        classes: the classes' names, in the classifier's order.
        metadata: more to store: texts as they are, all else as JSON.

    Returns:
        The path.

    Raises:
        ValueError: there are not as many names as classes, a value does not fit 16 bits, or `create_model` cannot
            build this network again (a dilated copy of a ResNet; save the ResNet and dilate it after loading).
    """
    path, num_classes = Path(path), model.classifier.out_channels
    if classes is not None and len(classes) != num_classes:
        raise ValueError(f"{len(classes)} names were given for the classifier's {num_classes} classes")
    width = _width_of(model.table)
    if width is None:
        raise ValueError(f"create_model cannot build this {model.table.name} again: save the ResNet that it came from")
    about = {
        **metadata,
        "architecture": model.table.name,
        "width": width,
        "num_classes": num_classes,
        "dilation_rule": model.table.dilation_rule,
        "classes": classes,
    }
    tensors = {}
    for name, tensor in model.state_dict().items():
        if name.endswith(COUNTER):
            continue
        stored = tensor.detach().cpu().to(torch.float16 if tensor.ndim > 1 else torch.float32)
        if not stored.isfinite().all():
            raise ValueError(f"{name} holds values that are not finite in {stored.dtype}: {path.name} was not written")
        tensors[name] = stored.contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    with paths.replacing(path) as temporary:
        text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}
        temporary.write_bytes(save(tensors, text))
    return path


def load_trained(name_or_path: str | Path) -> Network:
    """The trained network in one of our own files: in eval mode, its classes' names in `model.classes`.

    Args:
        name_or_path: a file of `save_weights`, or the name of a shipped one, such as "first_networks/drn_c_26-s0".

    Raises:
        FileNotFoundError: no such file, no such name.
        ValueError: a file that does not describe its network (load it with `load_weights`).
    """
    path = find_shipped(name_or_path)
    if path is None and Path(name_or_path).suffix:
        raise FileNotFoundError(f"there is no file {name_or_path!s}: correct the path (shipped names have no suffix)")
    if path is None:
        raise FileNotFoundError(f"no trained network is called {name_or_path!s}; there are {', '.join(list_trained())}")
    tensors, about = read_weights(path)
    if about is None:
        raise ValueError(f"{path.name} does not say which network it holds; make one and fill it with load_weights")
    model = create_model(about["architecture"], about["num_classes"], about["width"], about["dilation_rule"])
    _fill(model, tensors, path.name, "strict")
    model.classes = about["classes"]
    return model.eval()


def load_weights(
    model: Network,
    path_or_name: str | Path | Mapping[str, Tensor],
    sha256: str | None = None,
    head: str = "strict",
) -> Network:
    """Load weights into `model`, in whichever of the published forms they come.

    Taken are the authors' ImageNet files (DRN-C, DRN-D), their training checkpoints and segmentation files, files
    saved from DataParallel, torchvision's ResNets (into ResNet and into DRN-A), pytorchcv's DRN-C and DRN-D, and our
    own. Either everything fits and is loaded, or the model stays as it was.

    Args:
        model: a network from `create_model`, of the file's depth and width.
        path_or_name: a file; or a state dict; or the name of a shipped network ("first_networks/drn_c_26-s0") or of
            a released one ("drn_c_26"), which is downloaded once.
        sha256: the file's SHA-256 or at least its first 8 digits, checked before anything is read.
        head: "strict" wants the file's classifier to fit; "drop" keeps the model's own, whatever the file has.

    Returns:
        The model.

    Raises:
        ValueError: the file is another network's (the sentence says whose, what is missing, what is unexpected), its
            classifier has another number of classes, its hash differs, or it holds more than tensors.
        FileNotFoundError: no such file and no such name, or no weights were published for it.

    Source: state-dict names of fyu/drn (drn.py, segment.py), torchvision and pytorchcv.
    """
    if not isinstance(model, Network):
        raise ValueError(f"load_weights fills a network from create_model, not a {type(model).__name__}")
    if head not in HEADS:
        raise ValueError(f"head must be 'strict' or 'drop', not {head!r}")
    if isinstance(path_or_name, Mapping):
        if sha256 is not None:
            raise ValueError("a sha256 can be checked for a file, not for a state dict")
        source, about = "the state dict", None
        tensors = bare_state_dict(path_or_name, source)
    else:
        path = find_weights(path_or_name)
        if sha256 is not None:
            check_sha256(path, sha256)
        source, (tensors, about) = path.name, read_weights(path)
    if about is not None:
        _check_description(model.table, about, source)
    _fill(model, tensors, source, head)
    return model


def released_state_dict(model: Network) -> dict[str, Tensor]:
    """The model's state dict as the authors' code names, orders and shapes it: what their `load_state_dict` takes.

    The classifier of ResNet and DRN-A is two-dimensional there. DRN-C-58 has a shortcut there that is computed and
    never added; its entries are made up, a convolution of zeros and a fresh normalization.

    Source: fyu/drn, drn.py.
    """
    state = model.state_dict()
    leaves: dict[str, list[str]] = {}
    for name in state:
        module, _, leaf = name.rpartition(".")
        leaves.setdefault(module, []).append(leaf)
    released = {}
    for ours, theirs in module_names(model.table, "released"):
        released.update({f"{theirs}.{leaf}": state[f"{ours}.{leaf}"] for leaf in leaves[ours]})
        for prefix, in_channels, out_channels in dead_modules(model.table, "released"):
            if theirs == prefix.replace("downsample", "bn2"):  # the authors' blocks end with their shortcut
                released[f"{prefix}.0.weight"] = torch.zeros(out_channels, in_channels, 1, 1)
                fresh = nn.BatchNorm2d(out_channels).state_dict()
                released.update({f"{prefix}.1.{leaf}": tensor for leaf, tensor in fresh.items()})
    if model.table.stem_level is not None:
        released["fc.weight"] = released["fc.weight"].flatten(1)
    return released


def _fill(model: Network, tensors: dict[str, Tensor], source: str, head: str) -> None:
    """Copy the tensors into the model, or say in one sentence why they do not fit."""
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items() if not name.endswith(COUNTER)}
    readings = [_rename(tensors, model.table, scheme) for scheme in schemes(model.table)]
    renamed, theirs, unexpected = max(readings, key=lambda reading: len(wanted.keys() & reading[0].keys()))
    if head == "drop":
        wanted = {name: shape for name, shape in wanted.items() if name not in HEAD_KEYS}
        renamed = {name: tensor for name, tensor in renamed.items() if name not in HEAD_KEYS}
    found = {name: tensor for name, tensor in renamed.items() if name in wanted}
    missing = [theirs(name) for name in wanted if name not in found]
    unexpected += [theirs(name) for name in renamed if name not in wanted and not name.endswith(COUNTER)]
    misshapen = [name for name, tensor in found.items() if tensor.shape != wanted[name]]
    if misshapen and not missing and not unexpected and HEAD_KEYS.issuperset(misshapen):
        raise ValueError(
            f"{source} has {len(found['classifier.bias'])} classes and the model {model.classifier.out_channels}: "
            "make the model with as many, or keep its own classifier with head='drop'"
        )
    if missing or unexpected or misshapen:
        shapes = [f"{theirs(name)} {list(found[name].shape)} for {list(wanted[name])}" for name in misshapen]
        raise ValueError(
            f"{source} does not fit {_title(model.table)}: it fits {_whose(tensors) or 'none of our networks'}; "
            f"missing: {_some(missing)}; unexpected: {_some(unexpected)}; of another shape: {_some(shapes)}"
        )
    model.load_state_dict(renamed, strict=False)  # complete but for the counters and a dropped head: checked above


def _rename(
    tensors: dict[str, Tensor], table: Architecture, scheme: str
) -> tuple[dict[str, Tensor], Callable[[str], str], list[str]]:
    """The tensors under our names, a function from our names to theirs, and their names that we have no place for."""
    ours = {theirs: name for name, theirs in module_names(table, scheme)}
    theirs = {name: module for module, name in ours.items()}
    dead = {f"{prefix}.{part}" for prefix, _, _ in dead_modules(table, scheme) for part in (0, 1)}
    if scheme == "segmentation":
        dead.add("up")  # a fixed kernel: bilinear upsampling
    renamed, unexpected = {}, []
    for key, tensor in tensors.items():
        module, _, leaf = key.rpartition(".")
        if module in ours:
            is_linear = ours[module] == "classifier" and leaf == "weight" and tensor.ndim == 2
            renamed[f"{ours[module]}.{leaf}"] = tensor[:, :, None, None] if is_linear else tensor
        elif module not in dead:
            unexpected.append(key)

    def back(name: str) -> str:
        module, _, leaf = name.rpartition(".")
        return f"{theirs[module]}.{leaf}"

    return renamed, back, unexpected


def _whose(tensors: dict[str, Tensor]) -> str:
    """The networks that these tensors fit by names and shapes, in words; empty where there is none."""
    fits = []
    for name in list_models():
        table = architecture(name)
        for scheme in schemes(table):
            renamed, _, unexpected = _rename(tensors, table, scheme)
            given = {name: tensor.shape for name, tensor in renamed.items() if not name.endswith(COUNTER)}
            keys = {f"{module}.{leaf}" for module, _ in module_names(table, scheme) for leaf in _leaves(module)}
            if unexpected or given.keys() not in (keys, keys - HEAD_KEYS):
                continue
            tables = [scale_width(table, width) for width in _widths(given["levels.6.0.convs.0.conv.weight"][0])]
            fits += [_title(scaled) for scaled in tables if _shapes_fit(given, scaled)][:1]
    classes = [len(tensor) for name, tensor in tensors.items() if name in ("fc.bias", "seg.bias", "classifier.bias")]
    return " or ".join(fits) + (f" with {classes[0]} classes" if fits and classes else "")


def _shapes_fit(given: dict[str, torch.Size], table: Architecture) -> bool:
    """Whether the shapes are those of this network; its classifier may have any number of classes."""
    with torch.device("meta"):
        wanted = Network(table).state_dict()
    return all(shape == wanted[name].shape for name, shape in given.items() if name not in HEAD_KEYS)


def _leaves(module: str) -> tuple[str, ...]:
    """The tensors of one of our modules, but for the counter."""
    if module.endswith(".norm"):
        return "weight", "bias", "running_mean", "running_var"
    return ("weight", "bias") if module == "classifier" else ("weight",)


def _title(table: Architecture) -> str:
    width = _width_of(table)
    return table.name if width in (1, None) else f"{table.name} of width {width:g}"


def _widths(channels: int) -> tuple[float, float, float]:
    """Widths that give a level of 512 channels `channels`, one of every kind.

    512 channels become 4 n where n is 128 x width, rounded. A width within half a step of n gives the smaller
    levels the same channels as one of these three: their rounding, too, changes at n alone.
    """
    steps, whole = channels / CHANNEL_STEP, 512 / CHANNEL_STEP
    return steps / whole, (steps - 0.25) / whole, (steps + 0.25) / whole


def _width_of(table: Architecture) -> float | None:
    """The width with which `create_model` builds this table again; None where it cannot: a dilated copy of a ResNet."""
    if table.dilation_rule is not None and table.dilation_rule not in dilation_rules(table.name):
        return None
    original = architecture(table.name, table.dilation_rule)
    widths = _widths(table.level(6).channels)
    return next((width for width in widths if scale_width(original, width) == table), None)


def _check_description(table: Architecture, about: dict, source: str) -> None:
    """Our own files know more than their names and shapes: B from C, and the dilation they were trained with."""
    # A ResNet's weights may go into its dilated twin: that is what chapter 02 is about.
    if about["dilation_rule"] is None and table.stem_level is not None:
        return
    if about["architecture"] != table.name:
        raise ValueError(f"{source} holds a {about['architecture']}, not a {table.name}")
    if about["dilation_rule"] != table.dilation_rule:
        raise ValueError(
            f"{source} was trained with dilation rule {about['dilation_rule']!r} and the model has "
            f"{table.dilation_rule!r}: make it with dilation_rule={about['dilation_rule']!r}"
        )


def _some(names: list[str]) -> str:
    """The first three of the names, and how many more there are."""
    if not names:
        return "nothing"
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
