"""The sub-lattice identity, and what lattice energy has to be."""

import copy
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from drn_lib import gridding
from drn_lib.network import create_model

SHAPES = [((16, 16), 4), ((28, 28), 4), ((28, 28), 2), ((28, 28), 3), ((13, 17), 3), ((20, 31), 4), ((8, 9), 2)]


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


def _band_limited(count, shape, highest):
    """Sums of plane waves of random frequencies up to `highest` along each axis: not periodic in the window."""
    rows, columns = (torch.arange(side, dtype=torch.float64) for side in shape)
    maps = torch.zeros(count, *shape, dtype=torch.float64)
    for _ in range(5):
        down, across = (highest * (2 * torch.rand(count, 1, 1, dtype=torch.float64) - 1) for _ in range(2))
        phase, height = torch.rand(count, 1, 1, dtype=torch.float64), torch.randn(count, 1, 1, dtype=torch.float64)
        maps += height * torch.cos(2 * torch.pi * (down * rows[:, None] + across * columns + phase))
    return maps / maps.std((-2, -1), keepdim=True)


def _lattices(count, shape, period):
    """Random tiles, repeated."""
    tiles = torch.randn(count, period, period, dtype=torch.float64)
    height, width = shape
    lattices = tiles.repeat(1, height // period + 1, width // period + 1)[:, :height, :width]
    return lattices / lattices.std((-2, -1), keepdim=True)


@pytest.mark.parametrize(("shape", "period"), SHAPES)
def test_the_ends_of_the_scale(shape, period):
    torch.manual_seed(0)
    constant = torch.tensor([0.0, 0.1, -3e7]).view(3, 1, 1).expand(3, *shape)
    assert gridding.lattice_energy(constant, period).tolist() == [0, 0, 0]
    ramp = torch.arange(shape[0])[:, None] + 2.0 * torch.arange(shape[1])
    assert gridding.lattice_energy(ramp, period) < 1e-20
    lattices = _lattices(100, shape, period)
    assert torch.allclose(gridding.lattice_energy(lattices, period), lattices.new_ones(100), rtol=0, atol=1e-12)
    stripes = (torch.arange(shape[1]) % period == 0).double().expand(shape)
    assert gridding.lattice_energy(stripes, period).item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("shape", "period"), SHAPES)
def test_a_smooth_map_has_almost_none(shape, period):
    torch.manual_seed(0)
    assert gridding.lattice_energy(_band_limited(2000, shape, 1 / (4 * period)), period).max() <= 0.02


@pytest.mark.parametrize(("shape", "period"), SHAPES)
def test_white_noise_has_the_derived_value(shape, period):
    """The fraction of many noise maps, within five standard errors; and exactly by the maps with a single 1."""
    derived = gridding.white_noise_energy(shape, period)
    torch.manual_seed(0)
    noise = torch.randn(2000, *shape)
    spread = gridding.lattice_energy(noise, period).std() / len(noise) ** 0.5
    assert abs(gridding.lattice_fraction(noise, period) - derived) < 5 * spread
    impulses = torch.eye(shape[0] * shape[1]).view(-1, *shape)
    assert gridding.lattice_fraction(impulses, period) == pytest.approx(derived, abs=1e-12)


@pytest.mark.parametrize(("shape", "period"), SHAPES)
def test_a_growing_lattice_has_growing_energy(shape, period):
    """From a lattice of a tenth of the map's deviation on: below it, it may cancel what little the map has."""
    torch.manual_seed(0)
    clean, lattice = _band_limited(100, shape, 1 / (4 * period)), _lattices(100, shape, period)
    steps = torch.linspace(0.1, 4, 20, dtype=torch.float64).view(-1, 1, 1, 1)
    energy = gridding.lattice_energy(clean + steps * lattice, period)
    assert (energy.diff(dim=0) > 0).all()
    assert energy[0].max() < 0.2 and energy[-1].min() > 0.7


def test_scale_offset_and_shape_do_not_matter():
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 28, 28, dtype=torch.float64) + _lattices(1, (28, 28), 4)
    energy = gridding.lattice_energy(maps, 4)
    assert energy.shape == (2, 3)
    for scale, offset in [(-1, 0), (1e-6, 0), (1e6, 5), (1, 1e4), (3, -1e3)]:
        assert torch.allclose(gridding.lattice_energy(scale * maps + offset, 4), energy, rtol=0, atol=1e-9)
    assert gridding.lattice_energy(maps[1, 2], 4) == energy[1, 2]
    assert torch.allclose(gridding.lattice_energy(maps.mT, 4), energy)


def test_another_period_is_not_counted():
    torch.manual_seed(0)
    lattice = _lattices(50, (48, 48), 5)
    assert gridding.lattice_energy(lattice, 5).min() > 0.999
    assert gridding.lattice_energy(lattice, 4).max() < 0.01
    halves = _lattices(50, (32, 32), 2)
    assert gridding.lattice_energy(halves, 4).min() > 0.999, "a grid of period 2 repeats every 4 cells as well"


def test_four_periods_a_side():
    gridding.lattice_energy(torch.rand(16, 16), 4)
    for maps in (torch.rand(15, 16), torch.rand(16, 15)):
        with pytest.raises(ValueError, match="too small to see a period of 4: 16 a side"):
            gridding.lattice_energy(maps, 4)
    with pytest.raises(ValueError, match="at least 2"):
        gridding.lattice_energy(torch.rand(16, 16), 1)


