"""What is fetched, on its way to the disk: folders that appear only when whole, recorded checksums, full disks."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from drn_lib.paths import process_runs, replacing

OLD = 2 * 24 * 3600
"""Seconds after which an unfinished folder of another machine, or of a process number that came again, is swept."""
_at_work: set[Path] = set()


class DownloadError(OSError):
    """A file could not be downloaded or unpacked; the message says what to do."""


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder`, and move it there when all went well; else nothing is left of it.

    What earlier processes left unfinished there, since they were killed, is removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    start = f"{folder.name}.unfinished-"
    for left in folder.parent.glob(f"{glob.escape(start)}*"):
        if _is_abandoned(left, left.name.removeprefix(start)):
            shutil.rmtree(left, ignore_errors=True)
    unfinished = folder.with_name(f"{start}{os.getpid()}-{socket.gethostname()}-{uuid.uuid4().hex[:8]}")
    _at_work.add(unfinished)
    try:
        unfinished.mkdir()
        yield unfinished
        try:
            os.replace(unfinished, folder)
        except OSError:
            if not folder.is_dir():  # another process was first
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        _at_work.discard(unfinished)


def _is_abandoned(left: Path, ends: str) -> bool:
    named = re.fullmatch(r"(\d+)(?:-(.*)-[0-9a-f]{8})?", ends)  # the process, and its machine
    if named is None or left in _at_work:
        return False
    if time.time() - left.stat().st_mtime > OLD:
        return True
    return named[2] in (None, socket.gethostname()) and (
        int(named[1]) == os.getpid() or not process_runs(int(named[1]))
    )


def recorded_sha256(file: Path) -> str | None:
    """The SHA-256 that was recorded beside a file when it was fetched; None where there is none."""
    record = file.with_name(file.name + ".sha256")
    words = record.read_text(encoding="utf-8", errors="replace").split() if record.is_file() else []
    return words[0].lower() if words else None


def keep_to(file: Path, found: str, sent: str) -> None:
    """Record the SHA-256 of a fetched file beside it and say so; where one is recorded already, insist on it.

    Raises:
        DownloadError: another one is recorded; the sentence begins with what was `sent`.
    """
    record, expected = file.with_name(file.name + ".sha256"), recorded_sha256(file)
    if expected is None:
        with replacing(record) as temporary:
            temporary.write_text(f"{found}  {file.name}\n", encoding="utf-8")
        print(f"The SHA-256 of {file.name} is not known to the library; recorded: {found}.")
    elif found != expected:
        advice = f"if the first download was bad, delete {record} and run this again."
        raise DownloadError(f"{sent} with the sha256 {found} where {expected} was expected: {advice}")


def check_space(needed: int, folder: Path) -> None:
    """Raise OSError where a disk has less than the bytes that are needed; `clear_disk_errors` says it."""
    if needed > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, "")


@contextlib.contextmanager
def clear_disk_errors(path: Path) -> Iterator[None]:
    """Within it a full or closed disk becomes a DownloadError that says what to do."""
    full = f"The disk of {path.parent} is full: free some space, or name another folder in DRN_CACHE."
    closed = f"{path.parent} cannot be written: name another folder in the environment variable DRN_CACHE."
    numbers = (errno.EACCES, errno.EROFS, errno.EPERM)
    sentences = {**dict.fromkeys((errno.ENOSPC, errno.EDQUOT), full), **dict.fromkeys(numbers, closed)}
    try:
        yield
    except OSError as error:
        if error.errno not in sentences:  # a DownloadError has no number
            raise
        raise DownloadError(sentences[error.errno]) from error
