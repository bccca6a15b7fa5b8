"""The sub-lattice identity, and what is refused because it joins sub-lattices."""

import copy
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from drn_lib import gridding
from drn_lib.network import create_model


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(0, 9), st.integers(0, 9))
def test_sublattices_come_apart_and_together(dilation, more_height, more_width):
    x = torch.rand(2, 3, dilation + more_height, dilation + more_width)
    parts = gridding.split_sublattices(x, dilation)
    assert len(parts) == dilation**2 and sum(part[0, 0].numel() for part in parts) == x[0, 0].numel()
    assert torch.equal(gridding.merge_sublattices(parts, dilation), x)


def test_sublattices_need_room():
    with pytest.raises(ValueError, match="has no 4 x 4 sub-lattices"):
        gridding.split_sublattices(torch.rand(3, 9), 4)
    with pytest.raises(ValueError, match="9 sub-lattices, not 4"):
        gridding.merge_sublattices([torch.rand(2, 2)] * 4, 3)
    with pytest.raises(ValueError, match="has no 4 x 4 sub-lattices"):
        gridding.split_sublattices(torch.rand(9), 4)
    for wrong in ([[1.0]], 3, None):
        with pytest.raises(ValueError, match=f"the map must be of type Tensor, not {type(wrong).__name__}"):
            gridding.split_sublattices(wrong, 2)
        with pytest.raises(ValueError, match=f"a sub-lattice must be of type Tensor, not {type(wrong).__name__}"):
            gridding.merge_sublattices([torch.rand(2, 2)] * 3 + [wrong], 2)


@pytest.mark.parametrize("wrong", [3, None, torch.rand(4, 2, 2), {}], ids=lambda value: type(value).__name__)
def test_sublattices_to_merge_are_a_list(wrong):
    with pytest.raises(ValueError, match=f"the sub-lattices must be of type list or tuple, not {type(wrong).__name__}"):
        gridding.merge_sublattices(wrong, 2)


@pytest.mark.parametrize("dilation", [0, -1, 2.0, True, "2", None])
def test_the_dilation_is_a_whole_number(dilation):
    conv = nn.Conv2d(1, 1, 3, 1, 4, 4)
    for call in (
        lambda: gridding.undilated(conv, dilation),
        lambda: gridding.sublattice_forward(conv, torch.rand(1, 1, 8, 8), dilation),
        lambda: gridding.split_sublattices(torch.rand(8, 8), dilation),
        lambda: gridding.merge_sublattices([torch.rand(8, 8)], dilation),
    ):
        with pytest.raises(ValueError, match="dilation must be a whole number of 1 or more"):
            call()


@st.composite
def chains(draw):
    """A dilation, a chain of dilated convolutions as (kernel, factor on the dilation, padding), and a map's size."""
    dilation, layers = draw(st.integers(2, 4)), []
    for _ in range(draw(st.integers(1, 3))):
        kernel, factor = draw(st.sampled_from([1, 2, 3])), draw(st.integers(1, 2))
        layers.append((kernel, factor, draw(st.integers(0, factor * (kernel - 1)))))
    # No sub-lattice may run out of cells before the last layer.
    needed = dilation * (1 + sum(factor * (kernel - 1) for kernel, factor, _ in layers))
    return dilation, layers, (draw(st.integers(needed, needed + 9)), draw(st.integers(needed, needed + 9)))


@settings(deadline=None, max_examples=40)
@given(chains(), st.integers(0, 2**31))
def test_sublattice_identity(chain, seed):
    """Odd sizes, zero padding and none, 1x1 layers and multiples of the dilation included, in float64."""
    torch.manual_seed(seed)
    dilation, layers, size = chain
    net = nn.Sequential()
    for kernel, factor, padding in layers:
        norm = nn.BatchNorm2d(2)
        nn.init.normal_(norm.running_mean)
        net.extend([nn.Conv2d(2, 2, kernel, 1, dilation * padding, dilation * factor), norm, nn.ReLU()])
    net, x = net.double().eval(), torch.randn(2, 2, *size, dtype=torch.float64)
    whole = net(x)
    assert torch.allclose(gridding.sublattice_forward(net, x, dilation), whole, rtol=0, atol=1e-12)
    dense = gridding.undilated(net, dilation)
    for i, j in product(range(dilation), repeat=2):
        part = dense(x[..., i::dilation, j::dilation])
        assert torch.allclose(part, whole[..., i::dilation, j::dilation], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("rule", "dilation"), [("levels", 4), ("exact", 2)])
