"""Downloading and unpacking, so that an interrupted or wrong download never looks like a good one.

A file is written beside its target as `<name>.part` and renamed when it is whole; a download that was cut off
continues where it stopped if the server marks versions of its files (a strong ETag), and else begins again. Where a
file's SHA-256 is not known in full, that of the first download is recorded beside it and insisted on from then on.
`one_at_a_time` keeps two processes from fetching the same thing at once.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import stat
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import requests
from filelock import FileLock, Timeout
from tqdm import tqdm  # not tqdm.auto: it warns in every notebook without ipywidgets

from drn_lib.datasets.storing import (
    DownloadError,
    check_space,
    clear_disk_errors,
    keep_to,
    recorded_sha256,
    whole_folder,
)
from drn_lib.paths import shows_progress

CHUNK = 1 << 18
ATTEMPTS = 4
SIGNATURES = {".zip": b"PK", ".gz": b"\x1f\x8b", ".tgz": b"\x1f\x8b"}
MOST_MEMBERS = 500_000
MOST_GROWTH, SMALL = 100, 1 << 26
"""What an archive may hold, and how many times its own size it may unpack to, unless that is a few megabytes."""


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
    with clear_disk_errors(folder / name):
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
    """Download a file to `target`, which is returned, or do nothing where it is there already.

    Args:
        url, target: where it is, and the path it gets.
        size: its length in bytes, where known.
        checksum: "sha256:<hex>" or "md5:<hex>", where known; the first digits will do.
        pause: seconds before the second attempt; it doubles each time.
        record: whether the SHA-256 of the first download is recorded and insisted on, where `checksum` does not give it
            in full. False where the server packs the archive again, so that its bytes may change: check what is in it.

    Raises:
        DownloadError: no network, a refusal, a wrong file, no space left.
    """
    target = Path(target)
    if target.exists():
        return target
    with clear_disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        for attempt in range(ATTEMPTS):
            try:
                told = _receive(url, part, size)
                break
            except requests.RequestException as error:  # not even an answer: no network, or a wrong address
                raise DownloadError(f"{url} cannot be reached: check the network and run this again.") from error
            except _Interrupted as error:
                if attempt == ATTEMPTS - 1:
                    raise DownloadError(
                        f"{url} could not be downloaded ({error}): run this again, it continues where it stopped."
                    ) from error
                time.sleep(pause * 2**attempt)
        sure = told or size is not None or checksum is not None or recorded_sha256(target) is not None
        if not sure and not _is_whole_archive(part, target.suffix):
            _discard(part, f"{url} did not say how long it is, and what came is no whole archive: run this again.")
        _check(url, part, target, size, checksum, record)
        os.replace(part, target)
        part.with_name(part.name + ".tag").unlink(missing_ok=True)
    return target


def _receive(url: str, part: Path, size: int | None) -> bool:
    """One attempt: asks for what `part` lacks and appends it; whether the server said where the file ends."""
    tag = part.with_name(part.name + ".tag")
    mark = tag.read_text(encoding="utf-8") if tag.exists() else ""
    if not mark:  # the file may be another one by now
        part.unlink(missing_ok=True)
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # lengths must be those of the file, not of a compressed copy
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": mark}
    with requests.get(url, headers=headers, stream=True, timeout=30) as response:
        hops = [*(step.url for step in response.history), response.url]
        if url.startswith("https:") and any(hop.startswith("http:") for hop in hops):
            raise DownloadError(f"{url} leads to {hops[-1]}, which anybody on the way can change: download it by hand.")
        if response.status_code == 416:  # nothing after what we have, or the file has changed
            if have != size:
                part.unlink(missing_ok=True)
                raise _Interrupted("the file has changed on the server")
            return True
        code, continued = response.status_code, response.status_code == 206
        if code in (429, 500, 502, 503, 504):
            raise _Interrupted(f"the server is busy or broken, status {code}")
        if code not in (200, 206):
            raise DownloadError(f"{url} answered with status {code}: the file has moved, so download it by hand.")
        sent = response.headers
        expected = have and sent.get("Content-Range", "").startswith(f"bytes {have}-") and sent.get("ETag") == mark
        if continued and not expected:
            part.unlink(missing_ok=True)
            raise _Interrupted("the server sent another part of the file")
        have = have if continued else 0
        length = sent.get("Content-Length", "")
        is_length = length.isdecimal() and "Content-Encoding" not in sent
        total = have + int(length) if is_length else size
        check_space(total - have if total else 0, part.parent)
        if sent.get("ETag", "").startswith('"'):  # neither a weak mark, W/"...", nor a date tells all versions apart
            tag.write_text(sent["ETag"], encoding="utf-8")
        else:
            tag.unlink(missing_ok=True)
        _append(response, part, have, total)
        return is_length or "chunked" in sent.get("Transfer-Encoding", "").lower()


def _append(response: requests.Response, part: Path, have: int, total: int | None) -> None:
    name = part.name.removesuffix(".part")
    with (
        part.open("ab" if have else "wb") as file,
        tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=name, disable=not shows_progress()) as bar,
    ):
        try:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
                if total is not None and file.tell() > total:
                    break  # `_check` says that it is too long
        except requests.RequestException as error:
            raise _Interrupted("the connection was cut") from error
        reached = file.tell()
    if total is not None and reached < total:
        raise _Interrupted(f"only {reached} of {total} bytes came")


def _is_whole_archive(file: Path, suffix: str) -> bool:
    """Whether a zip or gzip file is whole by its own checksums; other files cannot tell."""
    try:
        if suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                return archive.testzip() is None
        with gzip.open(file) as stream:
            while stream.read(CHUNK):
                pass
        return suffix in SIGNATURES
    except Exception:  # cut short, in whatever way
        return False


def _check(url: str, part: Path, target: Path, size: int | None, checksum: str | None, record: bool) -> None:
    """Delete `part` and raise where it is not the file that was meant."""
    got = part.stat().st_size
    algorithm, _, expected = (checksum or "sha256:").partition(":")
    digests = {name: hashlib.new(name) for name in (algorithm, "sha256")}
    with part.open("rb") as file:
        opening = file.read(512)
        signature = SIGNATURES.get(target.suffix)
        if signature and not opening.startswith(signature):
            page = opening.lstrip().lower().startswith((b"<!doctype", b"<html"))
            sent = "a web page" if page else "something else"
            _discard(part, f"{url} sent {sent} where an archive was expected: download {target.name} by hand.")
        if size is not None and got != size:
            _discard(part, f"{url} sent {got} bytes where {size} were expected: try again, or download it by hand.")
        file.seek(0)
        while chunk := file.read(CHUNK):
            for digest in digests.values():
                digest.update(chunk)
    found = {name: digest.hexdigest() for name, digest in digests.items()}
    if not found[algorithm].startswith(expected.lower()):
        _discard(
            part, f"{url} sent a file with the {algorithm} {found[algorithm]} where {expected} was expected: try again."
        )
    if record and len(expected) < len(found["sha256"]):
        try:
            keep_to(target, found["sha256"], f"{url} sent a file")
        except DownloadError as error:
            _discard(part, str(error))


def _discard(part: Path, sentence: str) -> None:
    part.unlink()
    raise DownloadError(sentence)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a zip or tar archive into a new folder, which appears, and is returned, only once it is complete.

    A folder that is there already is left as it is.

    Raises:
        DownloadError: a damaged archive; a member that would land outside the folder, is a link, encrypted or there
            twice; more than `MOST_MEMBERS`, or `MOST_GROWTH` times its size; no space.
    """
    if folder.exists():
        return folder
    with clear_disk_errors(folder), whole_folder(folder) as unfinished:
        try:
            _extract(archive, unfinished)
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DownloadError(f"{archive} is damaged: delete it and download it again.") from error
        except OSError:
            raise
        except Exception as error:  # a kind of compression that Python does not know, for instance
            raise DownloadError(f"{archive} cannot be unpacked ({error}): delete it and download it again.") from error
    return folder


