"""What a file is, by its first bytes, and where the tensors are in what it holds. torch is imported when it is needed.

Nothing in a file is ever run: safetensors hold only tensors, and a checkpoint of PyTorch is read with
`torch.load(weights_only=True)`, which refuses everything but tensors, and plain values of the types in `plain_types`.
"""

from __future__ import annotations

import argparse
import datetime
import pathlib
import re
import types
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

_PACKED = "compressed: unpack it and give the file that comes out"
_IMAGE = "an image, not weights"
_SIGNATURES = {
    b"version https://git-lfs": "a Git LFS pointer: fetch the file itself with `git lfs pull`",
    **dict.fromkeys((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!"), _PACKED),
    **dict.fromkeys((b"\x89PNG", b"\xff\xd8\xff", b"GIF8"), _IMAGE),
    b"PK\x05\x06": "a zip archive that holds no checkpoint",
    b"\x93NUMPY": "an array of NumPy, not a state dict",
    b"\x89HDF": "an HDF5 file, which Keras writes: weights of PyTorch are wanted",
    b"%PDF": "a PDF, not weights",
}
_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The number with which torch.save began its files before they were zip archives, as a pickle has it."""
_DAMAGED = "damaged or cut off: get it again"
_RATIO = 20
"""How many times its size a zip archive may unpack to; torch.save does not compress."""
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What DataParallel, torch.compile and FSDP write into the names of a network that they wrap, or of a part of it."""
NO_WEIGHTS = {"n_averaged", "total_ops", "total_params"}
"""What torch.optim.swa_utils and thop count and keep among the tensors."""


def form_of(path: Path) -> str:
    """ "safetensors" or "torch", whatever the file's suffix; a ValueError says what another file is."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name the file of weights in it")
    with open(path, "rb") as file:
        start = file.read(512)
    if start[4:9] == b"\0\0\0\0{":  # the length of the header, in 8 bytes, and its first letter
        return "safetensors"
    what = next((what for signature, what in _SIGNATURES.items() if start.startswith(signature)), None)
    if start[:4] == b"PK\x03\x04":
        what = _wrong_zip(path)
    elif start[:1] == b"\x80" and _MAGIC not in start[:32]:
        what = "a pickle of Python objects, not a file of torch.save: nothing in it was run"
    elif what is None and start[:1] != b"\x80":
        what = _other(start)
    if what is not None:
        raise ValueError(f"{path.name} is {what}")
    return "torch"


def _other(start: bytes) -> str:
    """What a file is that has no signature."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return "a web page, not weights: an address was answered with a message; open it as text"
    if start[257:262] == b"ustar":
        return "a tar archive: unpack it; a checkpoint of PyTorch before 0.1.10 has to be saved again by a newer one"
    if start[:1] == b"\x08" and start[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x3a", b"\x42"):  # protobuf: ir_version
        return "an ONNX model: a checkpoint that holds a state dict is wanted"
    if start and all(byte >= 32 or byte in b"\t\n\r" for byte in start):
        return "text, not weights"
    return _DAMAGED if start else "empty: get it again"


def _wrong_zip(path: Path) -> str | None:
    """What is wrong with a zip archive, of which a whole checkpoint of PyTorch has nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
                return "a TorchScript archive, a program: save its state_dict() by torch.save"
            if all(name.endswith(".npy") for name in names):
                return "an archive of NumPy arrays: make a dictionary of tensors of it and pass that"
            size = sum(member.file_size for member in archive.infolist())
            if not any(name.endswith("/data.pkl") for name in names) or size > _RATIO * path.stat().st_size:
                return "a zip archive that holds no checkpoint: unpack it and give the file that comes out"
            return None if archive.testzip() is None else _DAMAGED  # torch does not look at the checksums
    except Exception:  # a garbled archive raises whatever it likes
        return _DAMAGED


def plain_types() -> list:
    """What a checkpoint may hold beside its tensors: types whose values are plain, so that reading them runs nothing.

    As `torch.serialization.safe_globals` takes them. NumPy 1 wrote other module names than NumPy 2, and a path
    of another system becomes one without a file system.
    """
    scalar, array = np.float64(0).__reduce__()[0], np.zeros(1).__reduce__()[0]
    found: list = [np.ndarray, np.dtype, *(getattr(np.dtypes, name) for name in np.dtypes.__all__)]
    found += [(f, f"numpy.{core}.multiarray.{f.__name__}") for f in (scalar, array) for core in ("core", "_core")]
    for pure, names in (
        ("PurePosixPath", "PosixPath PurePosixPath"),
        ("PureWindowsPath", "WindowsPath PureWindowsPath"),
    ):
        homes = [f"{module}.{name}" for module in ("pathlib", "pathlib._local") for name in names.split()]
        found += [(getattr(pathlib, pure), home) for home in homes]
    found += [datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone]
    found += [(lambda *_: {}, "collections.defaultdict"), (lambda *_: [], "collections.deque")]  # torch fills no others
    found += [argparse.Namespace, types.SimpleNamespace]
    return [*found, bool, dict, float, frozenset, int, list, str, tuple]


def read_torch(path: Path) -> object:
    """What torch.save put into a file, where it holds only tensors and plain values; else ValueError."""
    import torch

    try:
        with (
            open(path, "rb") as file,
            torch.serialization.safe_globals(plain_types()),
        ):  # by a path, torch goes by suffix
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a garbled pickle raises whatever it likes
        refused = re.search(r"(?:unsupported|Unsupported) (?:GLOBAL|global: GLOBAL) ([\w.]+)", str(error))
        protocol = "Unsupported operand" in str(error)
    if refused is None:
        other = ", or pickled by another protocol than torch.save's own, 2: save its state dict again"
        raise ValueError(f"{path.name} is {_DAMAGED}{other if protocol else ''}")
    more = f"holds more than tensors and plain values ({refused[1]}), so it was refused and nothing in it was run"
    raise ValueError(f"{path.name} {more}: save only the network's state_dict()")


def bare_state_dict(content: object, source: str) -> dict[str, Tensor]:
    """Names and plain tensors, out of whatever dictionaries hold them and without what `WRAPPERS` add; else ValueError.

    A state dict is known by what it holds: tensors whose names end in ".weight". One of several is not chosen.

    Source: the forms of fyu/drn, of torchvision's and Lightning's trainings, and of users' own.
    """
    from torch import Tensor

    found = dict(_state_dicts(content, Tensor)) or dict(_state_dicts(content, object))
    if not found:
        raise ValueError(f"{source} holds no state dict (names with tensors)")
    if len(found) > 1:
        there = ", ".join(list(found)[:4])
        raise ValueError(f"{source} holds several state dicts ({there}): pass the one that is wanted as a dict")
    (state,) = found.values()
    bare: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if not isinstance(name, str):
            raise ValueError(f"{source} has a name that is no text: {name!r:.40}")
        if not isinstance(tensor, Tensor):
            raise ValueError(f"{name} of {source} is of type {type(tensor).__name__}, not a tensor")
        short = ".".join(part for part in name.split(".") if part not in WRAPPERS)
        if short.rpartition(".")[2] in NO_WEIGHTS:
            continue
        if short in bare:
            raise ValueError(f"{source} names {short} twice, with wrappers and without: pass one of them as a dict")
        if (kind := _kind(tensor)) is not None:
            raise ValueError(f"{name} of {source} is a {kind} tensor, not a plain one")
        bare[short] = tensor
    return bare


def _state_dicts(content: object, kind: type, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Mapping]]:
    """Every state dict inside, by its keys from outside, whose values are of a kind; an optimizer has dictionaries."""
    if not isinstance(content, Mapping) or len(path) > 5:
        return
    weights = [value for name, value in content.items() if isinstance(name, str) and name.endswith(".weight")]
    if any(isinstance(value, kind) and not isinstance(value, Mapping) for value in weights):
        yield ".".join(path), content
        return
    for name, inner in content.items():
        if isinstance(name, str):
            yield from _state_dicts(inner, kind, (*path, name))


def _kind(tensor: Tensor) -> str | None:
    """What a tensor is that does not hold its values plainly: "sparse", for instance."""
    import torch

    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        return type(tensor).__name__
    kinds = {"nested": tensor.is_nested, "quantized": tensor.is_quantized, "meta": tensor.is_meta}
    kinds["sparse"] = tensor.layout is not torch.strided
    return next((kind for kind, holds in kinds.items() if holds), None)
