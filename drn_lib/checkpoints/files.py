"""Where a file of weights is, whether it is the right one, what it may be used for, and the tensors in it.

`forms` reads PyTorch's own files; torch is imported when one of those is read.
"""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from drn_lib import paths
from drn_lib.architecture import list_models, list_networks
from drn_lib.checkpoints import forms, shipped
from drn_lib.checkpoints.descriptions import parse
from drn_lib.checks import UnknownName, one_of, path_of

if TYPE_CHECKING:
    from torch import Tensor

SHIPPED = "classification/{}-s0"
"""The trained network that stands for an architecture where none is named; the book's live page shows these."""
SHIPPED_LICENCE = "Trained on Tiny-ImageNet, whose images are ImageNet's: non-commercial research and education only."
CAMVID_LICENCE = "Trained on CamVid, whose frames are CC BY-NC 4.0: name their authors, and no commercial use."
OTHER_LICENCE = "That of the weights from which this file was made."

# The networks with published ImageNet weights, and the first digits of their files' SHA-256.
RELEASED = {"drn_c_26": "ddedf421", "drn_c_42": "9d336e8c", "drn_c_58": "0a53a92c"}
RELEASED |= {"drn_d_22": "4bd2f8ea", "drn_d_38": "eebb45f0", "drn_d_54": "0e0534ff", "drn_d_105": "12b40979"}

RELEASED_HOST = "http://dl.yf.io/drn/"
"""Where the authors' code looks for the files; users report since 2019 that it does not answer."""
DISK_ERRORS = (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EPERM)
"""What is wrong with the reader's own disk, and not with that host."""


def list_trained() -> list[str]:
    """Names of the trained networks that come with the book, such as "first_networks/drn_c_26-s0"."""
    try:
        folder = paths.checkpoints_dir()
    except FileNotFoundError:  # installed without the book's data
        return []
    there = [file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.safetensors")]
    return sorted([*there, *shipped.names_left_out()])


def find_shipped(name_or_path: str | Path) -> Path | None:
    """The file of that path, else the shipped file of that name, which is fetched where it was left out, else None."""
    path = path_of("a file or name of weights", name_or_path)
    if path.is_file():
        return path
    try:
        file = paths.checkpoints_dir() / f"{name_or_path!s}.safetensors"
    except FileNotFoundError:  # installed without the book's data, so that only paths are known
        return None
    return file if file.is_file() else shipped.fetch(str(name_or_path))


def weights_named(weights: str | None, arch: str | None) -> str:
    """The weights that --weights and --arch, or one of them, name: without the first, what ships for the second."""
    if weights is None and arch is None:
        raise ValueError("say which network: --arch for one of this book's, or --weights for another")
    if arch is not None:
        one_of("network", arch, list_networks())
    if weights == "released" and arch is None:
        raise ValueError("--weights released needs --arch, for instance --arch drn_c_26")
    if weights == "":
        raise ValueError("the name of the weights is empty: give a file, a shipped network or 'released'")
    return weights or SHIPPED.format(arch)


def require_weights(weights: str | None, arch: str | None) -> str:
    """`weights_named`, where that is a file, a shipped name or one that was released; nothing is read.

    A shipped file that this checkout left out is fetched.

    Raises:
        FileNotFoundError, ValueError: as `find_weights` and `weights_named`.
    """
    name = weights_named(weights, arch)
    if find_shipped(source := arch if name == "released" else name) is None:
        _require_released(source)
    return name


def find_weights(path_or_name: str | Path) -> Path:
    """The file of that path, of a shipped name, or of a released name, which is downloaded into the cache once.

    Raises:
        FileNotFoundError: no such file and no such name, or nothing was published for it.
        DownloadError: the cache cannot be written.
    """
    path = find_shipped(path_or_name)
    return _released_file(str(path_or_name)) if path is None else path


def licence_of(file: Path) -> str:
    """What the weights of a file may be used for, by its metadata or, for those that come with the book, its folder."""
    own = metadata_of(file).get("licence")
    try:
        study = file.resolve().relative_to(paths.checkpoints_dir()).parts[0]
    except (FileNotFoundError, ValueError):  # installed without the book's data, or no shipped file
        return own or OTHER_LICENCE
    if study != "segmentation":
        return SHIPPED_LICENCE
    return CAMVID_LICENCE if "_scratch" in file.stem else f"{SHIPPED_LICENCE} {CAMVID_LICENCE}"


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def check_sha256(path: Path, expected: str) -> None:
    """Raise ValueError where a file's SHA-256 is not the expected one, of which the first 8 digits are enough."""
    expected = str(expected).lower()
    if not 8 <= len(expected) <= 64 or set(expected) - set("0123456789abcdef"):
        raise ValueError(f"sha256 must be 8 to 64 hexadecimal digits, not {expected!r}")
    found = sha256_of(path)
    if not found.startswith(expected):
        advice = "it is damaged or another file, get it again"
        raise ValueError(f"{path.name} has SHA-256 {found[:16]}…, not {expected[:16]}…: {advice}")


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict | None]:
    """The tensors of a file by name, and for our own files what their metadata tell, else None.

    Raises:
        ValueError: the file is damaged, is none of weights, holds more than tensors and plain values, or bears the name
            of a released one and has another SHA-256, which is checked first; nothing in it was run.
    """
    if path.name in {f"{name}-{digits}.pth" for name, digits in RELEASED.items()}:
        check_sha256(path, path.stem.rpartition("-")[2])
    if forms.form_of(path) == "torch":
        return forms.bare_state_dict(forms.read_torch(path), path.name), None
    tensors, about = read_safetensors(path, "pt")
    return forms.bare_state_dict(tensors, path.name), about