def _extract(archive: Path, folder: Path) -> None:
    zipped = zipfile.is_zipfile(archive)
    with zipfile.ZipFile(archive) if zipped else tarfile.open(archive) as opened:
        if zipped:
            members = ((m.filename, m.file_size, _reason_of_zip(m)) for m in opened.infolist())
        else:  # read one by one, so that what is too much is noticed early
            members = (
                (m.name + "/" * m.isdir(), m.size, "" if m.isreg() or m.isdir() else "which is a link") for m in opened
            )
        check_space(_checked_size(archive, members), folder)
        opened.extractall(folder, **({} if zipped else {"filter": "data"}))


def _reason_of_zip(member: zipfile.ZipInfo) -> str:
    if stat.S_ISLNK(member.external_attr >> 16):
        return "which is a link"
    return "which is encrypted" if member.flag_bits & 1 else ""


def _checked_size(archive: Path, members: Iterable[tuple[str, int, str]]) -> int:
    """The bytes of all members (name, size, what is wrong with it); DownloadError where it must not be unpacked."""
    total, most, seen = 0, max(SMALL, MOST_GROWTH * archive.stat().st_size), set()
    for count, (name, size, reason) in enumerate(members, start=1):
        path = PurePosixPath(name.replace("\\", "/"))
        key = str(path).casefold()  # some disks take A and a for one
        if path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive:
            reason = "a path out of its folder"
        elif any(len(os.fsencode(part)) > 255 for part in path.parts):
            reason = "whose name is too long for a disk"
        elif key in seen and not name.endswith("/"):
            reason = "which is there twice"
        if reason:
            raise DownloadError(f"{archive} has the member {name[:200]!r}, {reason}: do not use it.")
        seen.add(key)
        total += size
        if total > most or count > MOST_MEMBERS:
            much = f"more than {MOST_MEMBERS} members" if count > MOST_MEMBERS else f"to more than {most / 1e6:.0f} MB"
            raise DownloadError(f"{archive} would unpack {much}, far beyond its own size: do not use it.")
    return total
