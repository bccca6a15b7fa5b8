"""What chapters 03 and 04 read off maps and stored results is what the names say."""

import pytest
import torch

from book.cells.gridding import high_frequency_fraction, stored_energies, strongest_channel, tile
from drn_lib.gridding import lattice_energy


def test_the_strongest_channel_has_the_highest_mean_magnitude():
    maps = torch.tensor([0.0, -2, 1]).view(1, 3, 1, 1).repeat(1, 1, 4, 4)  # the second has the highest mean magnitude
    maps[0, 0, 0, 0] = 15  # the highest single value
    assert torch.equal(strongest_channel(maps), maps[0, 1])


def test_white_noise_has_three_quarters_of_its_power_above_a_quarter():
    noise = torch.randn(200, 32, 32, generator=torch.manual_seed(0))
    assert high_frequency_fraction(noise) == pytest.approx(0.75, abs=0.02)


def test_a_slow_wave_has_no_power_there_and_a_fast_one_all():
    cell = torch.arange(32).double()
    slow, fast = (torch.cos(2 * torch.pi * frequency * cell).expand(32, 32) for frequency in (2 / 32, 12 / 32))
    assert high_frequency_fraction(slow) < 0.01 and high_frequency_fraction(fast) > 0.99


def test_a_tile_is_a_pure_lattice():
    lattice = tile(4, 28)
    assert lattice.shape == (28, 28) and torch.equal(lattice[4:], lattice[:-4])
    assert lattice_energy(lattice, 4).item() == pytest.approx(1)
    assert lattice.var(correction=0).item() == pytest.approx(1)


def test_energies_come_from_the_results(energies):
    assert stored_energies(energies, "drn_c_26") == {
        "4": 0.04, "5": 0.05, "6": 0.06, "7": 0.07, "8": 0.08, "score map": 0.001
    }  # fmt: skip
    assert stored_energies(energies, "drn_c_26", untrained=True) == {"6": 0.5}
    assert stored_energies(energies, "drn_a_18") == {}
