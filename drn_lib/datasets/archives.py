"""A folder and a zip archive, read alike.

A published dataset is an archive that most people unpack. `open_tree` gives both the same two verbs, so that
the readers of the datasets need not know which one they stand on, and nobody has to unpack 100,000 small files.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from drn_lib.datasets.contract import DataError


class FolderTree:
    """The files below a folder."""

    def __init__(self, folder: Path):
        self.path = Path(folder)

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
        self._names = frozenset(self._zip().namelist())

    def _zip(self) -> zipfile.ZipFile:
        # A data loader's worker process must not share the file position of its parent: each opens its own.
        if self._owner != os.getpid():
            try:
                self._file = zipfile.ZipFile(self.path)
            except (zipfile.BadZipFile, OSError) as error:
                raise DataError(f"{self.path} is not a whole zip archive: delete it and download it again.") from error
            self._owner = os.getpid()
        return self._file

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_file": None, "_owner": None}

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self._names

    def read(self, name: str) -> bytes:
        """The bytes of the member `name`, counted from the prefix.

        Raises:
            DataError: there is no such member, or its checksum is wrong.
        """
        try:
            return self._zip().read(self.prefix + name)
        except KeyError as error:
            raise DataError(missing_file(name, self.path)) from error
        except (zipfile.BadZipFile, EOFError, OSError, zipfile.zlib.error) as error:
            raise DataError(f"{name} in {self.path} is damaged: delete the archive and download it again.") from error


FileTree = FolderTree | ZipTree


def open_tree(path: Path, prefix: str = "") -> FileTree:
    """A folder as `FolderTree`, a file as `ZipTree` (below `prefix`)."""
    path = Path(path)
    return FolderTree(path) if path.is_dir() else ZipTree(path, prefix)


def missing_file(name: str, where: Path) -> str:
    """The sentence for a file that a layout promises and that is not there."""
    return f"{where} has no file {name}: the dataset is incomplete or laid out otherwise, so fetch it again."


def read_lines(tree: FileTree, name: str) -> list[str]:
    """The lines of a text file without the empty ones.

    Raises:
        DataError: no such file, or it is not text.
    """
    try:
        text = tree.read(name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} in {tree.path} is not a text file: fetch the dataset again.") from error
    return [line for line in text.splitlines() if line.strip()]
