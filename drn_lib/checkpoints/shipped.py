"""The book's trained networks in a checkout that was fetched without them: each comes when it is asked for.

The first cell of a chapter clones the release without `data/checkpoints/`, which is most of its size. git still knows
their names there, and fetches the one file that is read.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from drn_lib import paths

SUFFIX = ".safetensors"


def names_left_out() -> list[str]:
    """Names of the trained networks that this checkout could fetch, such as "first_networks/drn_c_26-s0"."""
    if not _is_partial():
        return []
    folder = paths.checkpoints_dir()
    listed = _git("ls-tree", "-r", "-z", "--name-only", "HEAD:data/checkpoints")
    found = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    return [name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX) and not (folder / name).exists()]


def fetch(name: str) -> Path | None:
    """The file of a trained network by its name, after fetching it; None where this checkout knows no such one.

    Raises:
        FileNotFoundError: it could not be fetched.
    """
    if not _is_partial() or name not in names_left_out():
        return None
    file = paths.checkpoints_dir() / f"{name}{SUFFIX}"
    print(f"fetching the trained network {name} ...", file=sys.stderr, flush=True)
    got = _git("cat-file", "blob", f"HEAD:data/checkpoints/{name}{SUFFIX}")
    if got.returncode != 0:
        raise FileNotFoundError(f"the trained network {name} could not be fetched: check the network, then try again")
    file.parent.mkdir(parents=True, exist_ok=True)
    with paths.replacing(file) as temporary:
        temporary.write_bytes(got.stdout)
    return file


def _is_partial() -> bool:
    """Whether this checkout leaves files out, as the one that the first cell of a chapter clones."""
    return (paths.data_dir().parent / ".git" / "info" / "sparse-checkout").is_file()


def _git(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["git", "-C", str(paths.data_dir().parent), *arguments], capture_output=True)
