"""What the autocorrelation of maps and the contrast of a grid have to be."""

import math
from itertools import product

import pytest
import torch

from drn_lib import gridding
from drn_lib.network import create_model
from tests.library.gridding.drawn import lattices

SIZES = [(7, 7), (14, 14), (28, 28), (9, 31)]


def waves(frequency, side):
    """Two maps (2, side, side) of stripes, a quarter of a wave apart: together their correlation is a cosine."""
    place = 2 * torch.pi * frequency * torch.arange(side, dtype=torch.float64)
    return torch.stack([place.cos(), place.sin()])[:, None].expand(2, side, side)


def direct(maps, lags):
    """The definition, pair by pair."""
    x = maps - maps.mean((-2, -1), keepdim=True)
    height, width = x.shape[-2:]
    c = torch.zeros(lags + 1, 2 * lags + 1, dtype=torch.float64)
    for k, m in product(range(lags + 1), range(-lags, lags + 1)):
        left, right = x[:, : height - k, max(0, -m) : width - max(0, m)], x[:, k:, max(0, m) : width + min(0, m)]
        c[k, m + lags] = (left * right).mean((-2, -1)).sum()
    return c / c[0, lags]


@pytest.mark.parametrize(("shape", "lags"), [((7, 7), 6), ((9, 14), 8), ((28, 28), 5)])
def test_the_autocorrelation_is_its_definition(shape, lags):
    torch.manual_seed(0)
    maps = torch.randn(2, 3, *shape, dtype=torch.float64).cumsum(-1) * torch.tensor([1.0, 5.0, 0.1]).view(3, 1, 1)
    found = gridding.autocorrelation(maps, lags)
    assert found.shape == (2, lags + 1, 2 * lags + 1)
    for image in range(2):
        assert torch.allclose(found[image], direct(maps[image], lags), rtol=0, atol=1e-12)
    assert torch.equal(gridding.autocorrelation(maps[0, 0], lags), gridding.autocorrelation(maps[0, :1], lags))


def test_without_local_mean_smooth_maps_and_lattices_come_apart():
    """The local mean is blind to a lattice of period 4 and takes a ramp away, but for the borders."""
    column = torch.arange(28, dtype=torch.float64)
    ramp = (column[:, None] + column)[None]
    lattice = lattices(1, (28, 28), 4)
    lattice = lattice - lattice.mean((-2, -1), keepdim=True)
    mixed = gridding.autocorrelation(ramp + lattice, without_local_mean=True)
    plain = gridding.autocorrelation(ramp + lattice)
    pure = gridding.autocorrelation(lattice)
    assert (mixed - pure).abs().max() < 0.35 < 0.6 < (plain - pure).abs().max()
    assert gridding.autocorrelation(lattice, without_local_mean=True)[4, 4] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("size", SIZES)
def test_constants_and_white_noise_have_none(size):
    constants = torch.tensor([0.0, 0.1, -3e7], dtype=torch.float64).view(3, 1, 1).expand(3, *size)
    impulses = torch.eye(math.prod(size), dtype=torch.float64).view(-1, *size)  # every correlation of white noise
    for period in (2, 4):
        assert gridding.grid_contrast(constants, period) == 0
        assert gridding.grid_contrast(impulses, period).item() == pytest.approx(0, abs=1e-12)


def test_noise_is_near_its_expectation():
    torch.manual_seed(0)
    found = gridding.grid_contrast(torch.randn(200, 16, 28, 28), 2)
    assert abs(found.mean()) < 5 * found.std() / 200**0.5 and found.abs().max() < 0.05


@pytest.mark.parametrize("frequency", [0.25, 0.5, 1 / 28, 3 / 28, 5 / 28])
def test_a_wave_has_the_derived_value(frequency):
    """r is cos 2 pi f k along the waves and 1 across them, so k(p) = cos(2 pi f p) (1 - cos(2 pi f)) / 2."""
    two, four = (math.cos(math.tau * frequency * p) * (1 - math.cos(math.tau * frequency)) / 2 for p in (2, 4))
    maps = waves(frequency, 28)
    assert gridding.grid_contrast(maps, 2).item() == pytest.approx(two, abs=1e-12)
    assert gridding.grid_contrast(maps, 4).item() == pytest.approx(four - max(two, 0), abs=1e-12)


