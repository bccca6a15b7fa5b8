"""The radial power spectrum."""

import pytest
import torch

from drn_lib import gridding
from tests.library.gridding.drawn import band_limited, lattices


def test_power_spectrum():
    torch.manual_seed(0)
    frequencies, power = gridding.radial_power_spectrum(3 * torch.randn(500, 28, 20) + 7)
    assert frequencies[0] == 0 and frequencies[-1] == 0.5 and len(frequencies) == len(power) == 11
    assert torch.allclose(power[2:], power.new_full((9,), 9.0), rtol=0.1)
    frequencies, power = gridding.radial_power_spectrum(lattices(1, (32, 32), 4)[:, :1].expand(1, 32, 32))
    assert frequencies[power.argmax()] in (0.25, 0.5)
    smooth = gridding.radial_power_spectrum(band_limited(50, (32, 32), 1 / 16))[1]
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
