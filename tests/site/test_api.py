"""The page of the library: every public name with arguments and errors, made without importing the library."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys

import pytest

import drn_lib
from book.extensions import api
from tests import ROOT

PACKAGES = sorted(path.parent.name for path in (ROOT / "drn_lib").glob("*/__init__.py"))
MODULES = sorted(path.stem for path in (ROOT / "drn_lib").glob("[a-z]*.py") if path.stem not in api.INTERNAL)


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """The text of each module's section by the module's name; made where torch cannot be imported."""
    code = "import sys; sys.modules['torch'] = None\nfrom book.extensions import api; print(api.api())"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    parts = re.split(r"(?m)^## `drn_lib\.(\w+)`$", ran.stdout)[1:]
    assert len(parts[::2]) == len(set(parts[::2]))
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_public_name_is_there_and_no_other_module(sections):
    assert set(sections) == {*PACKAGES, *MODULES}
    for package in PACKAGES:
        shown = re.findall(r"(?m)^### (?:class )?`(\w+)`$", sections[package])
        assert shown == importlib.import_module(f"drn_lib.{package}").__all__
    for name in drn_lib.__all__[1:]:
        assert any(f"### `{name}`" in text for text in sections.values())


def test_arguments_and_errors_are_shown(sections):
    assert "create_model(name: str, num_classes: int" in sections["network"]
    assert "- `name`: " in sections["network"] and "- `DatasetNotFound`: " in sections["datasets"]


def test_the_page_has_the_names_where_its_comment_stands():
    source = ["# The library\n\n<!-- api -->\n"]
    api.fill(None, "book/index", source)
    assert api.MARKER in source[0]
    api.fill(None, api.PAGE, source)
    assert api.MARKER not in source[0] and "## `drn_lib.network`" in source[0]
    assert (ROOT / f"{api.PAGE}.md").read_text().count(api.MARKER) == 1
