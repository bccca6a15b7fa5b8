"""The figures that show a grid show what they are given."""

import math

import numpy as np
import torch

from book.cells.gridding import lattices
from book.figures import grids
from book.figures.style import FAMILY_COLORS
from book.studies.intervals import Interval
from drn_lib.gridding import split_sublattices


def test_a_map_is_sorted_into_its_sub_lattices():
    values = torch.arange(64.0).view(8, 8)
    figure = grids.sorted_maps({"a map": values})
    whole, *small = [ax.images[0] for ax in figure.axes]
    assert np.array_equal(whole.get_array(), values) and len(small) == 16
    for shown, part in zip(small, split_sublattices(values, 4), strict=True):
        assert np.array_equal(shown.get_array(), part) and shown.get_clim() == (0, 63)


def test_the_ruler_counts_columns():
    photograph, found = grids.with_ruler(np.zeros((9, 9, 3)), torch.zeros(28, 28), "map").axes
    assert not photograph.axison and list(found.get_xticks()) == [0, 4, 8, 12, 16, 20, 24]


def test_fifteen_rings_lie_on_the_lattice_s_power():
    (ax,) = grids.lattice_points({"lattice": lattices(16)}).axes
    rings = {(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines}
    assert len(rings) == 15 and (0, 0) not in rings
    image, left = np.asarray(ax.images[0].get_array()), ax.images[0].get_extent()[0]
    for across, down in rings:
        row, column = (int((at - left) * 28) for at in (down, across))
        assert image[row, column] > np.median(image) + 1


def test_every_fourth_cell_stands_out():
    (ax,) = grids.sampled_waves({"wave": torch.cos(torch.arange(9.0) * math.pi / 2)}, every=4).axes
    marked = ax.lines[1]
    assert list(marked.get_xdata()) == [0, 4, 8] and np.allclose(marked.get_ydata(), 1)


def test_correlations_begin_one_cell_apart():
    (ax,) = grids.alike({"a": np.linspace(1, 0, 9), "b": np.linspace(1, 0.2, 9)}).axes
    a, b = [line for line in ax.lines if len(line.get_xdata()) == 8]
    assert list(a.get_xdata()) == list(range(1, 9)) and b.get_ydata()[-1] == 0.2


def test_a_forest_plot_draws_intervals_where_there_are_some():
    rows = [
        ("several", Interval(0.2, 0.1, 0.3, 3, "m"), "drn_a_18"),
        ("one", Interval(0.1, math.nan, math.nan, 1, "m"), ""),
    ]
    (ax,) = grids.contrasts(rows, "contrast").axes
    zero, interval, several, one = ax.lines
    assert list(interval.get_xdata()) == [0.1, 0.3] and several.get_color() == FAMILY_COLORS["drn_a"]
    assert one.get_xdata()[0] == 0.1 and one.get_markerfacecolor() == "none"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["several", "one"]
