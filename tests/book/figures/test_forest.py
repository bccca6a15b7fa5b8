"""Differences as pictures: where the dots lie, which color they have, and what the cells of a matrix say."""

from matplotlib.colors import to_hex

from book.figures.forest import COLORS, forest, sign_matrix
from book.studies.evidence.families import Comparison
from book.studies.intervals import Interval


def difference(estimate, low, high, p=0.001, wider=0.5):
    both = Interval(estimate, low, high, 3, "bootstrap over seeds and images", p)
    return Comparison("a", "b", both, Interval(estimate, low - wider, high + wider, 3, "Student's t over seeds", p), p)


LESS, MORE, NEITHER = difference(-2.0, -3.0, -1.0), difference(2.0, 1.0, 3.0), difference(0.5, -1.0, 2.0)


def colors(ax):
    return [to_hex(line.get_color()) for line in ax.lines if line.get_marker() == "o"]


def test_a_dot_its_two_intervals_and_the_numbers_beside_it():
    (ax,) = forest({"errors": ("final.test.top1", [LESS, MORE, NEITHER])}, ["x", "y", "z"]).axes
    thin, thick, dot = ax.lines[:3]
    assert list(thin.get_xdata()) == [-3.5, -0.5] and list(thick.get_xdata()) == [-3.0, -1.0]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (-2.0, 0) and thick.get_linewidth() > thin.get_linewidth()
    assert colors(ax) == [COLORS[name] for name in ("supported", "contradicted", "not resolved")]
    assert [text.get_text() for text in ax.texts][0] == "−2.0  [−3.0,\u00a0−1.0]"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["x", "y", "z"]
    low, high = ax.get_ylim()
    assert low > high  # the first row is on top


def test_the_dot_of_a_provisional_verdict_is_hollow():
    rows = [LESS, difference(-2.0, -3.0, -1.0, wider=2.0)]
    (ax,) = forest({"errors": ("final.test.top1", rows)}, ["x", "y"]).axes
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [to_hex(dot.get_markerfacecolor()) for dot in dots] == [COLORS["supported"], "#ffffff"]
    assert {to_hex(dot.get_markeredgecolor()) for dot in dots} == {COLORS["supported"]}


def test_of_an_iou_more_is_better():
    (ax,) = forest({"mean IoU": ("final.test.miou_present", [LESS, MORE])}, ["x", "y"]).axes
    assert colors(ax) == [COLORS["contradicted"], COLORS["supported"]]


def test_what_was_not_measured_is_said_and_several_panels_have_no_numbers():
    columns = {name: ("final.test.top1", [LESS, None]) for name in ("one", "two", "three")}
    axes = forest(columns, ["x", "y"]).axes
    assert [ax.get_visible() for ax in axes] == [True, True, True, False]
    assert [[text.get_text() for text in ax.texts] for ax in axes[:3]] == [["not yet measured"]] * 3


def test_the_cell_of_a_provisional_verdict_is_outlined():
    (ax,) = sign_matrix({"one": [LESS, difference(-2.0, -3.0, -1.0, wider=2.0)]}, ["x", "y"]).axes
    firm, provisional = ax.patches
    assert to_hex(firm.get_facecolor()) == to_hex(provisional.get_edgecolor()) == COLORS["supported"]
    assert provisional.get_facecolor()[3] == 0


def test_the_cells_of_a_matrix_say_less_more_or_that_nobody_can_tell():
    (ax,) = sign_matrix({"one": [LESS, MORE], "two": [NEITHER, None]}, ["x", "y"]).axes
    assert [text.get_text() for text in ax.texts] == ["less", "more", "?", "–"]
    faces = [patch.get_facecolor() for patch in ax.patches]
    assert [to_hex(face) for face in faces[:2]] == [COLORS["supported"], COLORS["contradicted"]]
    assert [face[3] for face in faces[2:]] == [0, 0]


def test_a_difference_that_holm_does_not_let_pass_has_no_color():
    (ax,) = forest({"errors": ("final.test.top1", [difference(-2.0, -3.0, -1.0, 0.2)])}, ["x"]).axes
    assert colors(ax) == [COLORS["not resolved"]]
