"""The figures of chapter 09 show the cells that they are given."""

from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from book.figures import remedies
from book.figures.style import ACCENT


def test_each_row_has_the_cells_it_reads_and_a_bar_below_those_of_its_neighbor():
    ax = remedies.cells_read({"one": [-2, 0, 2], "two": [-1, 0, 1]}).axes[0]
    filled = [patch for patch in ax.patches if isinstance(patch, Rectangle) and to_hex(patch.get_facecolor()) == ACCENT]
    middles = sorted((round(p.get_y() + 0.3), round(p.get_x() + 0.44)) for p in filled)
    assert middles == [(0, -2), (0, 0), (0, 2), (1, -1), (1, 0), (1, 1)]
    bars = [line for line in ax.lines if line.get_linewidth() == 3]
    under = sorted((round(line.get_ydata()[0] - 0.31), round(sum(line.get_xdata()) / 2)) for line in bars)
    assert under == [(0, -1), (0, 1), (0, 3), (1, 0), (1, 1), (1, 2)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
