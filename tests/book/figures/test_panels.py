"""A table of panels shows what it is given, in the pixels of the picture that it belongs to."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from book.figures.panels import Panel, panels
from book.figures.style import ACCENT


def boxes(ax, color):
    """The boxes of a color on an axis, as (x0, y0, x1, y1)."""
    found = [p for p in ax.patches if isinstance(p, Rectangle) and to_hex(p.get_edgecolor()) == to_hex(color)]
    return [(*p.get_xy(), p.get_x() + p.get_width(), p.get_y() + p.get_height()) for p in found]


def test_a_panel_shows_picture_boxes_and_point_in_the_pictures_pixels():
    picture = torch.arange(3 * 20 * 30, dtype=torch.uint8).view(3, 20, 30)
    box, nothing = (2.0, 4.0, 12.0, 16.0), torch.full((4,), torch.nan)
    panel = Panel(picture, pred=[box, nothing], gt=torch.tensor([[1.0, 1, 5, 5]]), point=(7, 8), note="below")
    figure = panels([[panel, None]], ["one", "two"], ["row"])
    ax = figure.axes[0]
    assert np.array_equal(ax.images[0].get_array(), picture.permute(1, 2, 0))
    assert boxes(ax, ACCENT) == [box] and (1, 1, 5, 5) in boxes(ax, "white")  # the box of NaN is left out
    assert ax.lines[0].get_xydata().tolist() == [[7, 8]]
    assert {"below", "row"} <= {text.get_text() for text in ax.texts}
    assert ax.get_xlim() == (0, 30) and ax.get_ylim() == (20, 0)
    assert not figure.axes[1].images and figure.axes[1].get_title() == "two"


def test_a_map_lies_over_the_picture_that_it_belongs_to():
    values = torch.arange(12.0).view(3, 4)
    figure = panels([[Panel(values, (24, 32), pred=[(8, 0, 16, 24)])]], ["map"])
    shown = figure.axes[0].images[0]
    assert np.array_equal(shown.get_array(), values) and shown.get_extent() == [0, 32, 24, 0]
    assert shown.get_interpolation() == "nearest" and boxes(figure.axes[0], ACCENT) == [(8, 0, 16, 24)]
    plain = panels([[Panel(values)]], ["map"]).axes[0]
    assert plain.images[0].get_extent() == [0, 4, 3, 0]  # its own cells


def test_plain_values_are_panels_and_places_stay_empty():
    one, two = torch.zeros(4, 4), torch.ones(3, 8, 8)
    figure = panels([[two, one], [None, one.numpy()]], ["photograph", "map"], ["first", "second"])
    assert [ax.images[0].get_array().shape for ax in figure.axes if ax.images] == [(8, 8, 3), (4, 4), (4, 4)]
    assert [ax.get_title() for ax in figure.axes] == ["photograph", "map", "", ""]


def test_the_key_explains_colors_and_the_table_makes_room_for_it():
    picture = torch.zeros(3, 4, 6, dtype=torch.uint8)
    plain, figure = panels([[picture]], ["a"]), panels([[picture]], ["a"], key={"car": ACCENT})
    (text,), (patch,) = figure.legends[0].get_texts(), figure.legends[0].get_patches()
    assert text.get_text() == "car" and to_hex(patch.get_facecolor()) == ACCENT
    assert figure.get_figheight() > plain.get_figheight() == pytest.approx(9 * 4 / 6 + 0.35)


def test_rows_need_as_many_panels_as_columns():
    with pytest.raises(ValueError):
        panels([[torch.zeros(2, 2)]], ["one", "two"])
