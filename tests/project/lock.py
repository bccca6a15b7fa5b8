"""Write uv.lock with the versions of constraints.txt: `python -m tests.project.lock`. Needs uv, and the package index.

uv takes such versions from pyproject.toml alone, where they would stand a second time. So they are put into a copy, and
what uv notes of them is taken out of the lock again: it is then what uv keeps for the real pyproject.toml.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from tests import ROOT

INDEX = "https://pypi.org/simple"
NOTE = re.compile(r"^\[manifest\]\nconstraints = \[\n.*?^\]\n\n", re.MULTILINE | re.DOTALL)


def pins() -> list[str]:
    """The lines of constraints.txt, `name==version`."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def made() -> str:
    """The text of the lock."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    constrained = project.replace("[tool.uv]\n", f"[tool.uv]\nconstraint-dependencies = {pins()}\n")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").write_text(constrained, encoding="utf-8")
        command = ["uv", "lock", "--no-config", "--default-index", INDEX, "--project", folder]
        subprocess.run(command, check=True)
        text = (Path(folder) / "uv.lock").read_text(encoding="utf-8")
    return NOTE.sub("", text)


if __name__ == "__main__":
    (ROOT / "uv.lock").write_text(made(), encoding="utf-8")
    subprocess.run(["uv", "lock", "--check", "--no-config", "--project", str(ROOT)], check=True)
