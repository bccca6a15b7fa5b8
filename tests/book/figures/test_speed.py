"""The figures of chapter 08 show what they are given."""

import pytest
from matplotlib.colors import to_hex

from book.figures import speed as figures
from book.figures.style import ACCENT, sublattice_colors
from drn_lib.fast.matrices import F23, F43


def entry(network, height, **ratios):
    rows = {way: {"ratio": ratio, "cpu_ms": 100 / ratio} for way, ratio in ratios.items()}
    products = {"direct": 300, "winograd": 100}
    return {"network": network, "height": height, "clock": "cpu", "products": products, "rows": rows}


def test_bars_are_as_long_as_the_rates_and_ours_stand_out():
    (ax,) = figures.rate_bars({"theirs": 0.5, "ours": 2.0}, ["ours"], "one").axes
    assert [bar.get_width() for bar in ax.patches] == [0.5, 2.0]
    assert [to_hex(bar.get_facecolor()) == ACCENT for bar in ax.patches] == [False, True]
    assert ax.lines[0].get_xdata()[0] == 1


def test_the_roof_is_flat_from_where_the_memory_keeps_up():
    levels = [{"level": n, "intensity": 10.0 * n, "direct": 0.5, "kernel": 1.5} for n in (1, 2, 2)]
    (ax,) = figures.roofline({"levels": levels, "memory_bytes": 0.25}).axes
    roof, direct, kernel = ax.lines
    assert (roof.get_xdata()[1], roof.get_ydata()[1]) == (4.0, 1)
    assert set(direct.get_ydata()) == {0.5} and set(kernel.get_ydata()) == {1.5}
    assert {"1", "2, 2"} <= {text.get_text() for text in ax.texts}


def test_a_machine_without_the_kernel_has_a_roofline_too():
    levels = [{"level": 1, "intensity": 10.0, "direct": 0.5}]
    assert len(figures.roofline({"levels": levels, "memory_bytes": 0.25}).axes[0].lines[2].get_xdata()) == 0


def test_matrices_show_every_entry_that_is_not_zero():
    axes = figures.matrices(F23).axes
    found = [[text.get_text().replace("−", "-") for text in ax.texts] for ax in axes]
    wanted = [[str(entry) for row in matrix for entry in row if entry] for matrix in (F23.BT, F23.G, F23.AT)]
    assert found == wanted


@pytest.mark.parametrize("scheme", [F23, F43])
def test_a_tile_lies_on_one_sublattice_and_its_outputs_within_what_it_reads(scheme):
    (ax,) = figures.tile_board(2, scheme).axes
    colors = {patch.get_xy(): to_hex(patch.get_facecolor()) for patch in ax.patches}
    places = [(line.get_xdata()[0] - 0.5, line.get_ydata()[0] - 0.5) for line in ax.lines]
    assert {colors[place] for place in places} == {sublattice_colors(2)[3]}
    filled = [line for line in ax.lines if line.get_color() == "black"]
    assert (len(ax.lines), len(filled)) == (scheme.inputs**2, scheme.outputs**2)


def test_errors_stand_at_their_values():
    (ax,) = figures.errors({"a": 1e-7, "b": 1e-3}, ["b"]).axes
    assert [line.get_xdata()[0] for line in ax.lines] == [1e-7, 1e-3]


def test_the_comparison_leaves_out_what_was_not_measured_and_marks_the_limit():
    one = entry("drn_c_26", 224, kernel=1.8, folded=1.1)
    one["rows"]["openvino"] = {"missing": "not installed here"}
    names = {way: way for way in figures.MARKS}
    figure = figures.compared(names, [one])
    (ax,) = figure.axes
    limit, folded, kernel = ax.lines[:3]
    assert set(limit.get_xdata()) == {3.0}
    assert (folded.get_xdata()[0], kernel.get_xdata()[0]) == (1.1, 1.8)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["limit", "folded", "kernel"]
