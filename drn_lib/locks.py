"""One process at a time works in a folder, and another one that comes is told who does. No torch."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

OWNER = "lock.owner"
"""The file in a locked folder that says who holds the lock."""
TRY_LATER = 75
"""The exit status of a command that ends because another process is at its work: EX_TEMPFAIL of sysexits.h."""
MOUNTS = Path("/proc/self/mounts")
OWN_LOCKS = re.compile(r"\S+ \S+ (fuse\.sshfs|9p|\S+ (\S+,)?(nolock|local_lock=(flock|all)|localflock|nobrl))\b")
"""A line of `MOUNTS` whose file system is shared by machines that each keep their own locks."""


class Busy(RuntimeError):
    """Another process holds the lock; the message names it."""


@contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of `folder`, which exists, while `what` is done there ("run drn_c_26-s0").

    The lock ends with the process, however that ends.

    Raises:
        Busy: another process holds it.
        OSError: nothing can be locked there.
    """
    lock = FileLock(folder / "lock", timeout=0)
    try:
        _acquire(lock, folder)
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
    """Whether a lock in `folder`, which exists, keeps out everyone else; some shared file systems let others in.

    A second lock is tried here. Whether another machine sees it, only the options of the mount tell.

    Raises:
        OSError: nothing can be locked there.
    """
    trial = folder / f".lock-trial.{socket.gethostname()}.{os.getpid()}"
    locks = [FileLock(trial, timeout=0) for _ in range(2)]
    try:
        _acquire(locks[0], folder)
        try:
            locks[1].acquire()
        except Timeout:
            return not _has_own_locks(folder)
        return False
    finally:
        for lock in locks:
            lock.release()
        trial.unlink(missing_ok=True)


def _acquire(lock: FileLock, folder: Path) -> None:
    try:
        lock.acquire()
    except Timeout:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OSError(f"nothing can be locked in {folder} ({reason}): use a folder of another file system") from error


def _has_own_locks(folder: Path) -> bool:
    """Whether the file system of `folder` is mounted so that this machine's locks are its own; False where unknown."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    places = {line.split()[1].replace("\\040", " "): line for line in lines}  # of one place the last mount counts
    there = folder.resolve()
    mounted = next((places[str(place)] for place in (there, *there.parents) if str(place) in places), "")
    return OWN_LOCKS.match(mounted) is not None


def _owner(folder: Path) -> str:
    try:
        return (folder / OWNER).read_text(encoding="utf-8") or "unknown"
    except (OSError, UnicodeDecodeError):  # it has just begun or just ended
        return "unknown"
