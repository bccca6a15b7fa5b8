"""A folder and a zip archive, read alike.

A published dataset is an archive that most people unpack. `open_tree` gives both the same two verbs, so that
the readers of the datasets need not know which one they stand on, and nobody has to unpack 100,000 small files.
"""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from drn_lib.datasets.contract import DataError

MOST_BYTES = 1 << 28
"""Of a file that is read into memory from an archive."""


class FolderTree:
    """The files below a folder."""

    def __init__(self, folder: Path):
        self.path = Path(folder)

    def names(self, folder: str = "") -> list[str]:
        """The files in and below a folder ("train/"), by path from the top, sorted; none where it is not there."""
        found = (file for file in (self.path / folder).rglob("*") if file.is_file())
        return sorted(file.relative_to(self.path).as_posix() for file in found)

    def __contains__(self, name: str) -> bool:
        return (self.path / name).is_file()

    def read(self, name: str) -> bytes:
        """The bytes of the file `name` ("train/a.png", with forward slashes).

        Raises:
            DataError: there is no such file, or it cannot be read.
        """
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError as error:
            raise DataError(missing_file(name, self.path)) from error
        except OSError as error:
            raise DataError(f"{self.path / name} cannot be read: {error.strerror}.") from error


class ZipTree:
    """The files in a zip archive, below `prefix` ("tiny-imagenet-200/")."""

    def __init__(self, archive: Path, prefix: str = ""):
        self.path = Path(archive)
        self.prefix = prefix
        self._owner = None
        names = self._zip().namelist()
        self._names = frozenset(names)
        if len(self._names) < len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            raise DataError(f"{self.path} holds {twice} twice: delete it and download it again.")

    def _zip(self) -> zipfile.ZipFile:
        # A data loader's worker process must not share the file position of its parent: each opens its own.
        if self._owner != os.getpid():
            try:
                self._file = zipfile.ZipFile(self.path)
            except Exception as error:  # zipfile raises whatever its parser meets
                raise DataError(f"{self.path} is not a whole zip archive: delete it and download it again.") from error
            self._owner = os.getpid()
        return self._file

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_file": None, "_owner": None}

    def names(self, folder: str = "") -> list[str]:
        """The members in and below a folder ("train/"), counted from the prefix, sorted."""
        found = (name for name in self._names if name.startswith(self.prefix + folder) and not name.endswith("/"))
        return sorted(name.removeprefix(self.prefix) for name in found)

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self._names

    def read(self, name: str) -> bytes:
        """The bytes of the member `name`, counted from the prefix.

        Raises:
            DataError: there is no such member, or its checksum is wrong.
        """
        try:
            member = self._zip().getinfo(self.prefix + name)
            if member.file_size > MOST_BYTES:
                raise DataError(f"{name} in {self.path} unpacks to {member.file_size} bytes, too many to be read.")
            if member.flag_bits & 1:
                raise DataError(f"{name} in {self.path} is encrypted: get an archive that is not.")
            return self._zip().read(member)
        except DataError:
            raise
        except KeyError as error:
            raise DataError(missing_file(name, self.path)) from error
        except Exception as error:  # zipfile raises whatever its decoders meet
            raise DataError(f"{name} in {self.path} is damaged: delete the archive and download it again.") from error


FileTree = FolderTree | ZipTree


def open_tree(path: Path, prefix: str = "") -> FileTree:
    """A folder as `FolderTree`, a file as `ZipTree` (below `prefix`)."""
    path = Path(path)
    return FolderTree(path) if path.is_dir() else ZipTree(path, prefix)


def missing_file(name: str, where: Path) -> str:
    """The sentence for a file that a layout promises and that is not there."""
    return f"{where} has no file {name}: the dataset is incomplete or laid out otherwise, so fetch it again."


def require_samples(tree: FileTree, names: Sequence[str], split: str) -> None:
    """Raise DataError, which names it, where the image of a sample is missing, or two samples are one image."""
    if missing := next((name for name in names if name not in tree), None):
        raise DataError(f"{tree.path} has no {missing}, which the split '{split}' needs: fetch the dataset again.")
    name, count = Counter(names).most_common(1)[0] if names else ("", 1)
    if count > 1:
        raise DataError(f"The lists of {tree.path} name {name} {count} times: fetch the dataset again.")


def read_lines(tree: FileTree, name: str) -> list[str]:
    """The lines of a text file without the empty ones.

    Raises:
        DataError: no such file, or it is not text.
    """
    try:
        text = tree.read(name).decode("utf-8-sig")  # editors on Windows begin a file with a mark
    except UnicodeDecodeError as error:
        raise DataError(f"{name} in {tree.path} is not a text file: fetch the dataset again.") from error
    return [line for line in text.splitlines() if line.strip()]
