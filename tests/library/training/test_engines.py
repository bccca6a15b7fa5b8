"""A run by the fast engine: resumed bit by bit, told apart from a plain one, and about the same training."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from drn_lib import training
from drn_lib.fast import engine_of
from drn_lib.training import RunOptions
from tests.library.training.test_classification import TINY, random_set, same_weights


@pytest.fixture(scope="module")
def whole():
    return training.train(TINY, "drn_a_18", 0, random_set(), 3, options=RunOptions(engine="fast"))


def test_a_run_that_is_resumed_ends_bit_identical(tmp_path, whole, capsys):
    data = random_set()
    training.train(TINY, "drn_a_18", 0, data, 3, options=RunOptions(tmp_path, engine="fast", max_steps=3))
    assert capsys.readouterr().out.startswith("fast: ")
    resumed = training.train(TINY, "drn_a_18", 0, data, 3, options=RunOptions(tmp_path, engine="fast"))
    assert same_weights(whole.model, resumed.model)
    run = json.loads(torch.load(tmp_path / "state.pt", weights_only=True)["run"])
    assert {"engine", "choices"} <= set(run)
    with pytest.raises(ValueError, match="another run .different .*engine"):
        training.train(TINY, "drn_a_18", 0, data, 3, options=RunOptions(tmp_path))


def test_the_trained_network_is_plain_and_much_the_same(whole):
    plain = training.train(TINY, "drn_a_18", 0, random_set(), 3)
    assert engine_of(whole.model) is None
    assert all(type(module) is nn.Conv2d for module in whole.model.modules() if isinstance(module, nn.Conv2d))
    pairs = zip(whole.model.parameters(), plain.model.parameters(), strict=True)
    assert max((one - other).abs().max().item() for one, other in pairs) < 0.05


def test_threads_change_no_bit_of_the_kernels_results(whole):
    threads = torch.get_num_threads()
    torch.set_num_threads(3 - min(threads, 2))
    try:
        again = training.train(TINY, "drn_a_18", 0, random_set(), 3, options=RunOptions(engine="fast"))
    finally:
        torch.set_num_threads(threads)
    if whole.engine["engine"] == "plain":  # several threads of PyTorch add up a product in another order
        pairs = zip(whole.model.parameters(), again.model.parameters(), strict=True)
        assert max((one - other).abs().max().item() for one, other in pairs) < 0.05
    else:
        assert same_weights(whole.model, again.model)


def test_an_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="engine 'fats'.*fast"):
        RunOptions(engine="fats")
