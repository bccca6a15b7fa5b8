"""`python -m book.studies`: what it says of wrong arguments."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from book.studies.__main__ import main
from tests import ROOT


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["first_networks", "--workers", "0"], "workers must be a whole number of 1 or more, not 0"),
        (["no-such-study", "--status"], "there is no plan in data/studies called 'no-such-study'"),
        (["first_networks", "--run", "drn_c_26-s9"], "there is no run 'drn_c_26-s9'; did you mean drn_c_26-s0"),
        (["first_networks", "--device", "cuda"], "torch sees no CUDA GPU here"),
    ],
)
def test_errors_are_one_sentence(arguments, says, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("python -m book.studies: ") and says in said and said.count("\n") == 1


def test_it_runs_as_a_module():
    ran = subprocess.run([sys.executable, "-m", "book.studies", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0 and "--status" in ran.stdout
