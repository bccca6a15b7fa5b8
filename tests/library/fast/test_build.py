"""Where the kernel cannot be built, a sentence says why."""

from __future__ import annotations

import pytest

from drn_lib.fast import build


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("DRN_CACHE", str(tmp_path))
    build.load_library.cache_clear()
    yield tmp_path
    build.load_library.cache_clear()


@pytest.mark.parametrize(
    ("compiler", "why"),
    [
        ("false", "the C.. compiler 'false' failed"),
        ("no-such-compiler", "no C.. compiler answers to 'no-such-compiler'"),
    ],
)
def test_no_compiler(monkeypatch, elsewhere, compiler, why):
    monkeypatch.setenv("CXX", compiler)
    with pytest.raises(build.Unavailable, match=why):
        build.load_library()
    assert list(elsewhere.rglob("*.so")) == []


@pytest.mark.parametrize(("compiler", "first"), [("echo gcc 12", "gcc 12 --version"), ("sh -c 'echo a; echo b'", "a")])
def test_the_compiler_says_what_it_is(monkeypatch, compiler, first):
    monkeypatch.setenv("CXX", compiler)
    assert build.compiler_version() == first
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(build.Unavailable, match="no C.. compiler answers"):
        build.compiler_version()


def test_another_processor(monkeypatch):
    monkeypatch.setattr(build.platform, "machine", lambda: "aarch64")
    with pytest.raises(build.Unavailable, match="written for x86-64 processors, not aarch64"):
        build.load_library()


def test_a_cache_that_cannot_be_written(monkeypatch, elsewhere):
    (elsewhere / "kernels").write_text("a file")
    monkeypatch.setattr(build, "_key", lambda compiler: "0" * 16)
    with pytest.raises(build.Unavailable, match="cannot be written"):
        build.load_library()