def read_safetensors(path: Path, framework: str) -> tuple[dict[str, Any], dict | None]:
    """As `read_weights`, tensors of torch ("pt") or arrays of numpy ("np"); ValueError for another file."""
    if forms.form_of(path) != "safetensors":
        raise ValueError(f"{path.name} is a checkpoint of PyTorch and not a safetensors file, which is wanted here")
    try:
        with safe_open(path, framework) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return tensors, parse(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f"{path.name} is damaged or cut off ({error!s:.150}): get it again") from None
    except (TypeError, AttributeError, ValueError) as error:  # a type of numbers that the framework does not have
        raise ValueError(f"{path.name} holds tensors of a type that cannot be read here ({error!s:.150})") from None


def metadata_of(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file as they stand there; empty for every other file, and a damaged one."""
    try:
        if forms.form_of(path) == "safetensors":
            with safe_open(path, "np") as file:
                return file.metadata() or {}
    except (SafetensorError, ValueError):  # `read_weights` says what is wrong with it
        pass
    return {}


def task_of(path: Path) -> str | None:
    """What one of our own files was trained for, where its metadata name a task ("segmentation"); else None."""
    return metadata_of(path).get("task")


def not_found(name: str | Path, known: list[str]) -> FileNotFoundError:
    """What is said of a name that is neither a file's nor one of those known."""
    if Path(name).is_dir():
        return FileNotFoundError(f"{name} is a folder: name the file of weights in it")
    if Path(name).suffix:
        return FileNotFoundError(f"there is no file {name!s}: correct the path (shipped names have no suffix)")
    try:
        one_of("trained network", str(name), known)
    except UnknownName as error:
        return FileNotFoundError(str(error))
    return FileNotFoundError(f"the file of {name} is not there")


def _require_released(name: str) -> None:
    """Raise FileNotFoundError where the authors published no weights of this name."""
    if name not in RELEASED and name in list_models():
        advice = "torchvision has some: pass its state dict" if name.startswith("resnet") else "train it"
        there = f"there are weights for {', '.join(RELEASED)}"
        raise FileNotFoundError(f"no weights were published for {name} ({advice}); {there}")
    if name not in RELEASED:
        raise not_found(name, [*RELEASED, *list_trained()])


def _released_file(name: str) -> Path:
    """The file of a released network in the cache, downloaded where it is not there yet."""
    from drn_lib.datasets.downloads import DownloadError, download, one_at_a_time

    _require_released(name)
    file = paths.cache_dir() / "weights" / f"{name}-{RELEASED[name]}.pth"
    known = f"its SHA-256 begins with {RELEASED[name]}"
    if file.is_file():
        return file
    if not paths.may_download():
        said = f"{file} does not exist and DRN_OFFLINE=1 forbids its download: put a copy there ({known})"
        raise FileNotFoundError(said)
    try:
        with one_at_a_time(file.parent, file.name):  # if another process was first, there is nothing left to do
            return download(RELEASED_HOST + file.name, file, checksum=f"sha256:{RELEASED[name]}")
    except DownloadError as error:
        if getattr(error.__cause__, "errno", None) in DISK_ERRORS:  # it says what to do
            raise
        host = f"{RELEASED_HOST}, which is often down: put a copy at {file} or give its path ({known})"
        raise FileNotFoundError(f"the released weights of {name} cannot be had from {host}") from error
