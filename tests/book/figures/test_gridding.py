"""The figures of chapters 03 and 04 show what they are given."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from book.figures import gridding as figures


def test_combs_write_the_values_that_are_not_zero():
    figure = figures.combs({"input": [0, 1, 0], "output": [2, 0, 3]})
    assert [[text.get_text() for text in ax.texts] for ax in figure.axes] == [["1"], ["2", "3"]]


def test_counts_fill_the_cells_that_are_not_zero():
    (ax,) = figures.counts([np.array([[1, 0], [0, 6]])], ["two cells"]).axes
    assert sum(to_hex(patch.get_facecolor()) != "#ffffff" for patch in ax.patches) == 2
    assert [text.get_text() for text in ax.texts] == ["1", "6"]


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_a_kernels_taps_all_lie_on_one_sublattice(dilation):
    (ax,) = figures.sublattice_boards([dilation]).axes
    colors = {patch.get_xy(): patch.get_facecolor() for patch in ax.patches if isinstance(patch, Rectangle)}
    assert len(set(colors.values())) == dilation**2
    rings = [(line.get_xdata()[0] - 0.5, line.get_ydata()[0] - 0.5) for line in ax.lines]
    assert len(rings) == 9 and len({colors[ring] for ring in rings}) == 1


def test_responses_and_spectra_draw_a_curve_each_and_mark_the_lattice():
    nu = torch.linspace(0, 0.5, 11)
    (ax,) = figures.responses({"d = 1": (nu, nu), "d = 2": (nu, -nu)}).axes
    marks, curves = ax.lines[:2], ax.lines[2:]
    assert [mark.get_xdata()[0] for mark in marks] == [0.25, 0.5]
    assert [curve.get_label() for curve in curves] == ["d = 1", "d = 2"]
    assert min(curves[1].get_ydata()) == 0  # gains are drawn as magnitudes
    noise = torch.randn(5, 28, 28, generator=torch.manual_seed(0))
    (ax,) = figures.spectra({"a": noise, "b": 10 * noise}, period=4).axes
    a, b = ax.lines[2:]
    np.testing.assert_allclose(a.get_ydata(), b.get_ydata())  # each as a fraction of its own power
    assert to_hex(a.get_color()) != to_hex(b.get_color())


def test_energy_by_level_draws_them_with_white_noise(energies):
    (ax,) = figures.energy_by_level(energies, ["drn_c_26"], 0.02).axes
    noise, trained, untrained = ax.lines
    assert set(noise.get_ydata()) == {0.02}
    np.testing.assert_allclose(trained.get_ydata(), [0.04, 0.05, 0.06, 0.07, 0.08, 0.001])
    assert (list(untrained.get_xdata()), list(untrained.get_ydata())) == ([2], [0.5])
    assert untrained.get_linestyle() == "--"