def test_pure_lattices():
    """Stripes of period 2 have 1, a checkerboard 2, and neither has a grid of period 4."""
    column = 1.0 - 2 * (torch.arange(28, dtype=torch.float64) % 2)
    for maps, two in ((column.expand(28, 28), 1), (column[:, None] * column, 2)):
        assert gridding.grid_contrast(maps, 2).item() == pytest.approx(two, abs=1e-12)
        assert gridding.grid_contrast(maps, 4).item() == pytest.approx(0, abs=1e-12)
    assert gridding.grid_contrast(waves(0.25, 28), 4).item() == pytest.approx(0.5, abs=1e-12)


def test_stripes_that_change_their_sign_count():
    """Of the pairs k columns apart, k of 28 - k lie on both sides of the change and have the other sign."""
    stripes = 1.0 - 2 * (torch.arange(28, dtype=torch.float64) % 2)
    stripes[14:] *= -1
    across = [(-1) ** k * (28 - 3 * k) / (28 - k) for k in range(6)]
    two, four = ((across[p] - (across[p - 1] + across[p + 1]) / 2) / 2 for p in (2, 4))
    maps = stripes.expand(28, 28)
    assert gridding.grid_contrast(maps, 2).item() == pytest.approx(two, abs=1e-12)
    assert gridding.grid_contrast(maps, 4).item() == pytest.approx(four - two, abs=1e-12)
    assert two > 0.8 and gridding.lattice_energy(maps, 2) < 0.01, "lattice energy sees nothing of it"


def test_it_grows_with_the_share_and_scale_does_not_matter():
    torch.manual_seed(0)
    smooth, lattice = waves(1 / 28, 28), lattices(2, (28, 28), 4)
    found = [gridding.grid_contrast(smooth + step * lattice, 4).item() for step in (0, 0.2, 0.5, 1, 3)]
    assert found == sorted(found) and found[0] < 0.01 and found[-1] > 0.3
    maps = torch.stack([smooth + lattice, smooth - lattice])
    both = gridding.grid_contrast(maps, 4)
    assert both.shape == (2,)
    for scale, offset in [(-1, 0), (1e-6, 0), (3, -1e4), (1e300, 0), (1e-200, 0)]:
        assert torch.allclose(gridding.grid_contrast(scale * maps + offset, 4), both, rtol=0, atol=1e-9)
    dead = torch.cat([maps, torch.ones(2, 30, 28, 28)], 1)
    assert torch.allclose(gridding.grid_contrast(dead, 4), both, rtol=0, atol=1e-12), "a dead channel does not count"


def test_a_stored_autocorrelation_gives_the_same():
    torch.manual_seed(0)
    maps = torch.randn(3, 2, 14, 14) + lattices(2, (14, 14), 4)
    stored = gridding.autocorrelation(maps)
    for period in (2, 4):
        assert torch.allclose(gridding.contrast_of(stored, period), gridding.grid_contrast(maps, period), atol=1e-12)


def test_by_level():
    torch.manual_seed(0)
    model = create_model("drn_c_26", num_classes=2, width=1 / 8).train()
    images = torch.randn(2, 3, 56, 56)
    found = gridding.autocorrelation_by_level(model, images, batch_size=1)
    assert list(found) == [*range(1, 9), "score_map"] and model.training
    assert found[1][0].shape == found[1][1].shape == (2, 9, 17)
    assert found[8][0].shape == (2, 7, 13), "the largest shift of 7 cells is 6"
    with torch.no_grad():
        scores = model.eval().score_map(images)
    for stored, without in zip(found["score_map"], (False, True)):
        again = gridding.autocorrelation(scores, 6, without_local_mean=without)
        assert torch.allclose(stored, again, rtol=0, atol=1e-4)


REFUSED = [
    (lambda: gridding.grid_contrast(torch.rand(6, 9), 2), "6x9 cells are too small to see a grid: 7 a side"),
    (lambda: gridding.grid_contrast(torch.rand(9, 9), 3), "a period of 2 or 4 cells here, not 3"),
    (lambda: gridding.grid_contrast(torch.empty(0, 3, 9, 9), 2), "there is no map to measure"),
    (lambda: gridding.autocorrelation(torch.rand(1, 9, 8), 8), "9x8 cells have no cells 8 apart"),
    (lambda: gridding.autocorrelation(torch.rand(1, 9, 9), 1.5), "lags must be a whole number"),
    (lambda: gridding.contrast_of(torch.rand(5, 9), 4), "lags 5 or more, not .5, 9."),
    (lambda: gridding.contrast_of(torch.rand(9, 9), 4), "lags 5 or more, not .9, 9."),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
