"""One process at a time in a folder: who holds the lock, what a kill leaves, and whether locks hold at all."""

import errno
import os
import signal
import socket
import subprocess
import sys

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


class GrantedToAll:
    def __init__(self, file, timeout): ...
    def acquire(self): ...
    def release(self): ...


def test_a_file_system_that_grants_every_lock_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "FileLock", GrantedToAll)
    assert not locks.lock_holds(tmp_path)


@pytest.mark.parametrize("reason", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO, errno.EROFS])
def test_a_file_system_that_grants_no_lock_is_refused_in_a_sentence(tmp_path, monkeypatch, reason):
    class Refused(GrantedToAll):
        def acquire(self):
            raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(locks, "FileLock", Refused)
    says = rf"nothing can be locked in {tmp_path} \({os.strerror(reason)}\): use a folder of another file system"
    with pytest.raises(OSError, match=says):
        locks.lock_holds(tmp_path)
    with pytest.raises(OSError, match=says), locks.only_one(tmp_path, "run a"):
        pass


@pytest.mark.parametrize(
    ("mount", "holds"),
    [
        ("server:/x {} nfs4 rw,vers=4.2,local_lock=none,addr=10.0.0.1 0 0", True),
        ("server:/x {} nfs rw,vers=3,local_lock=all,addr=10.0.0.1 0 0", False),
        ("server:/x {} nfs rw,nolock,addr=10.0.0.1 0 0", False),
        ("server:/x {} nfs rw,vers=3,local_lock=flock 0 0", False),
        ("server:/x {} nfs rw,vers=3,local_lock=posix 0 0", True),
        ("mds:/x {} lustre rw,flock 0 0", True),
        ("mds:/x {} lustre rw,localflock 0 0", False),
        ("you@server:/x {} fuse.sshfs rw,user_id=0 0 0", False),
        ("share {} 9p rw,trans=virtio 0 0", False),
        ("//server/x {} cifs rw,nobrl 0 0", False),
        ("/dev/sda1 {} ext4 rw,relatime 0 0", True),
        ("nolock {} tmpfs rw 0 0", True),
    ],
)
def test_a_mount_that_keeps_its_locks_to_one_machine_is_found_out(tmp_path, monkeypatch, mount, holds):
    folder = tmp_path / "cache of mine"
    folder.mkdir()
    mounts = tmp_path / "mounts"
    place = str(folder).replace(" ", "\\040")
    mounts.write_text(
        f"/dev/sda1 / ext4 rw 0 0\nyou@server:/x {tmp_path.parent} fuse.sshfs rw 0 0\n{mount.format(place)}\n"
    )
    monkeypatch.setattr(locks, "MOUNTS", mounts)
    assert locks.lock_holds(folder) is holds
    monkeypatch.setattr(locks, "MOUNTS", tmp_path / "none")  # another system than Linux
    assert locks.lock_holds(folder)


def test_mounts_whose_names_are_no_utf8_are_read_all_the_same(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_bytes(b"\xe9:/x /mnt/\xe9 nfs rw 0 0\n" + f"share {tmp_path} 9p rw 0 0\n".encode())
    monkeypatch.setattr(locks, "MOUNTS", mounts)
    assert not locks.lock_holds(tmp_path)