def test_fractions_pool_by_energy():
    """A dead channel changes a mean of fractions, and not the fraction of the sum."""
    torch.manual_seed(0)
    maps = 0.5 * _lattices(20, (16, 16), 4) + _band_limited(20, (16, 16), 1 / 16)
    fraction = gridding.lattice_fraction(maps, 4)
    with_dead = torch.cat([maps, torch.ones(50, 16, 16)])
    assert fraction == pytest.approx(gridding.lattice_fraction(with_dead, 4), abs=1e-12)
    assert gridding.lattice_energy(maps, 4).min() < fraction < gridding.lattice_energy(maps, 4).max()
    assert gridding.lattice_fraction(torch.ones(5, 16, 16), 4) == 0


def test_energy_by_level():
    torch.manual_seed(0)
    model = create_model("drn_c_26", num_classes=2, width=1 / 8).train()
    model.levels["8"].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    energies = gridding.lattice_energy_by_level(model, torch.randn(2, 3, 128, 128))
    assert list(energies) == [*range(1, 9), "score_map"] and all(0 < energy < 1 for energy in energies.values())
    assert model.training and not model.levels["8"].training and not model.levels["8"][0].training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    images = torch.rand(5, 3, 128, 128)
    with torch.no_grad():
        maps = model.eval().features(images)[6]
        scores = model.score_map(images)
    energies = gridding.lattice_energy_by_level(model, images, batch_size=2)
    assert energies[6] == pytest.approx(gridding.lattice_fraction(maps, 4), rel=1e-4)
    assert energies["score_map"] == pytest.approx(gridding.lattice_fraction(scores, 4), rel=1e-4)
    with pytest.warns(UserWarning, match="4 with 8x8 cells"):
        assert list(gridding.lattice_energy_by_level(model, torch.randn(1, 3, 64, 64))) == [1, 2, 3]


def test_power_spectrum():
    torch.manual_seed(0)
    frequencies, power = gridding.radial_power_spectrum(3 * torch.randn(500, 28, 20) + 7)
    assert frequencies[0] == 0 and frequencies[-1] == 0.5 and len(frequencies) == len(power) == 11
    assert torch.allclose(power[2:], power.new_full((9,), 9.0), rtol=0.1)
    frequencies, power = gridding.radial_power_spectrum(_lattices(1, (32, 32), 4)[:, :1].expand(1, 32, 32))
    assert frequencies[power.argmax()] in (0.25, 0.5)
    smooth = gridding.radial_power_spectrum(_band_limited(50, (32, 32), 1 / 16))[1]
    assert smooth[6:].sum() < 1e-2 * smooth.sum()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(24, 40), (40, 24)])
def test_a_wave_has_its_power_at_its_frequency_on_maps_that_are_not_square(shape, axis):
    """cos(2 pi x / 4) has the power 1/2 in all, next to 1/4 cycle a cell, whatever the other side is."""
    wave = torch.cos(torch.pi / 2 * torch.arange(shape[axis], dtype=torch.float64))
    wave = (wave[:, None] if axis == 0 else wave).expand(2, *shape)
    frequencies, power = gridding.radial_power_spectrum(wave)
    assert frequencies.tolist() == pytest.approx([step / 24 for step in range(13)])
    assert power.argmax() == 6 and power[[4, 8]].sum() < 0.02 * power[6]


class TestValuesThatAreNotFinite:
    """A diverged network has no gridding that could be measured."""

    @pytest.fixture(params=[float("nan"), float("inf"), -float("inf")])
    def broken(self, request):
        maps = torch.randn(3, 16, 16)
        maps[1, 2, 3] = request.param
        return maps

    @pytest.mark.parametrize("measure", [gridding.lattice_energy, gridding.lattice_fraction])
    def test_a_map_is_refused(self, broken, measure):
        with pytest.raises(ValueError, match="the map holds values that are not finite"):
            measure(broken, 4)

    def test_a_spectrum_is_refused(self, broken):
        with pytest.raises(ValueError, match="the map holds values that are not finite"):
            gridding.radial_power_spectrum(broken)

    def test_the_level_of_a_network_is_named(self):
        model = create_model("drn_c_26", 3, 0.125)
        model.levels["5"][0].convs[0].conv.weight.data[0, 0, 0, 0] = float("nan")
        training = [module.training for module in model.modules()]
        with pytest.raises(ValueError, match="the map of level 5 holds values that are not finite"):
            gridding.lattice_energy_by_level(model, torch.randn(1, 3, 128, 128))
        assert [module.training for module in model.modules()] == training
        model = create_model("drn_c_26", 3, 0.125)
        model.classifier.bias.data[1] = float("inf")
        with pytest.raises(ValueError, match="the score map holds values that are not finite"):
            gridding.lattice_energy_by_level(model, torch.randn(1, 3, 128, 128))

    def test_no_map_is_no_measure(self):
        with pytest.raises(ValueError, match="there is no map to measure"):
            gridding.lattice_energy(torch.empty(0, 16, 16), 4)


@pytest.mark.parametrize("factor", [1e300, 1e-200, -1e150])
def test_scale_cancels_also_where_squares_overflow(factor):
    maps = torch.randn(2, 16, 16, dtype=torch.float64)
    expected = gridding.lattice_energy(maps, 4)
    assert torch.allclose(gridding.lattice_energy(maps * factor, 4), expected, rtol=1e-9, atol=0)
    assert gridding.lattice_fraction(maps * factor, 4) == pytest.approx(gridding.lattice_fraction(maps, 4), rel=1e-9)
    mixed = torch.stack([maps[0] * factor, maps[1]])
    assert torch.allclose(gridding.lattice_energy(mixed, 4), expected, rtol=1e-9, atol=0)


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
