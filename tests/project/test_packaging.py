"""The wheel holds the whole library and installs alone; the public address and the version stand in one place."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from tests import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ADDRESS = PROJECT["project"]["urls"]["Repository"]
VERSION = PROJECT["project"]["version"]
NEEDS = PROJECT["project"]["dependencies"]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "drn_lib").rglob("*.py"))
MODULES = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in FILES]
PUBLIC = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "_config.yml", "book/chapters/first_cell.py"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built without network and away from the tree, so that no old build folder can add or hide a module."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", "drn_lib/py.typed", *FILES):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run([*command, "-w", str(folder), str(source)], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert sorted(name for name in names if name.startswith("drn_lib/")) == sorted([*FILES, "drn_lib/py.typed"])
    assert {name.split("/")[0] for name in names} == {"drn_lib", f"drn_lib-{VERSION}.dist-info"}


@pytest.mark.slow
def test_it_installs_alone_and_every_module_imports(wheel, tmp_path):
    """An empty environment: what needs no other package imports; with this one's packages everything does."""
    venv.create(tmp_path / "fresh", with_pip=False)
    python = tmp_path / "fresh" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True)
    packages = next((tmp_path / "fresh" / "lib").glob("python*/site-packages"))
    code = f"""
import importlib
for name in {MODULES!r}:
    try:
        name.endswith("__main__") or importlib.import_module(name)
    except ModuleNotFoundError as error:
        print(name, error.name)
"""
    alone = subprocess.run([str(python), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    lacking = dict(line.split() for line in alone.stdout.splitlines())
    assert set(lacking.values()) <= {re.match(r"[\w-]+", line)[0] for line in NEEDS} | {"PIL"}
    light = ("architecture", "geometry.grid", "costs", "training.recipes", "cli.commands", "paths", "names")
    assert not [name for name in lacking if name.removeprefix("drn_lib.").startswith(light)]
    (packages / "host.pth").write_text(sysconfig.get_path("purelib") + "\n")
    code = f"""
import importlib, runpy
for name in {MODULES!r}:
    if name != "drn_lib.__main__":
        module = importlib.import_module(name)
        assert {str(packages)!r} in module.__file__, module.__file__
"""
    done = subprocess.run([str(python), "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not [line for line in NEEDS if "==" in line or "<" in line], "no upper bounds: Colab's torch stays"
    assert not {"matplotlib", "PyYAML"} & {line.partition(">")[0] for line in NEEDS}
    helped = subprocess.run([str(python), "-m", "drn_lib", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert helped.returncode == 0 and "usage" in helped.stdout, helped.stderr


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_library_site_citation_and_changelog_name_the_address_and_the_version():
    import drn_lib

    site, citation = (yaml.safe_load(read(name)) for name in ("_config.yml", "CITATION.cff"))
    assert drn_lib.__version__ == re.search(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)[1] == VERSION
    assert site["repository"] == {"url": ADDRESS, "path_to_book": "", "branch": f"v{VERSION}"}
    assert (citation["repository-code"], citation["version"]) == (ADDRESS, VERSION)


def test_the_bootstrap_cell_clones_the_release():
    from book.chapters import first_cell

    assert re.findall(r'"(https://[^"]+)"', first_cell.CELL) == [ADDRESS]
    assert f"--branch=v{VERSION}" in first_cell.CELL


def test_the_readme_names_the_address_and_the_release():
    readme, slug = read("README.md"), ADDRESS.removeprefix("https://github.com/")
    for text in (readme, read("book/how-to-read.md")):
        assert f"git clone {ADDRESS}\ncd {ADDRESS.rsplit('/', 1)[1]}\n" in text
    badge = f"https://colab.research.google.com/github/{slug}/blob/v{VERSION}/notebooks/00_the_tour.ipynb"
    assert f"({badge})" in readme


def test_no_other_address_of_the_repository_stands_anywhere():
    """Every GitHub address or Colab address with the placeholder's owner is the one of pyproject.toml."""
    owner, name = ADDRESS.rsplit("/", 2)[1:]
    pages = [str(path.relative_to(ROOT)) for path in (ROOT / "book").glob("*.md")]
    for file in PUBLIC + pages:
        for found in re.findall(rf"github(?:\.com)?/({owner}/[\w.-]+)", read(file)):
            assert found.removesuffix(".git") == f"{owner}/{name}", file


def test_the_lock_pins_every_direct_package_and_names_no_path():
    """Each package of the groups has one exact version, and no line points to a file or an address."""
    lines = [line for line in read("constraints.txt").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.+]+", line)] == []

    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()

    pinned = {normal(line) for line in lines}
    groups = [entry for group in PROJECT["dependency-groups"].values() for entry in group if isinstance(entry, str)]
    assert [name for name in groups + PROJECT["project"]["dependencies"] if normal(name) not in pinned] == []


@pytest.mark.parametrize("path", FILES)
def test_no_name_is_defined_twice_in_a_file(path):
    """A second definition would silently take the place of the first; ruff says nothing where the first was used."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = [node.name for node in ast.parse(read(path)).body if isinstance(node, kinds)]
    assert len(names) == len(set(names))
