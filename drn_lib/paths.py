"""Where the book's data and the cache lie, and how a file is written whole or not at all.

The library is used from a checkout of the repository: `data/` stands beside the package. No network, no torch.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent


def data_dir() -> Path:
    """The absolute folder `data/` of the checkout that holds this package; FileNotFoundError outside a checkout."""
    folder = _CHECKOUT / "data"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"No folder 'data' beside the package at {_CHECKOUT}: clone the repository and install it from there "
            "with 'pip install -e .', because the book's results are read from the checkout."
        )
    return folder


def checkpoints_dir() -> Path:
    """The folder of committed trained weights, `data/checkpoints/`, one folder per study."""
    return data_dir() / "checkpoints"


def splits_dir() -> Path:
    """The folder of dataset splits, `data/splits/`."""
    return data_dir() / "splits"


def paper_dir() -> Path:
    """The folder of the paper's own tables and claims, `data/paper/`."""
    return data_dir() / "paper"


def cache_dir() -> Path:
    """The folder for downloaded datasets and weights, $DRN_CACHE or `~/.cache/drn_lib`; it need not exist yet."""
    return Path(os.environ.get("DRN_CACHE") or "~/.cache/drn_lib").expanduser()


def shows_progress() -> bool:
    """Whether progress bars are shown: unless $DRN_PROGRESS is 0."""
    return os.environ.get("DRN_PROGRESS") != "0"


def may_download() -> bool:
    """Whether datasets and weights may be downloaded: unless $DRN_OFFLINE is 1."""
    return os.environ.get("DRN_OFFLINE") != "1"


def output_folder(path: Path, name: str) -> Path:
    """Return `path` after checking that a folder can be made and written there; the check leaves nothing.

    Args:
        path: a folder that need not exist yet.
        name: what the message calls it, for instance a command's flag.

    Raises:
        ValueError: it is a file or lies below one, or nobody may write there.
    """
    _require_writable(path, path, name, "folder")
    return path


def output_file(path: Path, name: str) -> Path:
    """Like `output_folder`, for a file that need not exist yet."""
    if os.path.isdir(path):
        raise ValueError(f"{name} {path} is a folder: name a file")
    _require_writable(path.parent, path, name, "file")
    return path


def _require_writable(folder: Path, path: Path, name: str, kind: str) -> None:
    """Raise ValueError where `path`, of that kind, cannot be made in (or as) `folder`."""
    there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not there.is_dir():
        below = "" if there == path else f" lies below {there}, which"
        raise ValueError(f"{name} {path}{below} is a file: name a folder")
    try:
        for part in path.parts:
            with suppress(FileNotFoundError):
                os.lstat(there / part)  # which may be too long, or have a character that no name has
        os.rmdir(tempfile.mkdtemp(dir=there))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ValueError(f"{name} {path} cannot be made or written ({reason}): name another {kind}") from error


FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota of the disk is used up",
    errno.EFBIG: "files may not grow so large here",
    errno.EROFS: "the disk is read-only",
    errno.ENOENT: "its folder is not there",
}
"""Errors of writing, in the words of a reader; the others have their own."""

OLD = 24 * 3600.0
"""Seconds after which an unfinished file that another machine began is taken for left over."""


class NotWritten(OSError):
    """A file could not be written; the message says why, and that what stood there before is whole."""


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Give a temporary path beside `file` to write to, and move it there when all went well.

    So a reader, or a run that resumes after a crash or a full disk, sees the old file or the new one, never half.
    What killed processes left of this file is removed.

    Raises:
        NotWritten: the disk is full or read-only, the folder is gone, or another error of writing.
    """
    _sweep(file)
    temporary = file.with_name(f".{file.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # of a process that had the same number
        yield temporary
        with open(temporary, "rb+") as handle:  # or the new name may outlive a crash of the machine, and its bytes not
            os.fsync(handle.fileno())
        os.replace(temporary, file)
    except Exception as error:
        if isinstance(error.__context__, (KeyboardInterrupt, SystemExit)):  # torch.save complains of its own half file
            raise error.__context__ from None
        if (reason := _reason(error, (temporary, file))) is None:
            raise
        kept = "; what stood there before is whole" if os.path.lexists(file) else ""
        raise NotWritten(f"{file} could not be written: {reason}{kept}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _reason(error: Exception, written: tuple[Path, ...]) -> str | None:
    """Why these files could not be written; None where the error is another one than that."""
    said = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        named = {Path(name) for name in (error.filename, error.filename2) if isinstance(name, (str, os.PathLike))}
        if not named <= set(written):
            return None
        number = error.errno
    elif code := re.search(r"\bos error (\d+)", said):  # of safetensors
        number = int(code[1])
    elif "inline_container" in said or re.search(r"\d requested and \d+ written", said):  # of torch and of numpy
        inner = error.__context__  # what writing to an open file raised; of a path torch tells no more
        known = _reason(inner, written) if isinstance(inner, OSError) else None
        return known or "the disk is full, or files may not grow so large"
    else:
        return None
    return FULL.get(number) or os.strerror(number)[:1].lower() + os.strerror(number)[1:]


def _sweep(file: Path) -> None:
    """Remove what processes that are no more began to write in place of `file`."""
    name = re.compile(rf"\.{re.escape(file.name)}\.(?:(.+)\.)?(\d+)\.tmp")
    with suppress(OSError):
        for entry in os.scandir(file.parent):
            if found := name.fullmatch(entry.name):
                with suppress(OSError):
                    here = found[1] in (None, socket.gethostname())
                    if not process_runs(int(found[2])) if here else time.time() - entry.stat().st_mtime > OLD:
                        os.unlink(entry.path)


def process_runs(number: int) -> bool:
    """Whether a process of this number runs on this machine; True where the system does not tell."""
    if os.name != "posix":  # there, os.kill would end it
        return True
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
