"""What carries out the convolutions: the compiled kernel where one can be built here, else plain PyTorch.

The kernel is compiled once by the system's C++ compiler ($CXX, else c++) into the cache. Its file's name holds a hash
of the sources, the compiler, its options and the processor, so a stale one is never loaded; it is moved to its place
when it is whole, so processes that build at once do not disturb each other.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from drn_lib import paths
from drn_lib.fast.matrices import SCHEMES, Scheme, header
from drn_lib.fast.plain import Ending

SOURCES = Path(__file__).parent / "kernel"
OPTIONS = ["-std=c++17", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"]
OPTIONS += ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]  # NaN and infinity stay what they are
PATIENCE = 300.0
"""Seconds after which a compiler is given up."""


class Unavailable(RuntimeError):
    """The kernel cannot be built or loaded here; the message is the reason."""


class Kernel:
    """The compiled kernel with the functions of `plain`: float32 tensors, maps channels last."""

    def __init__(self, file: Path) -> None:
        self.NAME, self.library = "C++ kernel", ctypes.CDLL(str(file))
        pointer, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_long
        library = self.library
        library.winograd_size.restype = size
        library.winograd_entry.restype = ctypes.c_float
        library.winograd_prepare.argtypes = [number, pointer, pointer, number, number, size, size, number, number]
        library.winograd_forward.argtypes = [number, *[pointer] * 4, number, pointer, pointer, number]
        library.winograd_weight_gradient.argtypes = [number, *[pointer] * 4, number]

    def prepare(self, weight: Tensor, scheme: Scheme, backward: bool = False) -> Tensor:
        """As `plain.prepare`, in the kernel's own order."""
        weight, number = weight.detach().contiguous(), SCHEMES.index(scheme)
        outputs, inputs = weight.shape[:2]
        steps = (inputs * 9, 9)  # from one output, and one input, to the next
        if backward:
            (outputs, inputs), steps = (inputs, outputs), steps[::-1]
        prepared = torch.empty(self.library.winograd_size(number, inputs, outputs))
        where = weight.data_ptr(), prepared.data_ptr()
        self.library.winograd_prepare(number, *where, inputs, outputs, *steps, backward, torch.get_num_threads())
        return prepared

    def forward(
        self, x: Tensor, prepared: Tensor, channels: int, scheme: Scheme, dilation: int, ending: Ending = Ending()
    ) -> Tensor:
        """As `plain.forward`."""
        x = x.contiguous(memory_format=torch.channels_last)
        y = _empty_map(x, channels)
        bias, added = ending.bias, ending.added
        if added is not None:
            added = added.contiguous(memory_format=torch.channels_last)
        more = [None if tensor is None else tensor.data_ptr() for tensor in (bias, added)]
        shape = _numbers(*_sizes(x), channels, dilation)
        number, maps = SCHEMES.index(scheme), (x.data_ptr(), prepared.data_ptr())
        self.library.winograd_forward(
            number, *maps, *more, ending.relu, y.data_ptr(), shape, torch.get_num_threads()
        )
        return y

    def weight_gradient(self, x: Tensor, gradient: Tensor, scheme: Scheme, dilation: int) -> Tensor:
        """As `plain.weight_gradient`."""
        x, gradient = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, gradient))
        weight = torch.empty(gradient.shape[1], x.shape[1], 3, 3)
        shape = _numbers(*_sizes(x), gradient.shape[1], dilation)
        maps = x.data_ptr(), gradient.data_ptr(), weight.data_ptr()
        self.library.winograd_weight_gradient(SCHEMES.index(scheme), *maps, shape, torch.get_num_threads())
        return weight


def _empty_map(x: Tensor, channels: int) -> Tensor:
    return torch.empty((x.shape[0], channels, *x.shape[2:]), memory_format=torch.channels_last)


def _sizes(x: Tensor) -> tuple[int, int, int, int]:
    """Images, height, width, channels: the order of channels last."""
    return x.shape[0], x.shape[2], x.shape[3], x.shape[1]


def _numbers(*values: int) -> ctypes.Array:
    return (ctypes.c_int * len(values))(*values)


@cache
def kernel() -> Kernel:
    """The kernel, compiled where it is not in the cache yet; Unavailable where that cannot be."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise Unavailable(f"the kernel is written for x86-64 processors, not {platform.machine()}")
    compiler = shlex.split(os.environ.get("CXX") or "c++")
    file = paths.cache_dir() / "kernels" / f"drn-{_key(compiler)}.so"
    if not file.exists():
        _build(compiler, file)
    try:
        return Kernel(file)
    except OSError as error:
        raise Unavailable(f"{file} cannot be loaded ({error}): delete it") from error


def _key(compiler: list[str]) -> str:
    """A hash of all that the kernel's bytes depend on."""
    said = _run([*compiler, "--version"], 30.0)
    target = _run([*compiler, *OPTIONS, "-dM", "-E", "-x", "c++", os.devnull], 30.0)  # what this processor can do
    texts = [said, target, *OPTIONS, header(), *(path.read_text() for path in sorted(SOURCES.iterdir()))]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _build(compiler: list[str], file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            Path(folder, "matrices.h").write_text(header())
            made = Path(folder, file.name)
            sources = map(str, sorted(SOURCES.glob("*.cpp")))
            _run([*compiler, *OPTIONS, f"-I{folder}", *sources, "-o", str(made)], PATIENCE)
            os.replace(made, file)
    except OSError as error:
        raise Unavailable(f"{file.parent} cannot be written ({error.strerror or error})") from error


def _run(command: list[str], patience: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"no C++ compiler answers to {command[0]!r} ({type(error).__name__})") from error
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "error" in line), f"status {done.returncode}")
        raise Unavailable(f"the C++ compiler {command[0]!r} failed: {said.strip()[:200]}")
    return done.stdout
