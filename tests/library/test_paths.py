"""Where data and cache lie."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
