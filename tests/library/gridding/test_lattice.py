"""What lattice energy has to be."""

import pytest
import torch

from drn_lib import gridding
from drn_lib.network import create_model
from tests.library.gridding.drawn import band_limited, lattices

SHAPES = [((16, 16), 4), ((28, 28), 4), ((28, 28), 2), ((28, 28), 3), ((13, 17), 3), ((20, 31), 4), ((8, 9), 2)]


@pytest.mark.parametrize(("shape", "period"), SHAPES)
def test_the_ends_of_the_scale(shape, period):
    torch.manual_seed(0)
    constant = torch.tensor([0.0, 0.1, -3e7]).view(3, 1, 1).expand(3, *shape)
    assert gridding.lattice_energy(constant, period).tolist() == [0, 0, 0]
    ramp = torch.arange(shape[0])[:, None] + 2.0 * torch.arange(shape[1])
    assert gridding.lattice_energy(ramp, period) < 1e-20
    pure = lattices(100, shape, period)
    assert torch.allclose(gridding.lattice_energy(pure, period), pure.new_ones(100), rtol=0, atol=1e-12)
    stripes = (torch.arange(shape[1]) % period == 0).double().expand(shape)
    assert gridding.lattice_energy(stripes, period).item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("shape", "period"), SHAPES)
def test_a_smooth_map_has_almost_none(shape, period):
    torch.manual_seed(0)
    assert gridding.lattice_energy(band_limited(2000, shape, 1 / (4 * period)), period).max() <= 0.02


@pytest.mark.parametrize("size", [28.0, None, "28", (28, 2.5), (28,), (28, 28, 28), True, {}, 0], ids=repr)
def test_white_noise_has_maps_of_some_size(size):
    with pytest.raises(ValueError, match="a side of the map must be a whole|a map has one side for both"):
        gridding.white_noise_energy(size, 4)


def test_white_noise_on_a_square_and_on_sides_in_a_list():
    square = gridding.white_noise_energy(16, 4)
    assert square == gridding.white_noise_energy((16, 16), 4) == gridding.white_noise_energy([16, 16], 4)
    assert gridding.white_noise_energy([16, 20], 4) < square
    for size, period, says in ((15, 4, "15x15 cells are too small"), ((16, 15), 4, "16x15 cells are too small")):
        with pytest.raises(ValueError, match=says):
            gridding.white_noise_energy(size, period)
    with pytest.raises(ValueError, match="period of a lattice must be a whole number of 2 or more, not 1"):
        gridding.white_noise_energy(16, 1)


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
    clean, lattice = band_limited(100, shape, 1 / (4 * period)), lattices(100, shape, period)
    steps = torch.linspace(0.1, 4, 20, dtype=torch.float64).view(-1, 1, 1, 1)
    energy = gridding.lattice_energy(clean + steps * lattice, period)
    assert (energy.diff(dim=0) > 0).all()
    assert energy[0].max() < 0.2 and energy[-1].min() > 0.7


def test_a_lattice_of_half_the_variance_has_about_half():
    """As the docstring says: the divisor is the sum of two parts that may have a product."""
    torch.manual_seed(0)
    energy = gridding.lattice_energy(band_limited(2000, (28, 28), 1 / 16) + lattices(2000, (28, 28), 4), 4)
    assert [round(value.item(), 2) for value in (energy.min(), energy.max())] == [0.43, 0.66]
    assert energy.mean().item() == pytest.approx(0.5, abs=0.02)


def test_scale_offset_and_shape_do_not_matter():
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 28, 28, dtype=torch.float64) + lattices(1, (28, 28), 4)
    energy = gridding.lattice_energy(maps, 4)
    assert energy.shape == (2, 3)
    for scale, offset in [(-1, 0), (1e-6, 0), (1e6, 5), (1, 1e4), (3, -1e3)]:
        assert torch.allclose(gridding.lattice_energy(scale * maps + offset, 4), energy, rtol=0, atol=1e-9)
    assert gridding.lattice_energy(maps[1, 2], 4) == energy[1, 2]
    assert torch.allclose(gridding.lattice_energy(maps.mT, 4), energy)


def test_another_period_is_not_counted():
    torch.manual_seed(0)
    lattice = lattices(50, (48, 48), 5)
    assert gridding.lattice_energy(lattice, 5).min() > 0.999
    assert gridding.lattice_energy(lattice, 4).max() < 0.01
    halves = lattices(50, (32, 32), 2)
    assert gridding.lattice_energy(halves, 4).min() > 0.999, "a grid of period 2 repeats every 4 cells as well"


def test_four_periods_a_side():
    gridding.lattice_energy(torch.rand(16, 16), 4)
    for maps in (torch.rand(15, 16), torch.rand(16, 15)):
        with pytest.raises(ValueError, match="too small to see a period of 4: 16 a side"):
            gridding.lattice_energy(maps, 4)
    for period in (1, 4.0, True, "4", -4, None):
        with pytest.raises(ValueError, match="the period of a lattice must be a whole number of 2 or more"):
            gridding.lattice_energy(torch.rand(16, 16), period)


def test_fractions_pool_by_energy():
    """A dead channel changes a mean of fractions, and not the fraction of the sum."""
    torch.manual_seed(0)
    maps = 0.5 * lattices(20, (16, 16), 4) + band_limited(20, (16, 16), 1 / 16)
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


class TestValuesThatAreNotFinite:
    """A diverged network has no gridding that could be measured."""

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


@pytest.mark.parametrize("factor", [1e300, 1e-200, -1e150])
def test_scale_cancels_also_where_squares_overflow(factor):
    maps = torch.randn(2, 16, 16, dtype=torch.float64)
    expected = gridding.lattice_energy(maps, 4)
    assert torch.allclose(gridding.lattice_energy(maps * factor, 4), expected, rtol=1e-9, atol=0)
    assert gridding.lattice_fraction(maps * factor, 4) == pytest.approx(gridding.lattice_fraction(maps, 4), rel=1e-9)
    mixed = torch.stack([maps[0] * factor, maps[1]])
    assert torch.allclose(gridding.lattice_energy(mixed, 4), expected, rtol=1e-9, atol=0)
