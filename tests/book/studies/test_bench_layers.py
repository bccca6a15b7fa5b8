"""How fast single convolutions run: every way computes the same map, and what is measured is what the figures draw."""

import pytest
import torch
from torch.nn.functional import conv2d

from book.cells.speed import relative_error
from book.studies.bench import layers


@pytest.fixture(scope="module")
def small():
    """A measurement of few rounds on small maps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "COPIED", 1 << 16)
        patch.setattr(layers, "LAYER", layers.Convolution("small", 6, 32, 32, 3))
        return layers.measure(rounds=1, size=32)


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_sublattices_give_the_dilated_convolution(dilation):
    x, weight = torch.randn(2, 3, 8, 12).double(), torch.randn(5, 3, 3, 3).double()
    exact = conv2d(x, weight, padding=dilation, dilation=dilation)
    torch.testing.assert_close(layers.on_sublattices(x, weight, dilation), exact)


def test_a_measurement_has_what_the_figures_draw(small):
    stored = layers.stored()
    assert set(stored) == {*small, "bfloat16"}
    here = {d: set(ways) | {"kernel"} for d, ways in small["layer"].items()}  # no compiler, no kernel
    assert here == {d: set(ways) for d, ways in stored["layer"].items()}
    assert [level["level"] for level in small["levels"]] == [level["level"] for level in stored["levels"]]
    assert all(rate > 0 for ways in small["layer"].values() for rate in ways.values())


def test_every_way_of_the_layer_computes_the_same_map():
    row, side = layers.LAYER, 8
    with torch.no_grad():
        ways = layers._methods(row, side, 4, layers._kernel())
        found = {name: run() for name, run in ways.items()}
    for name, y in found.items():
        assert relative_error(y, found["direct"].double()) < 1e-5, name


def test_intensity_counts_both_maps_and_the_weights():
    row = layers.Convolution("one", 1, 2, 3, 3)
    assert layers._intensity(row, 5) == 9 * 6 * 25 / (4 * (5 * 25 + 9 * 6))
