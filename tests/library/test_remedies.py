"""Remedies for the grid on one ladder: what tells them apart, what their filters do, and who knows them."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from drn_lib import costs, fast, geometry, gridding, training
from drn_lib.architecture import architecture, filters, list_remedies
from drn_lib.checkpoints import onnx
from drn_lib.checkpoints.weights import load_trained, load_weights, save_weights
from drn_lib.conversion import dilate
from drn_lib.names import display_name
from drn_lib.network import SMOOTH, Average, SharedFilter, SmoothedBlock, create_model
from drn_lib.training import RunOptions
from tests.library.training.test_classification import TINY, random_set, same_weights

BASE, PREFIX = architecture("ladder_a_22"), "ladder_a_22_"
SMOOTHED = ["ladder_a_22_shared", "ladder_a_22_shared_end"]
UNLINKED = {"ladder_a_22_rising": (1, 2), "ladder_a_22_undilated": (1, 1)}


def tiny(name, width=0.125):
    torch.manual_seed(0)
    return create_model(name, 3, width).eval()


def changed(name):
    """The fields of each level in which a remedy's table differs from that of ladder_a_22."""
    pairs = zip(BASE.levels, architecture(name).levels, strict=True)
    found = {one.number: {key for key in vars(one) if vars(one)[key] != vars(other)[key]} for one, other in pairs}
    return {number: fields for number, fields in found.items() if fields}


def test_each_remedy_changes_one_thing():
    dilations, smoothed = {"dilation", "first_dilation"}, {"smoothing"}
    assert {name.removeprefix(PREFIX): changed(name) for name in list_remedies()} == {
        "rising": {7: {*dilations, "residual"}, 8: {*dilations, "residual"}},
        "undilated": {7: {*dilations, "residual"}, 8: {*dilations, "residual"}},
        "blurpool": {3: {"pool"}},
        "hdc": {5: {"dilation", "rates"}, 6: {*dilations, "rates"}, 7: {*dilations, "rates"}, 8: {*dilations, "rates"}},
        "shared": dict.fromkeys((5, 6, 7, 8), smoothed),
        "shared_end": {8: smoothed},
        "fixed_blur": {8: smoothed},
    }
    for name, dilations in UNLINKED.items():
        assert tuple(architecture(name).level(number).dilation for number in (7, 8)) == dilations
    assert all(architecture(name).depth == 22 and display_name(name).startswith("A-22, ") for name in list_remedies())


def test_hybrid_dilations_have_no_common_factor_no_hole_and_the_old_reach():
    """Wang et al. 2018, Eq. 2: the largest distance of two taps that are not 0 is at most the kernel's 3 cells."""
    table = architecture("ladder_a_22_hdc")
    rates = {number: [d for pair in table.level(number).rates for d in pair] for number in (5, 6, 7, 8)}
    groups = {"5": (rates[5], 7), "6": (rates[6], 14), "7 and 8": (rates[7] + rates[8], 16)}
    for group, total in groups.values():
        assert sum(group) == total and gcd(*group) == 1
        farthest = group[-1]
        for rate in group[-2:0:-1]:
            farthest = max(farthest - 2 * rate, farthest - 2 * (farthest - rate), rate)
        assert farthest <= 3
    assert geometry.receptive_field("ladder_a_22_hdc") == geometry.receptive_field("ladder_a_22")


@pytest.mark.parametrize("name", list_remedies())
def test_geometry_costs_and_names_are_those_of_the_network(name, tmp_path):
    with torch.device("meta"):
        model = create_model(name, 20, 0.25).eval()
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, 64, 64))
    borders = {"ladder_a_22_blurpool": 9 * 16**2, "ladder_a_22_fixed_blur": 49 * 8**2}.get(
        name, 0
    )  # of one map of ones
    assert 2 * (costs.multiply_adds(model.table, 64, 20) + borders) == counter.get_total_flops()
    assert costs.parameters(model.table, 20) == sum(parameter.numel() for parameter in model.parameters())
    traced, table = geometry.trace(model, 128), geometry.table(model.table, 128)
    for level in (3, 4, 5, 6, 7, 8):
        assert traced.levels[level].height == table.levels[level].height
    fields = {row.name: row.receptive_field for row in traced.rows}
    assert all(fields[row.name] == row.receptive_field for row in table.rows if ".convs." not in row.name)