def test_a_level_is_sublattices(rule, dilation):
    """Level 6 with its shortcuts: 16 networks under one rule, 4 where its first layer has dilation 2."""
    level = create_model("drn_c_26", width=1 / 8, dilation_rule=rule).levels["6"].double().eval()
    x = torch.randn(1, 32, 13, 18, dtype=torch.float64)
    assert torch.allclose(gridding.sublattice_forward(level, x, dilation), level(x), rtol=0, atol=1e-12)
    if rule == "exact":
        with pytest.raises(ValueError, match="joins the sub-lattices of dilation 4"):
            gridding.sublattice_forward(level, x, 4)


def test_undilated_leaves_the_net_alone():
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding="same", dilation=4), nn.BatchNorm2d(1)).train()
    before = copy.deepcopy(net.state_dict())
    dense = gridding.undilated(net, 2)
    assert (dense[0].dilation, dense[0].padding) == ((2, 2), (2, 2))
    assert net.training and net[0].dilation == (4, 4) and net[0].padding == "same"
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


JOINING = [nn.Conv2d(1, 1, 3, 1, 4, 3), nn.Conv2d(1, 1, 3, 1, 1, 4), nn.Conv2d(1, 1, 3, 2, 4, 4)]
JOINING += [nn.Conv2d(1, 1, 3, 1, 4, 4, padding_mode="reflect"), nn.MaxPool2d(3, 1, 1), nn.Linear(8, 8)]


@pytest.mark.parametrize("layer", JOINING, ids=repr)
def test_what_joins_sublattices_is_refused(layer):
    with pytest.raises(ValueError, match="sub-lattices"):
        gridding.sublattice_forward(nn.Sequential(layer), torch.rand(1, 1, 8, 8), 4)


class Through(nn.Module):
    """A dilated convolution between two functions, which no list of layers tells."""

    def __init__(self, before=torch.clone, after=torch.relu, norm=None, conv=None):
        super().__init__()
        self.conv = conv or nn.Conv2d(2, 2, 3, 1, 2, 2)
        self.norm = norm or nn.Identity()
        self.before, self.after = before, after

    def forward(self, x):
        return self.after(self.norm(self.conv(self.before(x))))


class Smoothing(nn.ReLU):
    def forward(self, x):
        return F.avg_pool2d(x, 3, 1, 1)


def diverged():
    net = Through()
    net.conv.bias.data[0] = float("nan")
    return net


JOINS = "the forward of the Through joins the sub-lattices of dilation 2"
FAILS = "the Through fails on a map of"
JOINED = {
    "statistics of the map": (Through(norm=nn.BatchNorm2d(2, track_running_stats=False)), "of the whole map"),
    "instance norm": (Through(norm=nn.InstanceNorm2d(2)), "not known to keep sub-lattices apart"),
    "group norm": (Through(norm=nn.GroupNorm(1, 2)), "not known to keep sub-lattices apart"),
    "layer norm": (Through(norm=nn.LayerNorm(8)), "not known to keep sub-lattices apart"),
    "pooling in forward": (Through(after=lambda x: F.max_pool2d(x, 3, 1, 1)), JOINS),
    "convolution in forward": (Through(after=lambda x: F.conv2d(x, x.new_ones(2, 2, 3, 3), padding=1)), JOINS),
    "squeeze in forward": (Through(after=lambda x: x * x.mean((2, 3), keepdim=True)), JOINS),
    "mean in forward": (Through(after=lambda x: x - x.mean((2, 3), keepdim=True)), JOINS),
    "statistics in forward": (Through(after=F.instance_norm), JOINS),
    "roll": (Through(before=lambda x: x.roll(1, 3)), JOINS),
    "flip of the rows": (Through(before=lambda x: x.flip(2)), f"{JOINS}|{FAILS}"),
    "flip of the columns": (Through(before=lambda x: x.flip(3)), f"{JOINS}|{FAILS}"),
    "stride by slices": (Through(after=lambda x: x[:, :, ::2, ::2]), f"{JOINS}|{FAILS}"),
    "padding in forward": (Through(before=lambda x: F.pad(x, (1, 1, 1, 1))), f"{JOINS}|{FAILS}"),
    "a pointwise layer with a forward of its own": (Through(norm=Smoothing()), JOINS),
    "two results": (Through(after=lambda x: (x, x)), FAILS),
    "not finite": (diverged(), "what the Through makes of a random map holds values that are not finite"),
}  # fmt: skip


