"""uv.lock: the versions of constraints.txt, the packages of pyproject.toml, public addresses, a hash for each file."""

from __future__ import annotations

import re

import tomllib

from tests import ROOT
from tests.project.lock import INDEX, NOTE, pins

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
PACKAGES = {package["name"]: package for package in LOCK["package"]}
UNPINNED = re.compile(r"drn-lib|triton|(nvidia|cuda)-.*|pywinpty|pyreadline3|appnope")
"""Ours, what torch pins by itself, and what neither Linux nor the machines that made constraints.txt need."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()


def group(name: str) -> set[str]:
    """The packages of a group of pyproject.toml, with those of the groups in it."""
    entries = PROJECT["dependency-groups"][name]
    inner = (group(entry["include-group"]) for entry in entries if isinstance(entry, dict))
    return {normal(entry) for entry in entries if isinstance(entry, str)}.union(*inner)


def test_every_version_is_that_of_the_constraints():
    assert len(PACKAGES) == len(LOCK["package"]), "one version of each"
    pinned = {normal(name): version for name, version in (line.split("==") for line in pins())}
    locked = {name: package["version"] for name, package in PACKAGES.items() if not UNPINNED.fullmatch(name)}
    assert {name: version for name, version in locked.items() if pinned.get(name) != version} == {}


def test_it_was_made_for_the_groups_of_the_project():
    """A package that was added to a group, and not to the lock, is found."""
    (ours,) = (package for package in LOCK["package"] if "editable" in package["source"])
    wanted = {name: group(name) for name in PROJECT["dependency-groups"]}
    assert {
        name: {entry["name"] for entry in found} for name, found in ours["metadata"]["requires-dev"].items()
    } == wanted
    assert {entry["name"] for entry in ours["metadata"]["requires-dist"]} == set(
        map(normal, PROJECT["project"]["dependencies"])
    )
    assert ours["version"] == PROJECT["project"]["version"]


def test_each_file_has_a_public_address_and_a_hash():
    others = [package for package in LOCK["package"] if "editable" not in package["source"]]
    assert {package["source"]["registry"] for package in others} == {INDEX}
    files = [file for package in others for file in [*package.get("wheels", []), *filter(None, [package.get("sdist")])]]
    assert len(files) > 1000
    assert [file for file in files if not file["url"].startswith("https://files.pythonhosted.org/packages/")] == []
    assert [file for file in files if not re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"])] == []
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert "file://" not in text and not NOTE.search(text)


def test_torch_has_a_wheel_for_each_system_of_the_readme_and_brings_cuda_to_linux_alone():
    names = [wheel["url"].rsplit("/", 1)[1] for wheel in PACKAGES["torch"]["wheels"]]
    for python in ("cp311", "cp312", "cp313"):
        for system in (r"manylinux\w*_x86_64", "win_amd64", r"macosx\w*_arm64"):
            assert any(re.fullmatch(rf"torch-.*-{python}-{python}-{system}\.whl", name) for name in names), (
                python,
                system,
            )
    cuda = [entry for entry in PACKAGES["torch"]["dependencies"] if re.match("nvidia|cuda|triton", entry["name"])]
    assert cuda and all(entry["marker"] == "sys_platform == 'linux'" for entry in cuda)