@pytest.mark.parametrize("name", SMOOTHED)
def test_learned_filters_begin_as_the_identity_and_are_saved(name, tmp_path):
    model, usual = tiny(name), tiny("ladder_a_22")
    missing, unexpected = model.load_state_dict(usual.state_dict(), strict=False)
    assert set(missing) == {f"{one.name}.weight" for _, one in filters(model.table)} and not unexpected
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(model(images), usual(images))
    for module in model.modules():
        if isinstance(module, SharedFilter):
            torch.nn.init.normal_(module.weight)
    save_weights(model, tmp_path / "w.safetensors", classes=list("abc"))
    again = load_trained(tmp_path / "w.safetensors")
    assert type(again.levels["8"][0]) is SmoothedBlock
    half = create_model(name, 3, 0.125).eval()
    load_weights(half, tmp_path / "w.safetensors")
    assert torch.equal(again(images), half(images))
    assert (again(images) - model(images)).abs().max() < 0.01 * model(images).abs().max()  # stored in 16 bits
    with pytest.raises(ValueError, match=f"holds a {name}, not a ladder_a_22"):
        load_weights(usual, tmp_path / "w.safetensors")


def test_one_kernel_smooths_every_channel_before_its_dilated_convolution():
    block = tiny("ladder_a_22_shared").levels["7"][0]
    torch.nn.init.normal_(block.before["1"].weight)
    maps = torch.rand(2, 64, 9, 8)
    kernel = block.before["1"].weight.expand(64, 1, 7, 7)
    inside = F.conv2d(torch.relu(block.convs[0](maps)), kernel, padding=3, groups=64)
    assert (block(maps) - torch.relu(block.convs[1](inside) + maps)).abs().max() < 1e-5
    assert list(tiny("ladder_a_22_shared").levels["5"][0].before) == ["1"]  # its first convolution is not dilated


def test_a_fixed_blur_takes_grids_away_before_the_last_relu():
    model, usual = tiny("ladder_a_22_fixed_blur"), tiny("ladder_a_22")
    block, same = model.levels["8"][0], usual.levels["8"][0]
    assert list(model.state_dict()) == list(usual.state_dict())
    block.load_state_dict(same.state_dict())
    maps = torch.rand(1, 64, 12, 12)
    inner = same.convs[1](torch.relu(same.convs[0](maps))) + maps
    expected = torch.relu(gridding.low_pass(inner, SMOOTH))
    assert (block(maps) - expected).abs().max() < 1e-5
    tile = torch.rand(1, 2, 4, 4).repeat(1, 1, 5, 5)
    middle = Average(SMOOTH)(tile)[..., 4:-4, 4:-4]
    assert (middle - tile.mean(dim=(2, 3), keepdim=True)).abs().max() < 1e-6


def test_max_pooling_without_aliasing_has_the_old_grid():
    pool, maps = tiny("ladder_a_22_blurpool").pool, torch.rand(1, 2, 9, 12)
    dense = F.max_pool2d(maps, 3, 1, 1)
    expected = gridding.low_pass(dense, (1, 2, 1))[..., ::2, ::2]
    assert (pool(maps) - expected).abs().max() < 1e-6
    assert pool(maps).shape == tiny("ladder_a_22").pool(maps).shape


@pytest.mark.parametrize("name", ["ladder_a_22_shared", "ladder_a_22_fixed_blur", "ladder_a_22_blurpool"])
def test_the_fast_engine_computes_the_same(name):
    model, images = tiny(name), torch.rand(2, 3, 32, 32)
    plain = model(images)
    assert (fast.accelerate(model, quiet=True)(images) - plain).abs().max() <= 1e-4 * plain.abs().max()


def test_a_run_with_filters_that_is_resumed_ends_bit_identical(tmp_path):
    data, name = random_set(), "ladder_a_22_shared"
    whole = training.train(TINY, name, 0, data, 3)
    training.train(TINY, name, 0, data, 3, options=RunOptions(tmp_path, max_steps=2))
    assert same_weights(whole.model, training.train(TINY, name, 0, data, 3, options=RunOptions(tmp_path)).model)
    kernel = whole.model.levels["6"][0].before["0"].weight
    assert not torch.equal(kernel, SharedFilter(3).weight)  # it learns


@pytest.mark.parametrize("name", [*SMOOTHED, "ladder_a_22_blurpool", "ladder_a_22_fixed_blur"])
def test_what_is_not_known_of_filters_is_refused(name):
    model = tiny(name)
    tensors = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    trained = onnx.TrainedArrays(model.table, tensors, None, "w.safetensors", "0" * 64, "none")
    pytest.importorskip("onnx")
    with pytest.raises(ValueError, match=f"{name} smooths its maps by filters, which are not written as ONNX"):
        onnx.onnx_model(trained)
    with pytest.raises(ValueError, match="is dilated already"):
        dilate(model)
    assert replace(model.table, levels=BASE.levels) != model.table
