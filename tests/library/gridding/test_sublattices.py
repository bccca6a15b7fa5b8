"""The sub-lattice identity, and what is refused because it joins sub-lattices."""

import copy
from itertools import product

import pytest
import torch
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


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.BatchNorm2d(2, track_running_stats=False), "statistics of the whole map"),
        (nn.InstanceNorm2d(2), "not known to keep sub-lattices apart"),
        (nn.GroupNorm(1, 2), "not known to keep sub-lattices apart"),
        (nn.LayerNorm(8), "not known to keep sub-lattices apart"),
    ],
)
def test_what_looks_at_the_whole_map_joins_sublattices(layer, message):
    net = nn.Sequential(nn.Conv2d(2, 2, 3, padding=2, dilation=2), layer)
    with pytest.raises(ValueError, match=message):
        gridding.undilated(net, 2)


class PoolsInForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=2, dilation=2)

    def forward(self, x):
        return nn.functional.max_pool2d(self.conv(x), 3, 1, 1)


class MeanInForward(PoolsInForward):
    def forward(self, x):
        return self.conv(x) - x.mean((2, 3), keepdim=True)


class ShiftInForward(PoolsInForward):
    def forward(self, x):
        return self.conv(x) + x.roll(1, -1)


@pytest.mark.parametrize("module", [PoolsInForward, MeanInForward, ShiftInForward])
def test_a_forward_that_joins_sublattices_is_refused(module):
    with pytest.raises(ValueError, match=f"the forward of the {module.__name__} joins the sub-lattices of dilation 2"):
        gridding.undilated(module(), 2)
