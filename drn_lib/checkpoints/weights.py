"""Weights in and out of a network: our own files, the authors' released ones, torchvision's and pytorchcv's.

Our own files are safetensors: tensors of two or more dimensions stored in 16 bits, the rest (normalization, biases) in
32, and the network's description in the metadata, so that `load_trained` needs only the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from drn_lib import paths
from drn_lib.architecture import Architecture, width_of
from drn_lib.checkpoints import files
from drn_lib.checkpoints.descriptions import description, require_names, with_metadata
from drn_lib.checkpoints.fitting import COUNTER, fill
from drn_lib.checkpoints.forms import bare_state_dict
from drn_lib.checkpoints.naming import dead_modules, module_names
from drn_lib.checks import one_of, path_of, require_finite_weights, require_type
from drn_lib.network import Network, create_model

HEADS = ("strict", "drop")
"""What `load_weights` does with the file's classifier."""


def require_savable(table: Architecture) -> float:
    """The width with which `create_model` builds a network again, which is what a file of weights says of it.

    Raises:
        ValueError: it is a dilated copy of a ResNet that no architecture of the family describes.
    """
    width = width_of(table)
    if width is None:
        raise ValueError(f"create_model cannot build this {table.name} again: save the ResNet that it came from")
    return width


def save_weights(model: Network, path: str | Path, classes: list[str] | None = None, **metadata: object) -> Path:
    """Write the weights and the description of `model` to one safetensors file, whole or not at all.

    Args:
        model: a network from `create_model`.
        path: the file to write, which is returned; its folder is made.
        classes: the classes' names, in the classifier's order.
        metadata: more to store: texts as they are, all else as JSON.

    Raises:
        ValueError: there are not as many different names as classes, a value is not finite or does not fit 16 bits,
            metadata are not for JSON, or `create_model` cannot build this network again (a dilated copy of a ResNet;
            save the ResNet and dilate it after loading).
    """
    require_type(model, Network, "the model")
    path, num_classes = path_of("the file of weights", path), model.classifier.out_channels
    require_names(classes, num_classes)
    width = require_savable(model.table)
    about = {**metadata, "architecture": model.table.name, "width": width, "num_classes": num_classes}
    about |= {"dilation_rule": model.table.dilation_rule, "classes": classes}
    tensors = {}
    for name, tensor in model.state_dict().items():
        if name.endswith(COUNTER):
            continue
        stored = tensor.detach().cpu().to(torch.float16 if tensor.ndim > 1 else torch.float32)
        if not stored.isfinite().all():
            raise ValueError(f"{name} holds values that are not finite in {stored.dtype}: {path.name} was not written")
        tensors[name] = stored.contiguous()
    require_finite_weights(tensors, f"{path.name}, which was not written,")
    try:
        text = {key: v if isinstance(v, str) else json.dumps(v, allow_nan=False) for key, v in about.items()}
    except (TypeError, ValueError) as error:
        raise ValueError(f"metadata must be texts or what JSON holds ({error}): {path.name} was not written") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    with paths.replacing(path) as temporary:
        temporary.write_bytes(with_metadata(save(tensors), text))
    return path


def load_trained(name_or_path: str | Path) -> Network:
    """The trained network in one of our own files: in eval mode, its classes' names in `model.classes`.

    Args:
        name_or_path: a file of `save_weights`, or the name of a shipped one, such as "first_networks/drn_c_26-s0".

    Raises:
        FileNotFoundError: no such file, no such name.
        ValueError: a file that does not describe its network (load it with `load_weights`).
    """
    path = files.find_shipped(name_or_path)
    if path is None:
        raise files.not_found(name_or_path, files.list_trained())
    tensors, about = files.read_weights(path)
    if about is None:
        raise ValueError(f"{path.name} does not say which network it holds; make one and fill it with load_weights")
    said = description(about, tensors, path.name)
    model = create_model(about["architecture"], said.num_classes, about["width"], about["dilation_rule"])
    fill(model, tensors, path.name, "strict")
    model.classes = said.classes
    return model.eval()


def load_any(weights: str | None, arch: str | None = None) -> Network:
    """The trained network that --weights and --arch name, in eval mode; all commands on classifiers load it here.

    Args:
        weights: a file or a shipped name; "released" takes the authors' weights of `arch`; None takes the network of
            this book that ships for `arch`.
        arch: the network, which our own files say themselves and the files of others do not.

    Raises:
        ValueError: no network is named, a file holds another one than `arch`, or what `load_weights` refuses.
        FileNotFoundError: no such file and no such name, or nothing was published for `arch`.
    """
    weights = files.weights_named(weights, arch)
    if weights == "released":
        return load_weights(create_model(arch), arch).eval()
    file = files.find_shipped(weights)
    if arch is None or file is None or files.read_weights(file)[1] is not None:
        model = load_trained(weights)
        if arch not in (None, model.table.name):
            raise ValueError(f"{weights} holds a {model.table.name}, not a {arch}")
        return model
    return load_weights(create_model(arch), file).eval()


