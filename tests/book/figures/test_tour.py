"""The figures of chapter 00 and the front page's picture: each property that a reader leans on."""

import numpy as np
import pytest
import torch

from book.figures.tour import (
    grids,
    maps_in_a_row,
    peak_pixel,
    points_into,
    spread,
    unveil,
    where_it_looks,
)
from book.photographs import list_photographs, photograph, place_on_wall, wall
from drn_lib.geometry import table
from drn_lib.images import normalize


@pytest.fixture
def picture():
    return torch.randint(0, 256, (3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("network", "cells"), [("resnet_18", 7), ("drn_c_26", 28)])
def test_a_pixel_takes_the_value_of_the_nearest_cell(network, cells):
    place = list(table(network, 224).levels.values())[-1]
    assert place.size == (cells, cells)
    centres = place.centre + place.jump * np.arange(cells)
    index = spread(np.arange(cells**2).reshape(cells, cells), 224)
    distance = np.abs(np.arange(224)[:, None] - centres)
    assert (distance[np.arange(224), index[:, 0] // cells] == distance.min(axis=1)).all()
    assert (index // cells == (index % cells).T).all()


def test_the_veil_is_thin_where_the_scores_are_high(picture):
    scores = torch.zeros(7, 7)
    scores[2, 3] = 5.0
    shown = unveil(picture, scores)
    clear = spread(scores.numpy(), 224) == 5.0
    assert clear.sum() == 32 * 32
    np.testing.assert_allclose(shown[clear], np.asarray(picture.permute(1, 2, 0))[clear] / 255)
    assert np.ptp(shown[~clear]) == 0


def test_a_constant_map_hides_everything_and_does_not_divide_by_zero(picture):
    assert np.isfinite(unveil(picture, torch.full((7, 7), 3.0))).all()


def test_the_peak_and_the_box():
    scores = torch.zeros(28, 28)
    scores[5, 20] = 1.0
    assert peak_pixel(scores, 224) == (160, 40)
    assert points_into(scores, (160, 40, 161, 41), 224) and not points_into(scores.T, (160, 40, 161, 41), 224)
    assert not any(points_into(scores, box, 224) for box in [(161, 40, 170, 50), (150, 30, 160, 41)])


def test_every_photograph_hangs_where_place_on_wall_says():
    names = list_photographs()[:9]
    picture = wall(names)
    assert picture.shape == (3, 224, 224) and picture.dtype == torch.uint8
    covered = torch.zeros(224, 224, dtype=torch.bool)
    for index, name in enumerate(names):
        left, top, right, bottom = place_on_wall(index)
        assert torch.equal(picture[:, top:bottom, left:right], photograph(name, 64))
        covered[top:bottom, left:right] = True
    assert covered.sum() == 9 * 64 * 64
    assert normalize(picture[None])[0][:, ~covered].abs().max() < 0.01
    with pytest.raises(ValueError, match="nine"):
        wall(names[:8])


def test_where_it_looks_draws_each_map_with_a_ring_at_its_peak(picture):
    maps = {"resnet_18": torch.rand(7, 7), "drn_c_26": torch.rand(28, 28)}
    figure = where_it_looks([(picture, maps), (picture, maps)])
    titles = ["the picture", "ResNet-18: 7 × 7 cells", "DRN-C-26: 28 × 28 cells"]
    assert [ax.get_title() for ax in figure.axes] == [*titles, "", "", ""]
    for ax, scores in zip(figure.axes[4:], maps.values(), strict=True):
        assert tuple(ax.lines[0].get_xydata()[0]) == peak_pixel(scores, 224)


def test_grids_cut_the_picture_into_cells(picture):
    figure = grids(picture, (7, 28), ("left", "right"))
    assert [len(ax.lines) for ax in figure.axes] == [2 * 6, 2 * 27]


def test_maps_are_shown_with_their_own_cells(picture):
    figure = maps_in_a_row(picture, {"resnet_18": torch.rand(7, 7), "drn_c_26": torch.rand(28, 28)})
    assert [ax.images[0].get_array().shape for ax in figure.axes] == [(224, 224, 3), (7, 7), (28, 28)]
    assert {ax.images[0].get_interpolation() for ax in figure.axes} == {"nearest"}
