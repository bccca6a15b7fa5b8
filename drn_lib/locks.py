"""One process at a time works in a folder, and another one that comes is told who does. No torch."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

OWNER = "lock.owner"
"""The file in a locked folder that says who holds the lock."""


class Busy(RuntimeError):
    """Another process holds the lock; the message names it."""


@contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of `folder`, which exists, while `what` is done there ("run drn_c_26-s0").

    The lock ends with the process, however that ends.

    Raises:
        Busy: another process holds it.
    """
    try:
        lock = FileLock(folder / "lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise Busy(f"another process is at {what}: {_owner(folder)}; wait for it, or stop it") from None
    note = folder / OWNER
    try:
        with suppress(OSError):  # the lock holds without the note, for instance on a full disk
            note.unlink(missing_ok=True)  # of an owner that was killed
            temporary = note.with_name(f".{OWNER}.{os.getpid()}.tmp")
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            temporary.write_text(f"{os.getpid()} on {socket.gethostname()} since {since}", encoding="utf-8")
            os.replace(temporary, note)
        yield
    finally:
        with suppress(OSError):
            note.unlink(missing_ok=True)
        lock.release()


def lock_holds(folder: Path) -> bool:
    """Whether a lock in `folder` refuses a second holder: some shared file systems grant everyone, others no one."""
    trial = folder / f".lock-trial.{socket.gethostname()}.{os.getpid()}"
    try:
        with FileLock(trial, timeout=0):
            try:
                with FileLock(trial, timeout=0):
                    return False
            except Timeout:
                return True
    except PermissionError:
        raise
    except OSError:  # no locks at all
        return False
    finally:
        trial.unlink(missing_ok=True)


def _owner(folder: Path) -> str:
    try:
        return (folder / OWNER).read_text(encoding="utf-8") or "unknown"
    except (OSError, UnicodeDecodeError):  # it has just begun or just ended
        return "unknown"