def load_weights(
    model: Network, path_or_name: str | Path | Mapping[str, Tensor], sha256: str | None = None, head: str = "strict"
) -> Network:
    """Load weights into `model`, in whichever of the published forms they come.

    Taken are the authors' ImageNet files (DRN-C, DRN-D), their training checkpoints and segmentation files,
    torchvision's ResNets (into ResNet and into DRN-A), pytorchcv's DRN-C and DRN-D, and our own. The state dict may
    stand in dictionaries ({"model": ...}), beside numbers, dates, paths and the like, and all its names may share a
    prefix: DataParallel's, torch.compile's, Lightning's. A file with several state dicts, such as one of averaged
    weights, is refused: pass the one that is wanted. Either all fits and is loaded, or the model stays as it was.

    Args:
        model: a network from `create_model`, of the file's depth and width.
        path_or_name: a file; or a state dict; or the name of a shipped network ("first_networks/drn_c_26-s0") or of
            a released one ("drn_c_26"), which is downloaded once.
        sha256: the file's SHA-256 or at least its first 8 digits, checked before anything is read.
        head: "strict" wants the file's classifier to fit; "drop" keeps the model's own, whatever the file has.

    Raises:
        ValueError: the file is another network's (the sentence says whose, what is missing, what is unexpected), its
            classifier has another number of classes, its hash differs, it is no checkpoint or holds more than tensors
            and plain values, or a tensor is not finite, has a variance below zero or no floating-point numbers.
        FileNotFoundError: no such file and no such name, or no weights were published for it.

    Source: state-dict names of fyu/drn (drn.py, segment.py), torchvision and pytorchcv.
    """
    if not isinstance(model, Network):
        raise ValueError(f"load_weights fills a network from create_model, not a {type(model).__name__}")
    one_of("way to treat the head called", head, HEADS)
    if isinstance(path_or_name, Mapping):
        if sha256 is not None:
            raise ValueError("a sha256 can be checked for a file, not for a state dict")
        source, about = "the state dict", None
        tensors = bare_state_dict(path_or_name, source)
    else:
        path = files.find_weights(path_or_name)
        if sha256 is not None:
            files.check_sha256(path, sha256)
        source, (tensors, about) = path.name, files.read_weights(path)
    if about is not None:
        description(about, tensors, source)
        _check_description(model.table, about, source)
    fill(model, tensors, source, head)
    return model


def released_state_dict(model: Network) -> dict[str, Tensor]:
    """The model's state dict as the authors' code names, orders and shapes it: what their `load_state_dict` takes.

    The classifier of ResNet and DRN-A is two-dimensional there. DRN-C-58 has a shortcut there that is computed and
    never added; its entries are made up, a convolution of zeros and a fresh normalization.

    Raises:
        ValueError: the authors' code has no names for this network.

    Source: fyu/drn, drn.py.
    """
    state = model.state_dict()
    released = {}
    for ours, theirs in module_names(model.table, "released"):
        own = {name.removeprefix(ours): tensor for name, tensor in state.items() if name.rpartition(".")[0] == ours}
        released.update({theirs + leaf: tensor for leaf, tensor in own.items()})
        for prefix, in_channels, out_channels in dead_modules(model.table, "released"):
            if theirs == prefix.replace("downsample", "bn2"):  # the authors' blocks end with their shortcut
                released[f"{prefix}.0.weight"] = torch.zeros(out_channels, in_channels, 1, 1)
                fresh = nn.BatchNorm2d(out_channels).state_dict()
                released.update({f"{prefix}.1.{leaf}": tensor for leaf, tensor in fresh.items()})
    if model.table.stem_level is not None:
        released["fc.weight"] = released["fc.weight"].flatten(1)
    return released


def _check_description(table: Architecture, about: dict, source: str) -> None:
    """Our own files know more than their names and shapes: B from C, and the dilation they were trained with."""
    known, rule = about["dilation_rule"], table.dilation_rule
    if known is None and table.stem_level is not None:  # a ResNet's weights may go into its dilated twin: chapter 02
        return
    if about["architecture"] != table.name:
        raise ValueError(f"{source} holds a {about['architecture']}, not a {table.name}")
    if known != rule:
        advice = f"make it with dilation_rule={known!r}"
        raise ValueError(f"{source} was trained with dilation rule {known!r} and the model has {rule!r}: {advice}")
