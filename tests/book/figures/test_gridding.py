"""The toy figures of chapters 03, 04 and 09 show what they are given."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from book.figures import gridding as figures
from book.figures.style import ACCENT


def test_combs_write_the_values_that_are_not_zero():
    figure = figures.combs({"input": [0, 1, 0], "output": [2, 0, 3]})
    assert [[text.get_text() for text in ax.texts] for ax in figure.axes] == [["1"], ["2", "3"]]


def test_counts_fill_the_cells_that_are_not_zero():
    (ax,) = figures.counts([np.array([[1, 0], [0, 6]])], ["two cells"]).axes
    assert sum(patch.get_facecolor()[3] > 0 for patch in ax.patches) == 2
    assert [text.get_text() for text in ax.texts] == ["1", "6"]


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_a_kernels_taps_all_lie_on_one_sublattice(dilation):
    (ax,) = figures.sublattice_boards([dilation]).axes
    colors = {patch.get_xy(): patch.get_facecolor() for patch in ax.patches if isinstance(patch, Rectangle)}
    assert len(set(colors.values())) == dilation**2
    rings = [(line.get_xdata()[0] - 0.5, line.get_ydata()[0] - 0.5) for line in ax.lines]
    assert len(rings) == 9 and len({colors[ring] for ring in rings}) == 1


def test_responses_draw_a_curve_each_and_mark_the_lattice():
    nu = torch.linspace(0, 0.5, 11)
    (ax,) = figures.responses({"d = 1": (nu, nu), "d = 2": (nu, -nu)}).axes
    marks, curves = ax.lines[:2], ax.lines[2:]
    assert [mark.get_xdata()[0] for mark in marks] == [0.25, 0.5]
    assert [curve.get_label() for curve in curves] == ["d = 1", "d = 2"]
    assert min(curves[1].get_ydata()) == 0  # gains are drawn as magnitudes


def test_each_row_has_the_cells_it_reads_and_a_bar_below_those_of_its_neighbor():
    ax = figures.cells_read({"one": [-2, 0, 2], "two": [-1, 0, 1]}).axes[0]
    filled = [patch for patch in ax.patches if isinstance(patch, Rectangle) and to_hex(patch.get_facecolor()) == ACCENT]
    middles = sorted((round(p.get_y() + 0.3), round(p.get_x() + 0.44)) for p in filled)
    assert middles == [(0, -2), (0, 0), (0, 2), (1, -1), (1, 0), (1, 1)]
    bars = [line for line in ax.lines if line.get_linewidth() == 3]
    under = sorted((round(line.get_ydata()[0] - 0.31), round(sum(line.get_xdata()) / 2)) for line in bars)
    assert under == [(0, -1), (0, 1), (0, 3), (1, 0), (1, 1), (1, 2)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
