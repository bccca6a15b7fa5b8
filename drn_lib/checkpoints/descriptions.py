"""What our own files say of the network in them, and whether it can be true. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drn_lib.architecture import Architecture, architecture, require_buildable, scale_width
from drn_lib.checks import one_of
from drn_lib.images import NORMALIZATION

DESCRIBED = {"architecture", "width", "num_classes", "dilation_rule", "classes"}
"""What the metadata of our own files (`checkpoints.save_weights`) say at least."""
TASK = "segmentation"
"""What the metadata of a segmentation network name as its task; a classifier's name none."""
UPSAMPLINGS = ("bilinear", "released")
"""How scores become pixels, by name:

``bilinear``   beyond its border the score map continues as at its edge
``released``   beyond its border the score map is zero, so that the outer 4 pixels of the image are dimmed: what the
               frozen 16x16 transposed convolution of the authors' segment.py computes
"""


@dataclass(frozen=True)
class Description:
    """The network that a file describes, and its classes' names where they are known."""

    table: Architecture  # at its final width
    num_classes: int
    classes: list[str] | None


def parse(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """The values in the metadata of one of our own files; None for another's."""
    if not DESCRIBED <= metadata.keys():
        return None
    about = {}
    for key, text in metadata.items():
        try:
            about[key] = json.loads(text)
        except (ValueError, RecursionError):  # strings are stored as they are
            about[key] = text
    return about


def description(about: Mapping[str, Any], tensors: Mapping[str, Any], source: str) -> Description:
    """What a file says of its network, compared with the shapes of its tensors before anything is made of it.

    Raises ValueError, which names the file, where it cannot be true.
    """
    try:
        table = scale_width(architecture(about["architecture"], about["dilation_rule"]), about["width"])
        require_buildable(table, count := about["num_classes"])
        if about.get("task") == TASK:
            one_of("upsampling", about.get("upsampling"), UPSAMPLINGS)
            one_of("color normalization", about.get("colors"), NORMALIZATION)
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        rows = len(shapes.get("classifier.bias", ())) == 1 and shapes["classifier.bias"][0]
        if rows and rows != count:
            raise ValueError(f"it names {count} classes and its classifier has {rows}")
        require_names(about["classes"], count)
        kernel = shapes.get("levels.6.0.convs.0.conv.weight", ())
        if kernel and kernel[0] != table.level(6).channels:
            raise ValueError(f"it names width {about['width']} and its tensors are those of another")
    except ValueError as error:
        raise ValueError(f"{source} does not hold what it says: {str(error):.300}") from None
    return Description(table, count, about["classes"])


def require_names(classes: object, count: int) -> None:
    """Raise ValueError where classes' names are neither None nor `count` different texts."""
    if classes is None:
        return
    names = list(classes) if isinstance(classes, (list, tuple)) else []
    if len(names) != count or not all(isinstance(name, str) for name in names) or len(set(names)) != count:
        raise ValueError(f"classes must be a list of {count} different names, or None")


def with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file with metadata in them, which the package itself writes in random order."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps({**json.loads(content[8:end]), "__metadata__": dict(metadata)}, sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]
