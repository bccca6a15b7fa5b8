"""Whether tensors fit a network under one of the published namings, and if not, whose they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from drn_lib.architecture import Architecture, architecture, list_models, scale_width, width_of, widths
from drn_lib.checkpoints.naming import dead_modules, module_names, schemes
from drn_lib.checks import require_finite_weights
from drn_lib.network import Network

HEAD_KEYS = {"classifier.weight", "classifier.bias"}
COUNTER = "num_batches_tracked"
"""Counts training steps and plays no part in a prediction; older files do not have it."""


def fill(model: Network, tensors: dict[str, Tensor], source: str, head: str) -> None:
    """Copy tensors, named as in one of `naming.SCHEMES`, into the model; `source` and `head` as in `load_weights`.

    Raises ValueError where they do not fit; the sentence says whose they are, what is missing and what is unexpected.
    Every way into a network goes by here, so tensors that it cannot compute with are refused here too.
    """
    wanted = _without_counters(model.state_dict())
    readings = [_rename(state, model.table, by) for state in _without_prefix(tensors) for by in schemes(model.table)]
    renamed, theirs, unexpected = max(readings, key=lambda reading: len(wanted.keys() & reading[0].keys()))
    if head == "drop":
        wanted, renamed = ({name: at[name] for name in at if name not in HEAD_KEYS} for at in (wanted, renamed))
    given = _without_counters(renamed)
    missing = [theirs(name) for name in wanted if name not in given]
    unexpected += [theirs(name) for name in given if name not in wanted]
    misshapen = [name for name in given if name in wanted and given[name].shape != wanted[name].shape]
    classes = [given[name].shape[:1] for name in HEAD_KEYS if name in given]
    if not missing and not unexpected and HEAD_KEYS == set(misshapen) and classes[0] == classes[1] > (0,):
        counts = f"{classes[0][0]} classes and the model {model.classifier.out_channels}"
        advice = "make the model with as many, or keep its own classifier with head='drop'"
        raise ValueError(f"{source} has {counts}: {advice}")
    if missing or unexpected or misshapen:
        shapes = [f"{theirs(name)} {list(given[name].shape)} for {list(wanted[name].shape)}" for name in misshapen]
        raise ValueError(
            f"{source} does not fit {_title(model.table)}: it fits {_whose(tensors) or 'none of our networks'}; "
            f"missing: {_some(missing)}; unexpected: {_some(unexpected)}; of another shape: {_some(shapes)}"
        )
    for name, tensor in given.items():
        if not tensor.is_floating_point():
            says = f"holds {tensor.dtype}, and weights are floating-point numbers"
            raise ValueError(f"{theirs(name)} of {source} {says}")
    values = {name: tensor.to(wanted[name].dtype) for name, tensor in given.items()}
    require_finite_weights({theirs(name): tensor for name, tensor in values.items()}, source)
    counters = {name: count for name, count in renamed.items() if name not in given and count.dtype == torch.int64}
    values |= {name: count for name, count in counters.items() if count.shape == ()}
    model.load_state_dict(values, strict=False)  # complete but for the counters and a dropped head: checked above


def _without_prefix(tensors: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """The tensors as they are named, and without the first part, the first two and so on that all names share."""
    shared = os.path.commonprefix([name.split(".")[:-1] for name in tensors])
    return [{name.split(".", cut)[cut]: tensors[name] for name in tensors} for cut in range(len(shared) + 1)]


def _without_counters(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.endswith(COUNTER)}


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
    tables = [architecture(name) for name in list_models()]
    states = _without_prefix(tensors)
    fitted = [_fitted(state, table, scheme) for state in states for table in tables for scheme in schemes(table)]
    fits = [_title(table) for table in fitted if table is not None]
    biases = [tensor for name, tensor in tensors.items() if name.endswith(("fc.bias", "seg.bias", "classifier.bias"))]
    classes = [len(bias) for bias in biases if bias.dim()]
    return " or ".join(fits) + (f" with {classes[0]} classes" if fits and classes else "")


def _fitted(tensors: dict[str, Tensor], table: Architecture, scheme: str) -> Architecture | None:
    """The table at the width that gives the tensors' names and shapes (no classifier's) under a scheme; else None."""
    renamed, _, unexpected = _rename(tensors, table, scheme)
    body = _body_shapes(renamed)
    if unexpected or len(HEAD_KEYS & renamed.keys()) == 1 or body.keys() != _shapes_of(table).keys():
        return None
    tables = (scale_width(table, width) for width in widths(sum(body["levels.6.0.convs.0.conv.weight"][:1])))
    return next((scaled for scaled in tables if _shapes_of(scaled) == body), None)


def _shapes_of(table: Architecture) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return _body_shapes(Network(table).state_dict())


def _body_shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in _without_counters(state).items() if name not in HEAD_KEYS}


def _title(table: Architecture) -> str:
    width = width_of(table)
    return table.name if width in (1, None) else f"{table.name} of width {width:g}"


def _some(names: list[str]) -> str:
    """The first three of the names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more or "nothing"
