"""Whether tensors fit a network under one of the published namings, and if not, whose they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from drn_lib.architecture import CHANNEL_STEP, Architecture, architecture, dilation_rules, list_models, scale_width
from drn_lib.checkpoints.naming import dead_modules, module_names, schemes
from drn_lib.network import Network

HEAD_KEYS = {"classifier.weight", "classifier.bias"}
COUNTER = "num_batches_tracked"
"""Counts training steps and plays no part in a prediction; older files do not have it."""


def fill(model: Network, tensors: dict[str, Tensor], source: str, head: str) -> None:
    """Copy tensors, named as in one of `naming.SCHEMES`, into the model; `source` and `head` as in `load_weights`.

    Raises ValueError where they do not fit; the sentence says whose they are, what is missing and what is unexpected.
    """
    wanted = _without_counters(model.state_dict())
    readings = [_rename(tensors, model.table, scheme) for scheme in schemes(model.table)]
    renamed, theirs, unexpected = max(readings, key=lambda reading: len(wanted.keys() & reading[0].keys()))
    if head == "drop":
        wanted, renamed = ({name: at[name] for name in at if name not in HEAD_KEYS} for at in (wanted, renamed))
    given = _without_counters(renamed)
    missing = [theirs(name) for name in wanted if name not in given]
    unexpected += [theirs(name) for name in given if name not in wanted]
    misshapen = [name for name in given if name in wanted and given[name].shape != wanted[name].shape]
    if misshapen and not missing and not unexpected and HEAD_KEYS.issuperset(misshapen):
        counts = f"{len(given['classifier.bias'])} classes and the model {model.classifier.out_channels}"
        advice = "make the model with as many, or keep its own classifier with head='drop'"
        raise ValueError(f"{source} has {counts}: {advice}")
    if missing or unexpected or misshapen:
        shapes = [f"{theirs(name)} {list(given[name].shape)} for {list(wanted[name].shape)}" for name in misshapen]
        raise ValueError(
            f"{source} does not fit {_title(model.table)}: it fits {_whose(tensors) or 'none of our networks'}; "
            f"missing: {_some(missing)}; unexpected: {_some(unexpected)}; of another shape: {_some(shapes)}"
        )
    model.load_state_dict(renamed, strict=False)  # complete but for the counters and a dropped head: checked above


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
    fitted = [_fitted(tensors, table, scheme) for table in tables for scheme in schemes(table)]
    fits = [_title(table) for table in fitted if table is not None]
    classes = [len(tensor) for name, tensor in tensors.items() if name in ("fc.bias", "seg.bias", "classifier.bias")]
    return " or ".join(fits) + (f" with {classes[0]} classes" if fits and classes else "")


def _fitted(tensors: dict[str, Tensor], table: Architecture, scheme: str) -> Architecture | None:
    """The table at the width that gives the tensors' names and shapes (no classifier's) under a scheme; else None."""
    renamed, _, unexpected = _rename(tensors, table, scheme)
    body = _body_shapes(renamed)
    if unexpected or len(HEAD_KEYS & renamed.keys()) == 1 or body.keys() != _shapes_of(table).keys():
        return None
    tables = (scale_width(table, width) for width in _widths(body["levels.6.0.convs.0.conv.weight"][0]))
    return next((scaled for scaled in tables if _shapes_of(scaled) == body), None)


def _shapes_of(table: Architecture) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return _body_shapes(Network(table).state_dict())


def _body_shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in _without_counters(state).items() if name not in HEAD_KEYS}


def _title(table: Architecture) -> str:
    width = width_of(table)
    return table.name if width in (1, None) else f"{table.name} of width {width:g}"


def _widths(channels: int) -> tuple[float, float, float]:
    """Widths that give a level of 512 channels `channels`, one of every kind.

    512 channels become 4 n where n is 128 x width, rounded. A width within half a step of n gives the smaller
    levels the same channels as one of these three: their rounding, too, changes only at n.
    """
    steps, whole = channels / CHANNEL_STEP, 512 / CHANNEL_STEP
    return steps / whole, (steps - 0.25) / whole, (steps + 0.25) / whole


def width_of(table: Architecture) -> float | None:
    """The width with which `create_model` builds this table again; None where it cannot: a dilated copy of a ResNet."""
    if table.dilation_rule is not None and table.dilation_rule not in dilation_rules(table.name):
        return None
    original = architecture(table.name, table.dilation_rule)
    return next((w for w in _widths(table.level(6).channels) if scale_width(original, w) == table), None)


def _some(names: list[str]) -> str:
    """The first three of the names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more or "nothing"
