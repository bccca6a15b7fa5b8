"""What chapters 03 and 04 read off maps is what the names say."""

import math

import pytest
import torch

from book.cells.gridding import (
    lattices,
    power_spectrum,
    smooth,
    strongest_channel,
    tile,
)
from drn_lib.gridding import lattice_energy


def test_the_strongest_channel_has_the_highest_mean_magnitude():
    maps = torch.tensor([0.0, -2, 1]).view(1, 3, 1, 1).repeat(1, 1, 4, 4)  # the second has the highest mean magnitude
    maps[0, 0, 0, 0] = 15  # the highest single value
    assert torch.equal(strongest_channel(maps), maps[0, 1])


def test_a_tile_is_a_pure_lattice():
    lattice = tile(4, 28)
    assert lattice.shape == (28, 28) and torch.equal(lattice[4:], lattice[:-4])
    assert lattice_energy(lattice, 4).item() == pytest.approx(1)
    assert lattice.var(correction=0).item() == pytest.approx(1)


def test_smoothing_multiplies_a_wave_by_its_factor():
    wave = torch.cos(2 * torch.pi * torch.arange(28).double() / 7).expand(1, 1, 28, 28)
    for d in (1, 2, 4):
        factor = 0.5 + 0.5 * math.cos(2 * math.pi * d / 7)
        torch.testing.assert_close(smooth(wave, d), factor * wave)


def test_lattices_repeat_every_four_cells():
    found = lattices(3)
    assert found.shape == (1, 3, 28, 28) and torch.equal(found[..., 4:, :], found[..., :-4, :])


def test_the_power_of_a_lattice_lies_in_its_points():
    power = power_spectrum(lattices(16))
    assert power.shape == (28, 28)
    points = [(14 + 7 * i, 14 + 7 * j) for i in (-2, -1, 0, 1) for j in (-2, -1, 0, 1) if i or j]
    assert sum(power[at] for at in points) > 0.2 * power.sum()  # the rest lies in the eight cells around each
    assert power[14, 14] < 1e-3 * power.max() and power[14 + 3, 14 + 3] < 0.01 * power.max()
