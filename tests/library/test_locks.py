"""One process at a time in a folder: who holds the lock, what a kill leaves, and whether locks hold at all."""

import errno
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from drn_lib import locks
from tests import ROOT

HOLD = """
import sys, pathlib
from drn_lib.locks import only_one
with only_one(pathlib.Path(sys.argv[1]), "run a"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of tmp_path."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_the_second_process_is_told_who_is_there_since_when(holder, tmp_path):
    who = (
        rf"another process is at run a: {holder.pid} on {socket.gethostname()} since \d+-\d\d-\d\d \d\d:\d\d:\d\d; wait"
    )
    with pytest.raises(locks.Busy, match=who), locks.only_one(tmp_path, "run a"):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / locks.OWNER).exists()  # a killed process cannot tidy up
    with locks.only_one(tmp_path, "run a"):
        assert (tmp_path / locks.OWNER).read_text().startswith(f"{os.getpid()} on ")
        with pytest.raises(locks.Busy, match=f"run b: {os.getpid()} on"), locks.only_one(tmp_path, "run b"):
            pass
        assert (tmp_path / locks.OWNER).exists()  # the one that was refused leaves the owner's note alone
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize("note", [None, b"", b"\xff\xfe"])
def test_an_owner_that_cannot_be_read_is_unknown(tmp_path, note):
    with locks.only_one(tmp_path, "run a"):
        (tmp_path / locks.OWNER).unlink()
        if note is not None:
            (tmp_path / locks.OWNER).write_bytes(note)
        with pytest.raises(locks.Busy, match="at run a: unknown;"), locks.only_one(tmp_path, "run a"):
            pass


def test_the_lock_is_free_after_a_failure_and_a_note_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    with pytest.raises(KeyError), locks.only_one(tmp_path, "run a"):
        raise KeyError
    (tmp_path / locks.OWNER).write_text("1 on a host since long ago")

    def full(*names):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(locks.os, "replace", full)
    with locks.only_one(tmp_path, "run a"), pytest.raises(locks.Busy, match="unknown"):
        with locks.only_one(tmp_path, "run a"):
            pass


def test_locks_hold_here(tmp_path):
    assert locks.lock_holds(tmp_path) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reason", [None, errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_a_file_system_that_grants_every_lock_or_none_is_found_out(tmp_path, monkeypatch, reason):
    @contextmanager
    def lock(file, timeout):
        if reason is not None:
            raise OSError(reason, os.strerror(reason))
        yield

    monkeypatch.setattr(locks, "FileLock", lock)
    assert not locks.lock_holds(tmp_path)
