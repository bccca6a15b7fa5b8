"""The toy figures of chapters 03, 04 and 09 show what they are given."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from book.figures import gridding as figures
from book.figures.style import ACCENT, GREY, INK


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


def test_the_output_is_ringed_in_white_on_a_filled_cell_and_few_cells_make_a_narrow_figure():
    figure = figures.cells_read({"reads itself": [-2, 0, 2], "does not": [-1, 1]})
    rings = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [(ring.get_xdata()[0], ring.get_markeredgecolor()) for ring in rings] == [(0, "white"), (0, INK)]
    wide, widest = (figures.cells_read({"reads itself": [-far, far]}) for far in (10, 40))
    assert figure.get_figwidth() < wide.get_figwidth() < widest.get_figwidth() == 9


def test_a_bright_cell_and_what_poolings_return_stand_over_each_other_with_their_values_and_sums():
    signals = np.array([[[0, 0, 1, 0, 0, 0]], [[0, 0, 0, 1, 0, 0]]])
    figure = figures.pooled(signals, {"max": np.array([[[0, 1, 0.0]], [[0, 1, 1.0]]])})
    assert [ax.get_ylabel() for ax in figure.axes] == ["one bright cell", "", "max", ""]
    assert [[text.get_text() for text in ax.texts if text.get_text()] for ax in figure.axes] == [
        ["1"],
        ["1"],
        ["1", "sum 1"],
        ["1", "1", "sum 2"],
    ]
    bars = [[(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in ax.patches] for ax in figure.axes]
    # With stride 2, outputs 1 and 2 lie over cells 2 and 4.
    expected = [[(2, 1)], [(3, 1)], [(2, 1)], [(2, 1), (4, 1)]]
    assert [np.allclose(found, places) for found, places in zip(bars, expected, strict=True)] == [True] * 4
    assert [{to_hex(bar.get_facecolor()) for bar in ax.patches} for ax in figure.axes] == [{GREY}] * 2 + [{ACCENT}] * 2
    assert [len(ax.lines) for ax in figure.axes] == [6, 6, 3, 3]


def test_sides_are_in_proportion_to_the_cells_and_only_enlarged_maps_have_the_accent_color():
    small, large = ([np.zeros((1, 2, side, side)) for side in sides] for sides in ([28, 14, 7], [28, 28, 28]))
    (ax,) = figures.joint_upsampling([4, 5, 6], small, list(large), list(large)).axes
    squares = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    sides = np.array([(square.get_width(), square.get_height()) for square in squares])
    assert sides / sides[0, 0] == pytest.approx(np.array([28, 14, 7] + [28] * 6)[:, None].repeat(2, 1) / 28)
    assert [to_hex(square.get_facecolor()) for square in squares] == [GREY] * 3 + [ACCENT] * 3 + [GREY] * 3
    words = [text.get_text() for text in ax.texts if text.get_text()]
    assert [word for word in words if word.isdigit()] == ["28", "14", "7"] + ["28"] * 6
    assert words[-3:] == ["level 4", "level 5", "level 6"]
    assert [word for word in words if " " in word][:3] == ["strided network", "brought to 28", "dilated network"]
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert [arrow.xy[0] for arrow in arrows] == [0, 1, 2]
    middles = [square.get_y() + square.get_height() / 2 for square in squares]
    assert all(middles[0] > arrow.xyann[1] > arrow.xy[1] > middles[3] for arrow in arrows)
