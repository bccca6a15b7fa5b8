"""What keeps the house in shape: few files in each room, short files, no prefix that should have been a folder."""

from __future__ import annotations

import importlib
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import pytest

from tests import ROOT

PACKAGES = [folder.parent for name in ("drn_lib", "book") for folder in (ROOT / name).rglob("__init__.py")]
PUBLIC = {
    "drn_lib": ["list_models", "create_model", "load_weights", "load_trained", "open_dataset"],
    "drn_lib.conversion": ["dilate"],
    "drn_lib.geometry": ["trace", "receptive_field", "output_size"],
    "drn_lib.gridding": ["lattice_energy"],
    "drn_lib.localization": ["boxes"],
    "drn_lib.evaluation": ["confusion_matrix", "miou"],
    "drn_lib.training": ["train"],
}
"""The names that others lean on."""


def modules(package: Path) -> list[str]:
    return sorted(path.stem for path in package.glob("*.py"))


def test_the_top_of_the_library_shows_its_subject():
    library = ROOT / "drn_lib"
    assert len(modules(library)) <= 14
    assert sum(folder.parent == library for folder in PACKAGES) <= 11


@pytest.mark.parametrize("package", PACKAGES, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_package_is_one_room(package):
    names = [name for name in modules(package) if name not in ("__init__", "__main__")]  # doors, not subjects
    assert len(names) <= 14
    rooms = [*names, *(folder.name for folder in PACKAGES if folder.parent == package)]
    assert [pair for pair in permutations(rooms, 2) if pair[1].startswith(f"{pair[0]}_")] == []
    long = {path.name: lines for path in package.glob("*.py") if (lines := len(path.read_text().splitlines())) > 330}
    assert long == {}


@pytest.mark.parametrize(("module", "names"), PUBLIC.items(), ids=PUBLIC)
def test_the_public_names_resolve(module, names):
    found = importlib.import_module(module)
    assert all(callable(getattr(found, name)) and name in dir(found) for name in names)


@pytest.mark.parametrize("package", [folder for folder in PACKAGES if folder != ROOT / "book"], ids=lambda f: f.name)
def test_every_listed_name_is_in_its_home(package):
    """A lazy package promises names; each must be where it says, and no module may bear it."""
    found = importlib.import_module(".".join(package.relative_to(ROOT).parts))
    for name in " ".join(getattr(found, "_HOMES", {}).values()).split():
        assert not isinstance(getattr(found, name), type(sys)), f"{name} is a module's name too"


WITHOUT = {
    "torch": "drn_lib.geometry drn_lib.costs drn_lib.checkpoints.onnx drn_lib.training.recipes book.studies.results "
    "drn_lib.cli.commands drn_lib.datasets.catalog drn_lib.segmentation.options",
    "yaml, matplotlib": " ".join(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "drn_lib").rglob("*.py")
        if path.stem not in ("__main__", "__init__")
    ),
}


@pytest.mark.parametrize(("absent", "wanted"), WITHOUT.items(), ids=["torch", "yaml-matplotlib"])
def test_what_works_without(absent, wanted):
    code = (
        "import importlib, sys\nclass Absent:\n    def find_spec(self, name, *_):\n"
        f"        if name in {absent.split(', ')!r}: raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"for name in {wanted.split()!r}: importlib.import_module(name)\n"
        "from drn_lib import geometry; geometry.table('drn_a_18')"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_importing_the_library_costs_nothing():
    code = "import sys, drn_lib.training, book.studies; sys.exit('torch' in sys.modules or 'yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