@pytest.mark.parametrize(("net", "says"), JOINED.values(), ids=JOINED)
def test_what_joins_sublattices_out_of_sight_is_refused(net, says):
    for call in (
        lambda: gridding.undilated(net, 2),
        lambda: gridding.sublattice_forward(net, torch.rand(1, 2, 8, 8), 2),
    ):
        with pytest.raises(ValueError, match=says) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_statistics_that_are_taken_away_later_are_refused():
    norm = nn.BatchNorm2d(2)
    norm.running_mean = norm.running_var = None
    with pytest.raises(ValueError, match="layer '1' normalizes by statistics of the whole map"):
        gridding.undilated(nn.Sequential(nn.Conv2d(2, 2, 3, 1, 2, 2), norm), 2)


def test_nets_that_keep_tensors_come_apart():
    seen = []
    with pytest.warns(FutureWarning):
        net = nn.Sequential(torch.nn.utils.weight_norm(nn.Conv2d(2, 2, 3, 1, 2, 2)), nn.ReLU())
    net.kept = net(torch.rand(1, 2, 8, 8))
    net[1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    dense = gridding.undilated(net, 2)
    assert not seen and not net.kept.is_leaf and dense[0].dilation == (1, 1)
    x = torch.rand(1, 2, 9, 8)
    assert torch.allclose(gridding.sublattice_forward(net, x, 2), net(x), atol=1e-6)


def test_nets_without_convolutions_and_without_values():
    """The trial needs channels, which a layer tells or which do not matter; shapes alone have nothing to compare."""
    assert gridding.undilated(nn.Sequential(nn.ReLU()), 3) and gridding.undilated(nn.BatchNorm2d(3), 2)
    with torch.device("meta"):
        net = Through(conv=nn.Conv2d(5, 2, 3, 1, 2, 2))
    assert gridding.undilated(net, 2).conv.dilation == (1, 1)
    wide = nn.Sequential(nn.BatchNorm2d(5), nn.Conv2d(5, 2, (1, 3), 1, (0, 2), (1, 2)), nn.Conv2d(2, 2, 5, 1, 0, 2))
    assert gridding.undilated(wide, 2)[2].dilation == (1, 1)


def test_random_numbers_go_on_as_if_nothing_was_tried():
    net = Through(after=lambda x: x + 0 * torch.rand(()), norm=nn.BatchNorm2d(2))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    gridding.undilated(net, 2)
    assert torch.equal(torch.rand(3), expected)


def test_sublattices_to_merge_have_the_sizes_of_one_map():
    parts = gridding.split_sublattices(torch.rand(3, 3), 2)
    with pytest.raises(ValueError, match=r"sub-lattice 3 must be \(2, 2\), not \(1, 1\)"):
        gridding.merge_sublattices([torch.ones(2, 2)] * 3 + [torch.ones(1, 1)], 2)
    with pytest.raises(ValueError, match=r"must be \(\.\.\., h, w\)"):
        gridding.merge_sublattices([torch.ones(2)] * 4, 2)
    assert gridding.merge_sublattices(parts, 2).shape == (3, 3)
