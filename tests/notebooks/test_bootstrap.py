"""The chapters' first cell: in a checkout, in an empty folder as on Colab and Kaggle, and where it cannot help."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from book.chapters import first_cell
from tests import ROOT
from tests.notebooks import chapters

VERSION = next(line.split('"')[1] for line in (ROOT / "pyproject.toml").open() if line.startswith("version"))
CHECKPOINTS = Path("data/checkpoints")
TRAINED = ("first_networks/drn_c_26-s0", "first_networks/drn_a_18-s0")
ASK = "\nimport drn_lib, drn_lib.paths as paths; print(drn_lib.__file__); print(paths.data_dir())"
# What a fresh machine would have to install: the cell must not.
WATCH = "\nassert not {'torch', 'numpy', 'pip'} & set(sys.modules), 'the cell touched a package of Colab'"


def run(code: str, folder: Path, site: bool = False, **environment: str) -> subprocess.CompletedProcess:
    """Run code in `folder` with a Python that has no drn_lib on its path, and other packages only with `site`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "GIT_", "DRN_"))}
    command = [sys.executable, *([] if site else ["-S"]), "-c", code]  # -S: no site-packages
    return subprocess.run(command, cwd=folder, env=kept | environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def remote(tmp_path_factory) -> str:
    """A bare local repository with what a chapter needs and two checkpoints under the release's tag: a file:// address.

    As GitHub does, it sends only what it is asked for.
    """
    folder = tmp_path_factory.mktemp("remote")
    work, bare = folder / "work", folder / "book.git"
    for name, left_out in (("book", ""), ("drn_lib", ""), ("data", "checkpoints")):
        shutil.copytree(ROOT / name, work / name, ignore=shutil.ignore_patterns("__pycache__", left_out))
    for name in TRAINED:
        (work / CHECKPOINTS / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / CHECKPOINTS / f"{name}.safetensors", work / CHECKPOINTS / f"{name}.safetensors")
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", f"v{VERSION}"]):
        subprocess.run([*git, *command], cwd=work, check=True)
    subprocess.run([*git, "clone", "-q", "--bare", str(work), str(bare)], check=True)
    subprocess.run([*git, "-C", str(bare), "config", "uploadpack.allowFilter", "true"], check=True)
    return bare.as_uri()


def megabytes(clone: Path) -> float:
    """What git keeps of a clone, which is what was fetched."""
    return sum(file.stat().st_size for file in (clone / ".git").rglob("*") if file.is_file()) / 1e6


def test_in_a_checkout():
    done = run(first_cell.CELL + WATCH + ASK, ROOT / "notebooks")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(ROOT / "drn_lib" / "__init__.py"), str(ROOT / "data")]


def test_in_an_empty_folder(tmp_path, remote):
    done = run(first_cell.CELL + WATCH + ASK, tmp_path, DRN_REPOSITORY=remote)
    assert done.returncode == 0, done.stderr
    clone = tmp_path / "drn-book"
    said, *found = done.stdout.splitlines()
    assert said == f"Fetching the book's code and results (about {first_cell.MEGABYTES} MB) into drn-book/ ..."
    assert found == [str(clone / "drn_lib" / "__init__.py"), str(clone / "data")]
    assert not (clone / CHECKPOINTS).exists() and (clone / "book" / "cells").is_dir()
    assert megabytes(clone) == pytest.approx(first_cell.MEGABYTES, abs=2)  # of at most 25 for a chapter
    log = subprocess.run(["git", "-C", str(clone), "rev-list", "--count", "HEAD"], capture_output=True, text=True)
    assert log.stdout.strip() == "1" and (clone / ".git" / "shallow").is_file()


@pytest.mark.parametrize("page", ["README.md", "book/how-to-read.md"])
def test_pages_name_the_size_that_is_fetched(page):
    assert f"about {first_cell.MEGABYTES} MB" in " ".join((ROOT / page).read_text(encoding="utf-8").split())


