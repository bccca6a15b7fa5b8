"""Where data and cache lie."""

import errno
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from drn_lib import paths
from tests import ROOT


def test_every_folder_is_in_the_checkout():
    assert paths.data_dir() == ROOT / "data"
    folders = {
        "checkpoints": paths.checkpoints_dir(),
        "splits": paths.splits_dir(),
        "paper": paths.paper_dir(),
    }
    for name, folder in folders.items():
        assert folder == ROOT / "data" / name


def test_without_a_checkout_the_error_says_what_to_do(tmp_path):
    package = tmp_path / "drn_lib"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(paths.__file__, package / "paths.py")
    code = "from drn_lib import paths; paths.data_dir()"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "FileNotFoundError" in ran.stderr and "clone the repository" in ran.stderr


def test_the_cache_is_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DRN_CACHE", str(tmp_path))
    assert paths.cache_dir() == tmp_path
    monkeypatch.setenv("DRN_CACHE", "~/elsewhere")
    assert paths.cache_dir() == Path.home() / "elsewhere"
    monkeypatch.delenv("DRN_CACHE")
    assert paths.cache_dir() == Path.home() / ".cache" / "drn_lib"


def test_progress_and_downloads_are_switched_off_by_the_environment(monkeypatch):
    for name, off, is_on in (("DRN_PROGRESS", "0", paths.shows_progress), ("DRN_OFFLINE", "1", paths.may_download)):
        monkeypatch.delenv(name, raising=False)
        assert is_on()
        for value in ("0", "1"):
            monkeypatch.setenv(name, value)
            assert is_on() == (value != off)


def test_replacing_leaves_the_old_file_where_writing_fails(tmp_path):
    file = tmp_path / "result.json"
    file.write_text("old")
    with pytest.raises(OSError), paths.replacing(file) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
    with paths.replacing(file) as temporary:
        temporary.write_text("new")
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


# Disks that do not take a file


def failing(number, name=None):
    def write(temporary):
        temporary.write_text("half")
        raise OSError(number, "raw words", name and name(temporary))

    return write


