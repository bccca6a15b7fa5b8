"""Unlinked tails that begin as the identity or linked: what begins, what fades, what is trained in the end, resume."""

from __future__ import annotations

import pytest
import torch

from drn_lib import training
from drn_lib.network import create_model
from drn_lib.training import Init, RunOptions, starts
from tests.library.training.test_classification import TINY, random_set, same_weights

UNLINKED = "ladder_a_22_unlinked"


def tiny(name=UNLINKED):
    torch.manual_seed(0)
    return create_model(name, 3, 0.125)


def test_an_identity_hands_each_channel_on_and_leaves_the_rest_as_it_was():
    model, usual = tiny(), tiny()
    starts.begin(model, "identity")
    maps = torch.rand(1, 64, 8, 8)
    for level in ("7", "8"):
        for conv in model.levels[level][0].convs:
            assert torch.equal(conv.conv(maps), maps)
    other = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, usual.state_dict()[name])}
    assert other == {f"levels.{level}.0.convs.{index}.conv.weight" for level in (7, 8) for index in (0, 1)}


@pytest.mark.parametrize("network", ["drn_c_26", "drn_d_22", "ladder_c_26_constant"])
def test_the_tail_is_levels_7_and_8_alone(network):
    model = tiny(network)
    expected = [model.levels["7"][0], model.levels["8"][0]]
    assert [id(block) for block in starts.unlinked(model)] == [id(block) for block in expected]


def test_a_link_fades_to_nothing_over_the_first_half():
    assert [starts.link(step, 8) for step in range(8)] == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0, 0.0, 0.0]


def test_a_link_counts_as_much_as_it_says():
    linked, unlinked = tiny("ladder_a_22_falling").eval(), tiny().eval()
    unlinked.load_state_dict(linked.state_dict())
    images = torch.rand(2, 3, 32, 32)
    starts.fade(unlinked, 0, 8)
    assert torch.equal(unlinked(images), linked(images))
    block, maps = unlinked.levels["7"][0], torch.rand(1, 64, 4, 4)
    starts.fade(unlinked, 1, 8)
    first, second = block.convs
    assert torch.equal(block(maps), torch.relu(second(torch.relu(first(maps))).add(maps, alpha=0.75)))
    starts.fade(unlinked, 4, 8)
    fresh = tiny().eval()
    fresh.load_state_dict(linked.state_dict())
    assert torch.equal(unlinked(images), fresh(images))


@pytest.mark.parametrize(("tail", "engine"), [("identity", "plain"), ("fading", "fast")])
def test_a_run_that_is_resumed_ends_bit_identical(tmp_path, tail, engine):
    data, init = random_set(), Init(tail=tail)
    whole = training.train(TINY, UNLINKED, 0, data, 3, init=init, options=RunOptions(engine=engine))
    stopped = RunOptions(tmp_path, engine=engine, max_steps=2)
    training.train(TINY, UNLINKED, 0, data, 3, init=init, options=stopped)
    resumed = training.train(TINY, UNLINKED, 0, data, 3, init=init, options=RunOptions(tmp_path, engine=engine))
    assert same_weights(whole.model, resumed.model)
    assert [block.link for block in starts.unlinked(resumed.model)] == [0.0, 0.0]
    with pytest.raises(ValueError, match="another run .different tail"):
        training.train(TINY, UNLINKED, 0, data, 3, options=RunOptions(tmp_path, engine=engine))


@pytest.mark.parametrize("network", ["drn_a_18", "drn_b_26", "ladder_a_22_falling"])
def test_a_network_without_such_a_tail_is_refused(network):
    with pytest.raises(ValueError, match=f"{network} has no levels 7 and 8 without residual links"):
        starts.begin(tiny(network), "fading")


def test_a_tail_that_changes_the_channels_is_refused():
    with pytest.raises(ValueError, match="takes 256 channels to 64, which no identity"):
        starts.begin(tiny("drn_c_58"), "identity")


def test_an_unknown_start_and_a_start_from_weights_are_refused():
    with pytest.raises(ValueError, match="start of the tail 'identities'; did you mean identity"):
        Init(tail="identities")
    with pytest.raises(ValueError, match="has a tail already: leave out tail='fading'"):
        Init(weights="classification/drn_c_26-s0", tail="fading")