def test_a_checkpoint_is_fetched_when_it_is_asked_for(tmp_path, remote):
    ask = f"""
from drn_lib.checkpoints.files import find_shipped, list_trained
before = list_trained()
print(before, find_shipped("no/such"), find_shipped("{TRAINED[0]}").stat().st_size, list_trained() == before)
"""
    done = run(first_cell.CELL + ask, tmp_path, site=True, DRN_REPOSITORY=remote)
    size = (ROOT / CHECKPOINTS / f"{TRAINED[0]}.safetensors").stat().st_size
    assert done.stdout.splitlines()[-1] == f"{sorted(TRAINED)} None {size} True", done.stderr
    assert done.stderr == f"fetching the trained network {TRAINED[0]} ...\n"
    there = [file.name for file in (tmp_path / "drn-book" / CHECKPOINTS).rglob("*.safetensors")]
    assert there == [f"{Path(TRAINED[0]).name}.safetensors"]
    git = tmp_path / "drn-book" / ".git"
    config = (git / "config").read_text().replace(remote, "file:///nowhere/book.git")
    (git / "config").write_text(config)
    lost = run(
        first_cell.CELL + f"\nfrom drn_lib.checkpoints.files import find_shipped; find_shipped('{TRAINED[1]}')",
        tmp_path,
        site=True,
    )
    assert "could not be fetched: check the network, then try again" in lost.stderr


def test_a_later_command_finds_the_library_and_a_second_run_needs_no_network(tmp_path, remote):
    later = "\nsubprocess.run([sys.executable, '-S', '-c', 'import drn_lib; print(drn_lib.__file__)'])"
    done = run(first_cell.CELL + later, tmp_path, DRN_REPOSITORY=remote)
    assert done.stdout.splitlines()[1] == str(tmp_path / "drn-book" / "drn_lib" / "__init__.py"), done.stderr
    again = run(first_cell.CELL + ASK, tmp_path, DRN_REPOSITORY="file:///nowhere/book.git")
    assert again.returncode == 0, again.stderr


def test_a_failed_clone_is_one_clear_sentence(tmp_path):
    address = (tmp_path / "nowhere.git").as_uri()
    (tmp_path / "drn-book").mkdir()  # of a fetch that was interrupted
    done = run(first_cell.CELL, tmp_path, DRN_REPOSITORY=address)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith(f"RuntimeError: Could not clone {address}: check the network")
    assert not (tmp_path / "drn-book").exists()


@pytest.mark.slow
def test_every_chapter_imports_from_a_clone_of_this_commit_under_the_release_tag(tmp_path):
    """Notebooks of this tree need this tree's modules: the tag that their first cell clones must have them."""
    if subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True).returncode != 0:
        pytest.skip("a git checkout: the release is cloned from its HEAD")
    bare = tmp_path / "book.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(ROOT), str(bare)], check=True)
    subprocess.run(["git", "-C", str(bare), "tag", "-f", f"v{VERSION}", "HEAD"], check=True, capture_output=True)
    cells = [cell.source for path in chapters.PATHS for cell in chapters.code_cells(chapters.read(path))]
    kinds = (ast.Import, ast.ImportFrom)
    wanted = [ast.unparse(line) for cell in cells[1:] for line in ast.parse(cell).body if isinstance(line, kinds)]
    assert any("from book." in line for line in wanted) and any("from drn_lib" in line for line in wanted)
    code = first_cell.CELL + "\n" + "\n".join(dict.fromkeys(wanted)) + "\nprint(drn_lib.__file__)"
    done = run(code.replace("\nprint(", "\nimport drn_lib\nprint("), tmp_path, site=True, DRN_REPOSITORY=bare.as_uri())
    assert done.stdout.splitlines()[-1] == str(tmp_path / "drn-book" / "drn_lib" / "__init__.py"), done.stderr
