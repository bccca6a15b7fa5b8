"""What a run notes of its devices, its code and its files."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from book.studies import provenance
from tests import ROOT

COMMITS = ["a" * 40, "0" * 64, "a" * 40 + "+changed"]
NO_COMMITS = ["a" * 39, "g" * 40, "", "a" * 40 + "+other", "+changed"]


def test_a_device_is_noted_by_its_name(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"NVIDIA {device}")
    assert provenance.device_name("cuda:1") == "NVIDIA cuda:1 (GPU)"
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(provenance, "Path", lambda name: cpuinfo)
    cpuinfo.write_text("processor\t: 0\nmodel name\t: AMD EPYC: 9B14 \nmodel name\t: another\n")
    assert provenance.device_name("cpu") == "AMD EPYC: 9B14"
    cpuinfo.write_text("processor\t: 0\n")
    for processor, machine, named in (("arm", "aarch64", "arm"), ("", "aarch64", "aarch64")):
        system = SimpleNamespace(processor=lambda name=processor: name, machine=lambda name=machine: name)
        monkeypatch.setattr(provenance, "platform", system)
        assert provenance.device_name("cpu") == named
        cpuinfo.unlink(missing_ok=True)


def test_notes_and_hashes_of_a_run(tmp_path, monkeypatch):
    assert provenance.noted_before(tmp_path, "devices") == []
    assert provenance.noted(tmp_path, "devices", "a") == "a" and provenance.noted(tmp_path, "devices", "b") == "a, b"
    assert provenance.noted(tmp_path, "devices", "a") == "a, b" and (tmp_path / "devices").read_text() == "a\nb\n"
    (tmp_path / "devices").write_bytes(b"a\n\xff\n\0\0\n \nc\n")
    assert provenance.noted_before(tmp_path, "devices") == ["a", "unknown", "c"]
    (tmp_path / "abc").write_bytes(b"abc")
    assert provenance.sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert provenance.sha256(None) is None
    (tmp_path / "commit").write_bytes(b"\xff" + b"a" * 40)  # a damaged note is none
    assert provenance.trained_by(tmp_path) is None
    for commit in (*COMMITS, *NO_COMMITS):
        (tmp_path / "commit").write_text(commit)
        assert provenance.trained_by(tmp_path) == (commit if commit in COMMITS else None)
    assert len(provenance.commit() or "0" * 40) >= 40
    monkeypatch.setattr(provenance, "data_dir", lambda: tmp_path)  # outside a checkout
    assert provenance.commit() is None


def test_a_commit_says_where_code_or_plans_were_not_as_committed(tmp_path, monkeypatch):
    def git(*words):
        done = subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    for name in ("book/code.py", "data/studies/plan.yml", "data/results/run.json", "tests/check.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    git("init", "-q")
    git("add", ".")
    git("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "x")
    monkeypatch.setattr(provenance, "data_dir", lambda: tmp_path / "data")
    head = git("rev-parse", "HEAD")
    for name in ("data/results/run.json", "tests/check.py"):
        (tmp_path / name).write_text("2")
    assert provenance.commit() == head  # results and tests decide no result
    for name, before in (("book/code.py", "1"), ("data/studies/plan.yml", "1"), ("book/new.py", None)):
        (tmp_path / name).write_text("2")
        assert provenance.commit() == f"{head}+changed", name
        (tmp_path / name).write_text(before) if before else (tmp_path / name).unlink()
        assert provenance.commit() == head


def test_peak_memory_is_in_megabytes_of_every_system(monkeypatch, tmp_path):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=3_000_000))
    for system, megabytes in (("linux", 3072.0), ("darwin", 3.0)):  # units of 1024 bytes, and bytes
        monkeypatch.setattr(sys, "platform", system)
        assert provenance.peak_memory_mb(tmp_path / "none") == megabytes
    (tmp_path / "status").write_text("VmPeak:\t9000000 kB\nVmHWM:\t 2000000 kB\nVmRSS:\t 1000 kB\n")
    assert provenance.peak_memory_mb(tmp_path / "status") == 2048.0


def test_the_memory_of_the_process_that_started_it_is_not_its_own():
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells it")
    size = 400_000_000
    held = bytearray(size)
    held[::4096] = b"1" * len(held[::4096])
    code = "from book.studies.provenance import peak_memory_mb; print(peak_memory_mb())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert 5 < float(done.stdout) < size / 1e6 < provenance.peak_memory_mb()
    del held
