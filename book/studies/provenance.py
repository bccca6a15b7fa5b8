"""What a run computed with, noted in its working folder until it is done: devices, torch version, commits."""

from __future__ import annotations

import hashlib
import platform
import re
import subprocess
import sys
from pathlib import Path

from book.studies.reading.records import GPU, UNKNOWN
from drn_lib.paths import data_dir, replacing

DECIDING = ("book", "drn_lib", "data/studies")
"""What decides a result: where a file of these is not as it was committed, the commit does not tell it."""
CHANGED = "+changed"
"""Stands after such a commit."""


def device_name(device: str) -> str:
    """The name of the GPU, or of the processor, that computes, as far as the system tells it."""
    import torch

    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device) + GPU
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def peak_memory_mb(status: Path = Path("/proc/self/status")) -> float | None:
    """The most memory that this process has held, in units of 10^6 bytes; None where the system does not tell.

    On Linux from its own record: what `resource` tells counts the process that it was started from, too.
    """
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return int(found[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def noted(folder: Path, what: str, value: str) -> str:
    """All values across the sittings of the run in `folder`, `value` among them: "NVIDIA H200 (GPU), AMD EPYC"."""
    values = list(dict.fromkeys([*noted_before(folder, what), value]))
    with replacing(folder / what) as temporary:
        temporary.write_text("\n".join(values) + "\n", encoding="utf-8")
    return ", ".join(values)


def noted_before(folder: Path, what: str) -> list[str]:
    """The values that earlier sittings of the run in `folder` noted; a run that has begun has one at least."""
    note = folder / what
    values = note.read_text(encoding="utf-8", errors="replace").splitlines() if note.exists() else []
    values = [UNKNOWN if "\N{REPLACEMENT CHARACTER}" in line else line for line in values if line.strip("\0 ")]
    return values or ([UNKNOWN] if (folder / "state.pt").exists() else [])


def trained_by(folder: Path) -> str | None:
    """The commit of the code that began the training in `folder`; that of this process where it begins now."""
    note = folder / "commit"
    if not note.exists():
        begun_before_notes = (folder / "state.pt").exists()
        with replacing(note) as temporary:
            temporary.write_text("" if begun_before_notes else commit() or "", encoding="utf-8")
    begun = note.read_text(encoding="utf-8", errors="replace")
    return begun if re.fullmatch(rf"[0-9a-f]{{40,64}}({re.escape(CHANGED)})?", begun) else None


def commit() -> str | None:
    """The commit of the checkout that runs, with `CHANGED` where its code or plans differ; None outside a checkout."""
    head = _git("rev-parse", "HEAD")
    changed = head and _git("status", "--porcelain", "--", *(f":/{part}" for part in DECIDING))
    return f"{head}{CHANGED}" if changed else head or None


def _git(*words: str) -> str:
    command = ["git", "-C", str(data_dir()), *words]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def sha256(file: Path | None) -> str | None:
    """Of a file's bytes; None where there is no file."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file else None
