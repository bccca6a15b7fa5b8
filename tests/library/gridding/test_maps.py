"""What no measure of gridding takes for a map, each measure alike."""

import math

import numpy as np
import pytest
import torch

from drn_lib import gridding

MEASURES = {
    "lattice energy": lambda maps: gridding.lattice_energy(maps, 4),
    "lattice fraction": lambda maps: gridding.lattice_fraction(maps, 4),
    "autocorrelation": lambda maps: gridding.autocorrelation(maps, 5),
    "grid contrast": lambda maps: gridding.grid_contrast(maps, 2),
    "contrast of an autocorrelation": lambda maps: gridding.contrast_of(maps, 2),
    "power spectrum": gridding.radial_power_spectrum,
}
parametrize = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


@parametrize
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_complex_maps_are_refused(measure, dtype):
    for maps in (torch.zeros(16, 16), torch.rand(2, 3, 6, 11)):
        with pytest.raises(ValueError, match=f"must hold real numbers, not {dtype}; take its absolute value"):
            measure(maps.to(dtype))


@parametrize
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_maps_that_are_not_finite_are_refused(measure, value):
    for shape in ((16, 16), (2, 3, 16, 16)):
        maps = torch.rand(shape).half()
        maps.view(-1)[-1] = value
        with pytest.raises(ValueError, match="holds values that are not finite"):
            measure(maps)


@parametrize
@pytest.mark.parametrize(
    ("maps", "says"),
    [
        (torch.zeros(0, 16, 16), "there is no map to measure"),
        (torch.zeros(3, 0, 16), "there is no map to measure"),
        (torch.zeros(16), r"must be \(\.\.\., H, W\), not \(16,\)"),
        (torch.tensor(1.0), r"must be \(\.\.\., H, W\), not \(\)"),
        (np.zeros((16, 16)), "must be of type Tensor, not ndarray"),
        ([[0.0] * 16] * 16, "must be of type Tensor, not list"),
        (None, "must be of type Tensor, not NoneType"),
    ],
    ids=["none", "no rows", "a line", "a number", "an array", "a list", "nothing"],
)
def test_what_is_no_map_is_refused(measure, maps, says):
    with pytest.raises(ValueError, match=says):
        measure(maps)


@pytest.mark.parametrize("scale", [1e200, 1e308])
def test_power_beyond_float64_is_a_sentence(scale):
    with pytest.raises(ValueError, match="the power spectrum holds values that are not finite"):
        gridding.radial_power_spectrum(scale * torch.rand(16, 16, dtype=torch.float64))


@pytest.mark.parametrize("measure", [gridding.lattice_energy_by_level, gridding.autocorrelation_by_level])
def test_networks_and_images_that_are_none_are_refused(measure):
    net = torch.nn.Identity()
    for model, images, batch_size, says in [
        ("drn_c_26", torch.zeros(1, 3, 8, 8), 4, "the model must be of type Module, not str"),
        (net, np.zeros((1, 3, 8, 8)), 4, "the images must be of type Tensor, not ndarray"),
        (net, torch.zeros(1, 3, 8, 8), 0, "batch_size must be a whole number of 1 or more, not 0"),
        (net, torch.zeros(1, 3, 8, 8), 2.0, "batch_size must be a whole number of 1 or more, not 2.0"),
    ]:
        with pytest.raises(ValueError, match=says):
            measure(model, images, 4, batch_size)


def test_an_average_is_of_a_tensor():
    with pytest.raises(ValueError, match="the map must be of type Tensor, not list"):
        gridding.low_pass([[1.0]], [1, 2, 1])


@pytest.mark.parametrize("kernel", [[1, 1], [1, -2, 1], [0.0], [1, math.nan, 1], []], ids=str)
def test_weights_that_make_no_average_are_refused(kernel):
    with pytest.raises(ValueError, match="odd number of weights with a sum above 0"):
        gridding.low_pass(torch.rand(1, 4, 4), kernel)


@pytest.mark.parametrize("maps", [torch.zeros(4, 4).long(), torch.rand(4), torch.rand(0, 4)], ids=["1", "2", "3"])
def test_maps_to_smooth_have_cells_and_real_values(maps):
    with pytest.raises(ValueError, match="maps must be floating-point"):
        gridding.low_pass(maps, [1, 2, 1])