def too_large(temporary):
    """As on a full disk, a file that may not grow."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        yield temporary
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def large(save):
    """A way to write half a megabyte where a file may have 20 kB."""

    def write(temporary):
        with contextmanager(too_large)(temporary):
            save(temporary)

    return write


def torch_error(temporary):
    raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 1073152 vs 1073072")


MANY = np.zeros(2**16)
WAYS = {
    "full": (failing(errno.ENOSPC), "the disk is full"),
    "full, by the temporary file's name": (failing(errno.ENOSPC, str), "the disk is full"),
    "quota": (failing(errno.EDQUOT), "your quota of the disk is used up"),
    "too large": (failing(errno.EFBIG), "files may not grow so large here"),
    "read-only": (failing(errno.EROFS, Path), "the disk is read-only"),
    "not allowed": (failing(errno.EACCES, str), "permission denied"),
    "not permitted": (failing(errno.EPERM), "operation not permitted"),
    "broken": (failing(errno.EIO), "input/output error"),
    "gone": (failing(errno.ENOENT, str), "its folder is not there"),
    "stale": (failing(errno.ESTALE), "stale file handle"),
    "torch": (torch_error, "the disk is full, or files may not grow so large"),
    "torch, to a path": (large(lambda t: torch.save(torch.from_numpy(MANY), t)), "the disk is full, or files may"),
    "torch, to a file": (large(lambda t: torch.save(torch.ones(2**17), t.open("wb"))), "files may not grow so large"),
    "safetensors": (large(lambda t: save_file({"a": MANY}, t)), "files may not grow so large here"),
    "numpy": (large(lambda t: np.save(t.open("wb"), MANY)), "the disk is full, or files may not grow"),
    "numpy, zipped": (large(lambda t: np.savez(t.open("wb"), a=MANY)), "files may not grow so large here"),
    "bytes": (large(lambda t: t.write_bytes(MANY.tobytes())), "files may not grow so large here"),
    "text": (large(lambda t: t.write_text("a" * 2**19)), "files may not grow so large here"),
}  # fmt: skip


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_disk_that_does_not_take_a_file_is_one_sentence(way, there, tmp_path):
    file, (write, reason) = tmp_path / "state.pt", WAYS[way]
    if there:
        file.write_text("old")
    with pytest.raises(paths.NotWritten) as caught, paths.replacing(file) as temporary:
        write(temporary)
    said = str(caught.value)
    assert said.startswith(f"{file} could not be written: {reason}") and "\n" not in said and "Errno" not in said
    assert said.endswith("what stood there before is whole") == there
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("state.pt", "old")] * there


@pytest.mark.parametrize("when", ["fsync", "replace"])
def test_a_disk_may_fail_at_the_end_too(when, tmp_path, monkeypatch):
    file = tmp_path / "state.pt"
    file.write_text("old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "raw words")

    monkeypatch.setattr(os, when, fail)
    with pytest.raises(paths.NotWritten, match="the disk is full; what stood there before is whole"):
        with paths.replacing(file) as temporary:
            temporary.write_text("new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("state.pt", "old")]


def test_a_folder_in_the_place_of_a_file_and_one_that_is_gone(tmp_path):
    (tmp_path / "state.pt").mkdir()
    with pytest.raises(paths.NotWritten, match="is a directory"), paths.replacing(tmp_path / "state.pt") as temporary:
        temporary.write_text("new")
    with pytest.raises(paths.NotWritten, match="its folder is not there$"):
        with paths.replacing(tmp_path / "gone" / "state.pt") as temporary:
            temporary.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


OTHERS = [
    OSError("a download's own sentence"), ValueError("no"), RuntimeError("CUDA"), KeyboardInterrupt(), SystemExit(2),
    OSError(errno.ENOSPC, "raw", "/another/file"), FileNotFoundError(errno.ENOENT, "raw", "/what/was/read"),
]  # fmt: skip


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_what_else_goes_wrong_meanwhile_is_not_told_as_the_disks(other, tmp_path):
    with pytest.raises(type(other)) as caught, paths.replacing(tmp_path / "state.pt") as temporary:
        temporary.write_text("half")
        raise other
    assert caught.value is other and list(tmp_path.iterdir()) == []


class Interrupted:
    """A file that is written to for a while, and then the reader presses Ctrl-C or the scheduler ends the process."""

    def __init__(self, file, by):
        self.file, self.by = file.open("wb"), by

    def write(self, data):
        if self.file.tell() > 1000:
            raise self.by
        return self.file.write(data)

    def flush(self):
        self.file.flush()


@pytest.mark.parametrize("by", [KeyboardInterrupt, SystemExit(3)])
def test_an_interruption_while_torch_writes_is_not_told_as_a_full_disk(by, tmp_path):
    with pytest.raises(by if isinstance(by, type) else SystemExit):
        with paths.replacing(tmp_path / "state.pt") as temporary:
            torch.save([torch.zeros(9000), torch.ones(9000)], Interrupted(temporary, by))
    assert list(tmp_path.iterdir()) == []


def test_one_file_written_while_another_is_names_the_right_one(tmp_path):
    with pytest.raises(paths.NotWritten, match="inner could not be written"), paths.replacing(tmp_path / "outer"):
        with paths.replacing(tmp_path / "inner"):
            raise OSError(errno.ENOSPC, "raw words")


# What killed processes leave


def dead_process():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_what_killed_processes_left_is_swept_when_the_file_is_written_again(tmp_path, monkeypatch):
    file, here, dead, now = tmp_path / "state.pt", socket.gethostname(), dead_process(), time.time()
    day = 24 * 3600
    swept = [f".state.pt.{dead}.tmp", f".state.pt.{here}.{dead}.tmp", f".state.pt.{10**30}.tmp"]
    kept = [f".state.pt.{os.getppid()}.tmp", f".state.pt.{here}.{os.getppid()}.tmp", f".state.pt.{here}.1.tmp"]
    kept += [f".state.pt.elsewhere.{dead}.tmp", f".state_pt.{dead}.tmp", f".state.pt.{dead}", f"state.pt.{dead}.tmp"]
    kept += [f".other.pt.{dead}.tmp", ".state.pt.x.tmp", f".state.pt.bak.{dead}.tmp", f".state.pt.{here}.-1.tmp"]
    long_ago = f".state.pt.elsewhere.{dead + 1}.tmp"
    for name in [*swept, *kept, long_ago]:
        (tmp_path / name).write_text("half")
    os.utime(tmp_path / long_ago, (now - 2 * day, now - 2 * day))
    with paths.replacing(file) as temporary:
        temporary.write_text("new")
    assert {path.name for path in tmp_path.iterdir()} == {"state.pt", *kept}
    assert file.read_text() == "new"


def test_a_process_may_have_the_number_of_one_that_was_killed(tmp_path):
    with paths.replacing(tmp_path / "state.pt") as temporary:
        pass_by = temporary
        temporary.write_text("new")
    pass_by.write_text("half, by a killed process of this number")
    with paths.replacing(tmp_path / "state.pt") as temporary:
        temporary.open("x").close()
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_a_child_killed_while_it_writes_leaves_nothing_for_good(tmp_path):
    file = tmp_path / "state.pt"
    file.write_text("old")
    child = os.fork()
    if child == 0:
        with paths.replacing(file) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert file.read_text() == "old" and len(list(tmp_path.iterdir())) == 2
    with paths.replacing(file) as temporary:
        temporary.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


# Folders and files to write to


@pytest.mark.parametrize("name", ["n" * 300, "new/" + "n" * 300, "nul\0"])
def test_a_name_that_no_folder_can_have_is_refused_early(name, tmp_path):
    with pytest.raises(ValueError, match="^--out .* cannot be made or written .*: name another folder$"):
        paths.output_folder(tmp_path / name, "--out")
    assert list(tmp_path.iterdir()) == []


def test_a_file_to_write_is_no_folder_and_lies_below_none(tmp_path):
    (tmp_path / "file").write_text("kept")
    for good in ("new.onnx", "file", "deep/er/new.onnx"):
        assert paths.output_file(tmp_path / good, "--out") == tmp_path / good
    with pytest.raises(ValueError, match=f"^--out {tmp_path} is a folder: name a file$"):
        paths.output_file(tmp_path, "--out")
    with pytest.raises(
        ValueError, match=f"^--out {tmp_path}/file/x.onnx lies below {tmp_path}/file, which is a file: name"
    ):
        paths.output_file(tmp_path / "file/x.onnx", "--out")
    with pytest.raises(ValueError, match="cannot be made or written .*: name another file"):
        paths.output_file(tmp_path / ("n" * 300 + ".onnx"), "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
