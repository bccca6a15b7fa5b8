"""Copies to try things out on, and modes that come back."""

import pytest
import torch
from torch import nn

from drn_lib import probing


def test_a_difference_is_relative_to_the_expected():
    ones = torch.ones(3)
    assert probing.relative_difference(2 * ones, 4 * ones) == 0.5
    assert probing.relative_difference(0 * ones, 0 * ones) == 0
    assert probing.relative_difference(ones, 0 * ones) == float("inf")
    assert not probing.relative_difference(float("nan") * ones, ones) <= probing.TOLERANCE


def test_a_copy_has_the_values_and_none_of_the_history():
    module = nn.Linear(2, 2)
    module.kept = {"out": [module(torch.ones(1, 2))]}
    module.again = module.kept["out"][0]
    twin = probing.copied(module)
    assert twin.kept["out"][0] is twin.again and torch.equal(twin.again, module.again)
    assert twin.again.is_leaf and not module.again.is_leaf and twin.weight is not module.weight
    module.lines = (line for line in "ab")
    with pytest.raises(ValueError, match="the Linear holds something that cannot be copied"):
        probing.copied(module)


def test_a_trial_is_in_float64_without_hooks_and_has_random_statistics():
    module = nn.Sequential(nn.BatchNorm2d(3), nn.SyncBatchNorm(3)).half().train()
    module[0].register_forward_pre_hook(lambda *given: 1 / 0)
    module[1].register_forward_hook(lambda *given: 1 / 0)
    trial = probing.probe(module, torch.Generator().manual_seed(0))
    assert not trial.training and {tensor.dtype for tensor in trial.parameters()} == {torch.float64}
    trial[0](torch.rand(1, 3, 2, 2, dtype=torch.float64))
    for norm in trial:
        assert norm.running_mean.abs().min() > 0 and 0.5 <= norm.running_var.min() <= norm.running_var.max() < 1.5
    assert module[0].running_mean.eq(0).all() and module.training


def test_a_trial_draws_from_its_own_random_numbers():
    torch.manual_seed(5)
    expected = torch.rand(3)
    for seed in (0, 0, 1):
        torch.manual_seed(5)
        drawn = probing.probe(nn.BatchNorm2d(3), torch.Generator().manual_seed(seed))
        assert torch.equal(torch.rand(3), expected)
        if seed == 0:
            first = drawn
    again = probing.probe(nn.BatchNorm2d(3), torch.Generator().manual_seed(0))
    for name in ("running_mean", "running_var"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(drawn, name))


def test_a_module_has_shapes_only_where_one_part_has():
    part = nn.Linear(2, 2, device="meta")
    assert probing.is_meta(part) and probing.is_meta(nn.Sequential(nn.Linear(2, 2), part))
    assert not probing.is_meta(nn.Linear(2, 2)) and not probing.is_meta(nn.ReLU())


def test_modes_come_back_also_after_an_error():
    module = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
    with pytest.raises(KeyError), probing.evaluating(module):
        assert not any(part.training for part in module.modules())
        raise KeyError
    assert [part.training for part in module.modules()] == [True, True, False]


@pytest.mark.parametrize("wrong", [3, None, "drn_c_26", [nn.ReLU()], nn.ReLU], ids=repr)
def test_what_is_no_module_is_refused(wrong):
    says = f"the model must be of type Module, not {type(wrong).__name__}"
    for call in (lambda: probing.copied(wrong), lambda: probing.probe(wrong, None)):
        with pytest.raises(ValueError, match=says):
            call()
    with pytest.raises(ValueError, match=says), probing.evaluating(wrong):
        pass
