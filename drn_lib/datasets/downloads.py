"""Downloading and unpacking, so that an interrupted or wrong download never looks like a good one.

A file is written beside its target as `<name>.part` and renamed when it is whole; a download that was cut off
continues where it stopped. Where a file's checksum is not known, the sha256 of the first download is recorded beside
it and insisted on from then on. `one_at_a_time` keeps two processes from fetching the same thing at once.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import requests
from filelock import FileLock, Timeout
from tqdm import tqdm  # not tqdm.auto: it warns in every notebook without ipywidgets

CHUNK = 1 << 18
ATTEMPTS = 4
SIGNATURES = {".zip": b"PK", ".gz": b"\x1f\x8b", ".tgz": b"\x1f\x8b"}


class DownloadError(OSError):
    """A file could not be downloaded or unpacked; the message says what to do."""


class _Interrupted(Exception):
    """The connection ended early or the server is busy: worth another attempt."""


@contextlib.contextmanager
def one_at_a_time(folder: Path, name: str) -> Iterator[None]:
    """Within it only this process fetches `name` into `folder`, which is made; another one waits, then finds it there.

    The lock is the file `.<name>.lock` in the folder; the system frees it when its process ends.

    Raises:
        DownloadError: the folder cannot be written, or its disk is full.
    """
    lock = FileLock(folder / f".{name}.lock")
    with _clear_disk_errors(folder / name):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"Another process is fetching {name} into {folder}: waiting for it.")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def download(
    url: str,
    target: Path,
    size: int | None = None,
    checksum: str | None = None,
    pause: float = 1.0,
    record: bool = True,
) -> Path:
    """Downloads a file to `target`, which is returned, or does nothing where it is there already.

    Args:
        url, target: Where it is, and the path it gets.
        size: Its length in bytes, where known.
        checksum: "sha256:<hex>" or "md5:<hex>", where known; the first digits will do.
        pause: Seconds before the second attempt; it doubles each time.
        record: Whether, without a checksum, the first download's is recorded and insisted on. False where the server
            packs the archive again, so that its bytes may change: check what is in it instead.

    Raises:
        DownloadError: no network, a refusal, a wrong file, no space left.
    """
    target = Path(target)
    if target.exists():
        return target
    with _clear_disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        for attempt in range(ATTEMPTS):
            try:
                _receive(url, part, size)
                break
            except requests.RequestException as error:  # not even an answer: no network, or a wrong address
                raise DownloadError(f"{url} cannot be reached: check the network and run this again.") from error
            except _Interrupted as error:
                if attempt == ATTEMPTS - 1:
                    raise DownloadError(
                        f"{url} could not be downloaded ({error}): run this again, it continues where it stopped."
                    ) from error
                time.sleep(pause * 2**attempt)
        _check(url, part, target, size, checksum, record)
        os.replace(part, target)
        part.with_name(part.name + ".tag").unlink(missing_ok=True)
    return target


def _receive(url: str, part: Path, size: int | None) -> None:
    """One attempt: asks for what `part` does not have yet and appends it."""
    tag = part.with_name(part.name + ".tag")
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # lengths must be those of the file, not of a compressed copy
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag.exists():
            headers["If-Range"] = tag.read_text(encoding="utf-8")
    with requests.get(url, headers=headers, stream=True, timeout=30) as response:
        if response.status_code == 416:  # nothing after what we have, or the file has changed
            if have != size:
                part.unlink()
                raise _Interrupted("the file has changed on the server")
            return
        code, continued = response.status_code, response.status_code == 206
        if code in (429, 500, 502, 503, 504):
            raise _Interrupted(f"the server is busy or broken, status {code}")
        if code >= 400:
            raise DownloadError(f"{url} answered with status {code}: the file has moved, so download it by hand.")
        if continued and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink()
            raise _Interrupted("the server sent another part of the file")
        have = have if continued else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else size
        _check_space(total - have if total else 0, part.parent)
        mark = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if mark and not mark.startswith("W/"):
            tag.write_text(mark, encoding="utf-8")
        else:
            tag.unlink(missing_ok=True)
        _append(response, part, have, total)


def _append(response: requests.Response, part: Path, have: int, total: int | None) -> None:
    silent = os.environ.get("DRN_PROGRESS") == "0"
    name = part.name.removesuffix(".part")
    with (
        part.open("ab" if have else "wb") as file,
        tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=name, disable=silent) as bar,
    ):
        try:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        except requests.RequestException as error:
            raise _Interrupted("the connection was cut") from error
        reached = file.tell()
    if total is not None and reached < total:
        raise _Interrupted(f"only {reached} of {total} bytes came")


def _check(url: str, part: Path, target: Path, size: int | None, checksum: str | None, record: bool) -> None:
    """Deletes `part` and raises where it is not the file that was meant."""
    got = part.stat().st_size
    with part.open("rb") as file:
        opening = file.read(512)
        signature = SIGNATURES.get(target.suffix)
        if signature and not opening.startswith(signature):
            page = opening.lstrip().lower().startswith((b"<!doctype", b"<html"))
            sent = "a web page" if page else "something else"
            _discard(part, f"{url} sent {sent} where an archive was expected: download {target.name} by hand.")
        if size is not None and got != size:
            _discard(part, f"{url} sent {got} bytes where {size} were expected: try again, or download it by hand.")
        if checksum is None and not record:
            return
        recorded = target.with_name(target.name + ".sha256")
        advice = "try again."
        if checksum is None and recorded.exists():
            checksum = "sha256:" + recorded.read_text(encoding="utf-8").split()[0]
            advice = f"if the first download was bad, delete {recorded} and run this again."
        algorithm, _, expected = (checksum or "sha256:").partition(":")
        file.seek(0)
        digest = hashlib.new(algorithm)
        while chunk := file.read(CHUNK):
            digest.update(chunk)
        found = digest.hexdigest()
    if expected and not found.startswith(expected):
        _discard(part, f"{url} sent a file with the {algorithm} {found} where {expected} was expected: {advice}")
    if not expected:
        recorded.write_text(f"{found}  {target.name}\n", encoding="utf-8")
        print(f"The checksum of {target.name} is not known to the library; recorded: sha256 {found}.")


def _discard(part: Path, sentence: str) -> None:
    part.unlink()
    raise DownloadError(sentence)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpacks a zip or tar archive into a new folder, which appears, and is returned, only once it is complete.

    A folder that is there already is left as it is.

    Raises:
        DownloadError: a damaged archive, a member that would land outside the folder or is a link, no space.
    """
    if folder.exists():
        return folder
    unfinished = folder.with_name(f"{folder.name}.unfinished-{os.getpid()}")
    try:
        with _clear_disk_errors(folder):
            unfinished.mkdir(parents=True)
            try:
                _extract(archive, unfinished)
            except (zipfile.BadZipFile, tarfile.TarError, EOFError, zipfile.zlib.error) as error:
                raise DownloadError(f"{archive} is damaged: delete it and download it again.") from error
            os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _extract(archive: Path, folder: Path) -> None:
    zipped = zipfile.is_zipfile(archive)
    with zipfile.ZipFile(archive) if zipped else tarfile.open(archive) as opened:
        if zipped:
            members = [(m.filename, m.file_size, stat.S_ISLNK(m.external_attr >> 16)) for m in opened.infolist()]
        else:
            members = [(m.name, m.size, not (m.isreg() or m.isdir())) for m in opened.getmembers()]
        for name, _, special in members:
            path = PurePosixPath(name.replace("\\", "/"))
            if special or path.is_absolute() or ".." in path.parts or ":" in name:
                raise DownloadError(
                    f"{archive} has the member {name!r}, a link or a path out of its folder: do not use it."
                )
        _check_space(sum(size for _, size, _ in members), folder)
        opened.extractall(folder, **({} if zipped else {"filter": "data"}))


def _check_space(needed: int, folder: Path) -> None:
    if needed > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, "")


@contextlib.contextmanager
def _clear_disk_errors(path: Path):
    full = f"The disk of {path.parent} is full: free some space, or name another folder in DRN_CACHE."
    closed = f"{path.parent} cannot be written: name another folder in the environment variable DRN_CACHE."
    sentences = {errno.ENOSPC: full, **dict.fromkeys((errno.EACCES, errno.EROFS, errno.EPERM), closed)}
    try:
        yield
    except OSError as error:
        if error.errno not in sentences:  # a DownloadError has no number
            raise
        raise DownloadError(sentences[error.errno]) from error
