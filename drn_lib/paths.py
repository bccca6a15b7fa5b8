"""Where the committed data and the download cache of the book lie.

The library is used from a checkout of the repository: `data/` stands beside the package. No network, no torch.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


def output_folder(path: Path, option: str = "--out") -> Path:
    """`path`, a folder that need not exist yet, once its files can be written; nothing is left there.

    Raises ValueError, which names the command line's `option`, where it is or lies below a file, or nobody may write.
    """
    there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    if not there.is_dir():
        below = "" if there == path else f" lies below {there}, which"
        raise ValueError(f"{option} {path}{below} is a file: name a folder")
    try:
        os.rmdir(tempfile.mkdtemp(dir=there))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{option} {path} cannot be made or written ({reason}): name another folder") from error
    return path


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Gives a temporary path beside `file` to write to, and moves it there when all went well.

    A reader, or a run that resumes after a crash or a full disk, so sees the old file or the new one, never half.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as handle:  # or the new name may outlive a crash of the machine, and its bytes not
            os.fsync(handle.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
