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


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_map_that_is_not_finite_is_refused(value):
    maps = torch.randn(3, 16, 16)
    maps[1, 2, 3] = value
    with pytest.raises(ValueError, match="the map holds values that are not finite"):
        gridding.radial_power_spectrum(maps)
