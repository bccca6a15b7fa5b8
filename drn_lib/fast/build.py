"""The kernel's library: compiled once, kept in the cache, loaded.

It is compiled by the system's C++ compiler ($CXX, else c++) into the cache. Its file's name holds a hash
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

from drn_lib import paths
from drn_lib.fast.matrices import header

SOURCES = Path(__file__).parent / "cpp"
OPTIONS = ["-std=c++17", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"]
OPTIONS += ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]  # NaN and infinity stay what they are
PATIENCE = 300.0
"""Seconds after which a compiler is given up."""


class Unavailable(RuntimeError):
    """The kernel cannot be built or loaded here; the message is the reason."""


@cache
def load_library() -> ctypes.CDLL:
    """The library, compiled where it is not in the cache yet.

    Raises:
        Unavailable: another processor than x86-64 with AVX2, no compiler, a failed build, or a cache that cannot be
            written.
    """
    compiler, file = _compiler(), library_file()
    if not file.exists():
        _build(compiler, file)
    try:
        return ctypes.CDLL(str(file))
    except OSError as error:
        raise Unavailable(f"{file} cannot be loaded ({error}): delete it") from error


def library_file() -> Path:
    """The library's file in the cache.

    Its name holds a hash of the sources, the compiler, its options and the processor.

    Raises:
        Unavailable: another processor than x86-64, or no compiler.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise Unavailable(f"the kernel is written for x86-64 processors, not {platform.machine()}")
    return paths.cache_dir() / "kernels" / f"drn-{_key(_compiler())}.so"


def compiler_version() -> str:
    """The first line of what the compiler says of itself.

    Raises:
        Unavailable: there is no compiler.
    """
    return _run([*_compiler(), "--version"], 30.0).splitlines()[0]


def _compiler() -> list[str]:
    return shlex.split(os.environ.get("CXX") or "c++")


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
