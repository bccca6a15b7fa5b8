"""Downloading against a local server that truncates, lies and refuses; unpacking of hostile archives."""

import errno
import gzip
import hashlib
import io
import os
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import MagicMock, Mock

import pytest

from drn_lib.datasets import downloads, storing
from drn_lib.datasets.downloads import DownloadError, download, unpack
from drn_lib.datasets.storing import whole_folder


def zip_of(members, kind=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


GOOD = zip_of({"set/a.txt": b"a" * 1000, "set/b.bin": os.urandom(300_000)})
SHA256 = "sha256:" + hashlib.sha256(GOOD).hexdigest()


class Server:
    """A server whose next answers are functions of the handler, in a list; `seen` holds the Range headers."""

    def __init__(self):
        self.answers, self.seen = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.seen.append((self.headers.get("Range"), self.headers.get("If-Range")))
                outer.answers.pop(0)(self)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/set.zip"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """What is kept of a cut download are whole chunks."""
    monkeypatch.setattr(downloads, "CHUNK", 500)


@pytest.fixture
def server():
    started = Server()
    yield started
    started.http.shutdown()
    started.http.server_close()


def answer(data=GOOD, code=200, length=None, stop=None, headers=None):
    """Sends `data`, of which a length is claimed and which ends after `stop` bytes."""

    def send(handler):
        handler.send_response(code)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        if length != "none":
            handler.send_header("Content-Length", str(len(data) if length is None else length))
        handler.end_headers()
        handler.wfile.write(data[:stop])

    return send


def ranged(data=GOOD, stop=None, etag=None):
    """Honours Range as a good server does, but may end early."""

    def send(handler):
        asked = handler.headers.get("Range")
        changed = handler.headers.get("If-Range") not in (None, etag)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and not changed else 0
        headers = {"ETag": etag} if etag else {}
        if start >= len(data):
            return answer(b"", 416)(handler)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        answer(data[start:], 206 if start else 200, stop=stop, headers=headers)(handler)

    return send


def get(server, tmp_path, **options):
    return download(server.url, tmp_path / "set.zip", pause=0.01, **options)


def refused(server, tmp_path, says, **options):
    with pytest.raises(DownloadError, match=says):
        get(server, tmp_path, **options)


def left(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir())


def test_a_whole_file_arrives_and_is_asked_for_once(server, tmp_path):
    server.answers = [answer()]
    assert get(server, tmp_path, size=len(GOOD), checksum=SHA256).read_bytes() == GOOD
    assert get(server, tmp_path).read_bytes() == GOOD
    assert server.seen == [(None, None)]
    assert left(tmp_path) == ["set.zip"]


def test_md5_works_too(server, tmp_path):
    server.answers = [answer(), answer()]
    get(server, tmp_path, checksum="md5:" + hashlib.md5(GOOD).hexdigest()).unlink()
    refused(server, tmp_path, "md5", checksum="md5:" + "0" * 32)


def test_a_cut_download_goes_on_where_it_stopped(server, tmp_path):
    server.answers = [ranged(stop=1000, etag='"1"'), ranged(stop=5000, etag='"1"'), ranged(etag='"1"')]
    assert get(server, tmp_path, checksum=SHA256).read_bytes() == GOOD
    assert server.seen == [(None, None), ("bytes=1000-", '"1"'), ("bytes=6000-", '"1"')]
    assert left(tmp_path) == ["set.zip"]


def test_a_later_run_goes_on_too(server, tmp_path):
    server.answers = [ranged(stop=1000, etag='"1"'), *[answer(b"", 503)] * 3]
    refused(server, tmp_path, "status 503.*continues where it stopped")
    assert left(tmp_path) == ["set.zip.part", "set.zip.part.tag"]
    server.answers = [ranged(etag='"1"')]
    assert get(server, tmp_path, checksum=SHA256).read_bytes() == GOOD
    assert server.seen[-1][0] == "bytes=1000-"


OTHER_RANGE = {"Content-Range": f"bytes 500-{len(GOOD) - 1}/{len(GOOD)}"}
ARRIVES = {
    "starts again: changed meanwhile": [ranged(b"PK" + b"old" * 9999, stop=1000, etag='"1"'), ranged(etag='"2"')],
    "starts again: no ranges": [answer(stop=1000), answer()],
    "starts again: another range": [answer(stop=1000), answer(GOOD[500:], 206, headers=OTHER_RANGE), answer()],
    "no length": [answer(length="none")],
    "busy": [answer(b"busy", 503), answer(b"busy", 503), answer()],
}


@pytest.mark.parametrize("kind", ARRIVES)
def test_a_file_arrives_in_the_end(server, tmp_path, kind):
    server.answers = list(ARRIVES[kind])
    assert get(server, tmp_path, size=len(GOOD), checksum=SHA256).read_bytes() == GOOD
    assert server.answers == []


WEAK = {
    "nothing": {},
    "a date": {"Last-Modified": "Tue, 01 Jul 2025 10:00:00 GMT"},
    "a weak mark": {"ETag": 'W/"1"'},
    "a mark without quotes": {"ETag": "1"},
}


@pytest.mark.parametrize("kind", WEAK)
def test_a_part_of_which_the_version_is_not_known_is_dropped(server, tmp_path, kind):
    """The file is replaced on the server between two attempts, by one of the same length."""
    old = b"PK" + b"o" * (len(GOOD) - 2)
    server.answers = [answer(old, stop=1000, headers=WEAK[kind]), answer(headers=WEAK[kind])]
    assert get(server, tmp_path).read_bytes() == GOOD
    assert server.seen == [(None, None)] * 2
    (tmp_path / "set.zip").unlink()
    (tmp_path / "set.zip.part").write_bytes(old[:1000])  # of an earlier run
    server.answers = [answer(headers=WEAK[kind])]
    assert get(server, tmp_path).read_bytes() == GOOD and server.seen[-1] == (None, None)


def test_a_part_that_goes_on_as_another_version_is_dropped(server, tmp_path):
    def careless(handler):  # it has a new file and does not look at If-Range
        headers = {"ETag": '"2"', "Content-Range": f"bytes 1000-{len(GOOD) - 1}/{len(GOOD)}"}
        answer(GOOD[1000:], 206, headers=headers)(handler)

    server.answers = [ranged(b"PK" + b"o" * 9999, stop=1000, etag='"1"'), careless, ranged(etag='"2"')]
    assert get(server, tmp_path).read_bytes() == GOOD
    assert server.seen[-1] == (None, None)


def test_a_part_that_is_whole_already_is_taken(server, tmp_path):
    (tmp_path / "set.zip.part").write_bytes(GOOD)
    (tmp_path / "set.zip.part.tag").write_text('"1"')
    server.answers = [ranged(etag='"1"')]
    assert get(server, tmp_path, size=len(GOOD), checksum=SHA256).read_bytes() == GOOD
    assert server.seen == [(f"bytes={len(GOOD)}-", '"1"')]
    (tmp_path / "set.zip").unlink()
    (tmp_path / "set.zip.part").write_bytes(GOOD)  # without a known size it is not believed
    (tmp_path / "set.zip.part.tag").write_text('"1"')
    server.answers = [ranged(etag='"1"')] * 2
    assert get(server, tmp_path).read_bytes() == GOOD
    assert server.seen[-1][0] is None and left(tmp_path) == ["set.zip", "set.zip.sha256"]


def gzipped(data):
    return gzip.compress(data, mtime=0)


UNSAID = {  # without a length: what is sent of which file, under which name
    "zip": (GOOD, "set.zip"),
    "tar.gz": (gzipped(os.urandom(5000)), "set.tar.gz"),
    "tgz": (gzipped(os.urandom(5000)), "set.tgz"),
}


@pytest.mark.parametrize("kind", UNSAID)
def test_an_answer_that_ends_with_its_connection_is_taken_only_if_it_is_whole(server, tmp_path, kind):
    data, name = UNSAID[kind]
    for stop in (len(data) // 2, len(data) - 1, 30):
        server.answers = [answer(data, length="none", stop=stop)]
        with pytest.raises(DownloadError, match="did not say how long it is, and what came is no whole archive"):
            download(server.url, tmp_path / name)
        assert left(tmp_path) == []  # above all no checksum
    server.answers = [answer(data, length="none")]
    assert download(server.url, tmp_path / name).read_bytes() == data


def test_what_cannot_tell_whether_it_is_whole_needs_a_length_or_a_checksum(server, tmp_path):
    server.answers = [answer(b"weights", length="none")] * 4
    with pytest.raises(DownloadError, match="did not say how long"):
        download(server.url, tmp_path / "w.pth")
    for known in ({"size": 7}, {"checksum": "sha256:" + hashlib.sha256(b"weights").hexdigest()}):
        download(server.url, tmp_path / "w.pth", **known).unlink()
    assert download(server.url, tmp_path / "w.pth").read_bytes() == b"weights"  # recorded when its size was known


def test_an_answer_that_is_longer_than_the_file_is_thrown_away(server, tmp_path):
    server.answers = [answer(GOOD + b"x" * 100_000, length="none")]
    refused(server, tmp_path, f"bytes where {len(GOOD)} were expected", size=len(GOOD))
    assert left(tmp_path) == []


@pytest.mark.parametrize("code", [204, 304, 203])
def test_an_answer_without_a_file_is_one_sentence(server, tmp_path, code):
    server.answers = [answer(b"", code)]
    refused(server, tmp_path, f"status {code}")


@pytest.mark.parametrize("hops", [["http://a/x"], ["https://b/x", "http://a/x"], ["http://b/x", "https://a/x"]])
def test_a_download_over_https_stays_there(hops, tmp_path, monkeypatch):
    response = MagicMock(status_code=200, url=hops[-1], history=[Mock(url=hop) for hop in ["https://h/x", *hops[:-1]]])
    response.__enter__.return_value = response
    monkeypatch.setattr(downloads.requests, "get", Mock(return_value=response))
    with pytest.raises(DownloadError, match="which anybody on the way can change"):
        download("https://h/x", tmp_path / "set.zip")
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "known",
    ["md5:" + hashlib.md5(GOOD).hexdigest(), SHA256[:15], SHA256[:15].upper()],
    ids=["md5", "first digits", "capitals"],
)
def test_a_weak_checksum_is_completed_by_the_sha256_of_the_first_download(server, tmp_path, known, capsys):
    known = known.replace("SHA256", "sha256")
    server.answers = [answer(), answer()]
    get(server, tmp_path, checksum=known).unlink()
    digest = SHA256.removeprefix("sha256:")
    assert (tmp_path / "set.zip.sha256").read_text() == f"{digest}  set.zip\n" and digest in capsys.readouterr().out
    (tmp_path / "set.zip.sha256").write_text("0" * 64)
    refused(server, tmp_path, "where 0000.* was expected: if the first download was bad", checksum=known)
    assert left(tmp_path) == ["set.zip.sha256"]


def test_an_empty_record_is_written_anew(server, tmp_path):
    (tmp_path / "set.zip.sha256").write_bytes(b"")
    server.answers = [answer()]
    get(server, tmp_path)
    assert storing.recorded_sha256(tmp_path / "set.zip") == SHA256.removeprefix("sha256:")


def test_a_short_answer_is_noticed_even_where_the_http_library_says_nothing(tmp_path):
    short = Mock(iter_content=Mock(return_value=[b"PK" + b"a" * 98]))
    with pytest.raises(downloads._Interrupted, match="only 100 of 200 bytes"):
        downloads._append(short, tmp_path / "set.zip.part", have=0, total=200)


@pytest.mark.parametrize("wrong", [{"stop": 10}, {"length": len(GOOD) + 100}, {"length": len(GOOD) * 2}], ids=str)
def test_a_server_that_always_sends_too_little_is_given_up(server, tmp_path, wrong):
    server.answers = [answer(**wrong)] * 4
    refused(server, tmp_path, "run this again")
    assert not (tmp_path / "set.zip").exists()


def test_a_length_that_is_too_small_is_noticed(server, tmp_path):
    server.answers = [answer(length=1000)] * 3
    refused(server, tmp_path, f"1000 bytes where {len(GOOD)} were expected", size=len(GOOD))
    refused(server, tmp_path, "sha256", checksum=SHA256)
    cut = get(server, tmp_path)  # nothing is known of it ...
    with pytest.raises(DownloadError, match="damaged"):
        unpack(cut, tmp_path / "set")  # ... but it does not unpack
    assert "set" not in left(tmp_path)


def test_a_file_longer_than_it_should_be_is_noticed(server, tmp_path):
    server.answers = [answer()]
    refused(server, tmp_path, f"{len(GOOD)} bytes where {len(GOOD) - 1} were expected", size=len(GOOD) - 1)
    assert left(tmp_path) == []


NO_ARCHIVE = "a web page where an archive was expected"
HTML = {"headers": {"Content-Type": "text/html"}}
THROWN_AWAY = {
    "missing": (answer(b"gone", 404), "status 404.*by hand"),
    "a page": (answer(b"<!DOCTYPE html><p>log in", **HTML), NO_ARCHIVE),
    "another page": (answer(b"\n <html>moved</html>", **HTML), NO_ARCHIVE),
    "another file": (answer(zip_of({"other.txt": b"other"})), "sha256"),
}


@pytest.mark.parametrize("kind", THROWN_AWAY)
def test_a_wrong_file_is_thrown_away_and_not_asked_for_twice(server, tmp_path, kind):
    sent, says = THROWN_AWAY[kind]
    server.answers = [sent]
    refused(server, tmp_path, says, checksum=SHA256)
    assert left(tmp_path) == []


def test_an_unknown_checksum_is_recorded_said_and_kept_to(server, tmp_path, capsys):
    server.answers = [answer()]
    get(server, tmp_path).unlink()
    assert SHA256.removeprefix("sha256:") in capsys.readouterr().out
    assert (tmp_path / "set.zip.sha256").read_text().split() == [SHA256.removeprefix("sha256:"), "set.zip"]
    server.answers = [answer(zip_of({"other.txt": b"other"}))]
    with pytest.raises(DownloadError, match="where " + SHA256.removeprefix("sha256:")) as caught:
        get(server, tmp_path)
    assert str(caught.value).endswith(f"delete {tmp_path / 'set.zip.sha256'} and run this again.")


def test_an_archive_that_the_server_makes_anew_is_not_held_to_its_first_bytes(server, tmp_path):
    other = zip_of({"other.txt": b"other"})
    (tmp_path / "set.zip.sha256").write_text("0" * 64 + "  set.zip\n")
    server.answers = [answer(other)]
    assert get(server, tmp_path, record=False).read_bytes() == other


def test_a_second_process_waits_for_the_first(tmp_path, capsys):
    code = f"""
from pathlib import Path
from drn_lib.datasets.downloads import one_at_a_time
with one_at_a_time(Path({str(tmp_path)!r}), "set"):
    print("has it", flush=True)
    input()
    Path({str(tmp_path / "fetched")!r}).touch()
"""
    first = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout.readline() == "has it\n"
    threading.Timer(0.5, lambda: first.stdin.write("\n") and first.stdin.close()).start()
    with downloads.one_at_a_time(tmp_path, "other"), downloads.one_at_a_time(tmp_path, "set"):
        assert (tmp_path / "fetched").exists()
    assert capsys.readouterr().out == f"Another process is fetching set into {tmp_path}: waiting for it.\n"
    assert first.wait(10) == 0


def test_no_server_at_all_is_one_sentence(tmp_path):
    with pytest.raises(DownloadError, match="cannot be reached: check the network"):
        download("http://127.0.0.1:9/set.zip", tmp_path / "set.zip")


def test_a_full_disk_is_one_sentence(server, tmp_path, monkeypatch):
    server.answers = [answer(), answer()]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 90, 10))
    refused(server, tmp_path, "full: free some space")
    monkeypatch.undo()
    monkeypatch.setattr(downloads, "_append", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    refused(server, tmp_path, "full: free some space")
    assert not (tmp_path / "set.zip").exists()


def test_progress_is_silent_where_asked(server, tmp_path, capsys, monkeypatch):
    server.answers = [answer(), answer()]
    monkeypatch.setenv("DRN_PROGRESS", "0")
    get(server, tmp_path, checksum=SHA256).unlink()
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("DRN_PROGRESS", "1")
    get(server, tmp_path, checksum=SHA256)
    assert "set.zip" in capsys.readouterr().err


# Unpacking


def tar_of(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, kind, data in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size = kind, len(data) if kind == tarfile.REGTYPE else 0
            entry.linkname = data.decode() if kind != tarfile.REGTYPE else ""
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def encrypted(data):
    """A zip archive whose first member says that it is encrypted."""
    place = data.index(b"PK\1\2")
    return data[: place + 8] + struct.pack("<H", 1) + data[place + 10 :]


def hollow_tar():
    """A small tar archive with a member that unpacks to eight billion bytes of nothing."""
    entry = tarfile.TarInfo("a")
    entry.size = 8_000_000_000
    return entry.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024


def write(tmp_path, data):
    (tmp_path / "set.zip").write_bytes(data)
    return tmp_path / "set.zip"


@pytest.mark.parametrize("data", [GOOD, tar_of(("set/a.txt", tarfile.REGTYPE, b"a" * 1000))])
def test_an_archive_is_unpacked_once(tmp_path, data):
    folder = unpack(write(tmp_path, data), tmp_path / "out")
    assert (folder / "set/a.txt").read_bytes() == b"a" * 1000
    (folder / "mine.txt").write_text("kept")
    unpack(tmp_path / "set.zip", folder)
    assert (folder / "mine.txt").exists()
    assert left(tmp_path) == ["out", "set.zip"]


LINK = zipfile.ZipInfo("link")
LINK.external_attr = 0o120777 << 16
HOSTILE = {
    "zip, link": zip_of({LINK: b"/etc/passwd"}),
    "zip, up": zip_of({"../evil.txt": b"x"}),
    "zip, up inside": zip_of({"a/../../evil.txt": b"x"}),
    "zip, absolute": zip_of({"/evil.txt": b"x"}),
    "zip, drive": zip_of({"C:/evil.txt": b"x"}),
    "zip, drive and no folder": zip_of({"C:evil.txt": b"x"}),
    "zip, another machine": zip_of({"\\\\host\\share\\evil.txt": b"x"}),
    "zip, encrypted": encrypted(zip_of({"a.txt": b"x"})),
    "zip, one name in two cases": zip_of({"a/b.txt": b"x", "A/B.txt": b"y"}),
    "zip, one name in two forms": zip_of({"a/b.txt": b"x", "a/./b.txt": b"y"}),
    "zip, an empty one over another": zip_of({"a.txt": b"x", "A.txt": b""}),
    "zip, a name too long": zip_of({"a/" + "b" * 256: b"x"}),
    "zip, many bytes": zip_of({"a": b"\0" * (1 << 20) * 70}, zipfile.ZIP_DEFLATED),
    "tar, one name twice": tar_of(("a", tarfile.REGTYPE, b"x"), ("a", tarfile.REGTYPE, b"y")),
    "tar, a hollow file": hollow_tar(),
    "zip, backslashes": zip_of({"..\\evil.txt": b"x"}),
    "tar, up": tar_of(("../evil.txt", tarfile.REGTYPE, b"x")),
    "tar, absolute": tar_of(("/evil.txt", tarfile.REGTYPE, b"x")),
    "tar, symbolic link": tar_of(("link", tarfile.SYMTYPE, b"/etc/passwd")),
    "tar, hard link": tar_of(("link", tarfile.LNKTYPE, b"/etc/passwd")),
    "tar, device": tar_of(("device", tarfile.CHRTYPE, b"")),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_leaves_nothing(tmp_path, kind):
    archive = write(tmp_path, HOSTILE[kind])
    with pytest.raises(DownloadError, match="do not use it"):
        unpack(archive, tmp_path / "inner" / "out")
    assert left(tmp_path) == ["inner", "set.zip"]
    assert left(tmp_path / "inner") == []


@pytest.mark.parametrize(
    "data",
    [GOOD[:-200], GOOD[:200_000], b"nothing", tar_of(("a", tarfile.REGTYPE, b"x"))[:-20]],
    ids=["no-end", "half", "no-archive", "tar-without-end"],  # a tar's bytes hold the time, so they cannot name it
)
def test_a_damaged_archive_leaves_nothing(tmp_path, data):
    with pytest.raises(DownloadError, match="damaged"):
        unpack(write(tmp_path, data), tmp_path / "out")
    assert left(tmp_path) == ["set.zip"]


def test_an_archive_larger_than_the_disk_is_refused(tmp_path, monkeypatch):
    archive = write(tmp_path, GOOD)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 90, 10))
    with pytest.raises(DownloadError, match="full"):
        unpack(archive, tmp_path / "out")
    assert left(tmp_path) == ["set.zip"]


def test_colons_in_names_are_allowed(tmp_path):
    folder = unpack(write(tmp_path, zip_of({"a/12:30.png": b"x", "b/": b"", "b/c:d/e": b"y"})), tmp_path / "out")
    assert (folder / "a/12:30.png").read_bytes() == b"x" and (folder / "b/c:d/e").read_bytes() == b"y"


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "MOST_MEMBERS", 3)
    archive = write(tmp_path, zip_of({str(number): b"" for number in range(4)}))
    with pytest.raises(DownloadError, match="more than 3 members.*do not use it"):
        unpack(archive, tmp_path / "out")
    unpack(write(tmp_path, zip_of({str(number): b"" for number in range(3)})), tmp_path / "out")


def test_label_files_that_are_packed_well_are_unpacked(tmp_path):
    """Flat labels shrink to a fiftieth and more: what is bounded is the growth of large archives."""
    folder = unpack(write(tmp_path, zip_of({"a": b"\0" * 9_000_000}, zipfile.ZIP_DEFLATED)), tmp_path / "out")
    assert (folder / "a").stat().st_size == 9_000_000


def test_an_unknown_compression_is_one_sentence(tmp_path):
    data = bytearray(GOOD)
    for place in (data.index(b"PK\3\4") + 8, data.index(b"PK\1\2") + 10):
        data[place] = 99
    with pytest.raises(DownloadError, match=r"^[^\n]*set.zip [^\n]*: delete it and download it again.$"):
        unpack(write(tmp_path, bytes(data)), tmp_path / "out")


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_killed_processes_left_is_swept(tmp_path):
    dead, host = ended_process(), socket.gethostname()
    ours, theirs = f"{dead}-{host}-0123abcd", f"{os.getppid()}-elsewhere-0123abcd"
    gone = [f"out.unfinished-{end}" for end in (dead, os.getpid(), 2**70, ours, f"{os.getpid()}-{host}-0123abcd")]
    stay = [f"out.unfinished-{end}" for end in (os.getppid(), theirs, f"{dead}-elsewhere-0123abcd", "mine")]
    for name in (*gone, *stay, f"other.unfinished-{dead}"):
        (tmp_path / name / "set").mkdir(parents=True)
    archive = write(tmp_path, GOOD)
    with whole_folder(tmp_path / "out") as working:  # of another thread
        unpack(archive, tmp_path / "out")
        assert working.is_dir()
    assert left(tmp_path) == sorted([*stay, f"other.unfinished-{dead}", "out", "set.zip"])
    assert (tmp_path / "out/set/a.txt").exists()
    for name in stay:
        os.utime(tmp_path / name, (0, 0))  # old ones go, whoever made them
    with whole_folder(tmp_path / "out"):
        pass
    assert left(tmp_path) == ["other.unfinished-" + str(dead), "out", "out.unfinished-mine", "set.zip"]
