"""Cells at their measured place: boxes, points, upsampled maps and pictures of a network whose padding is uneven."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from drn_lib.cli.localize import draw_found
from drn_lib.localization import scores as scoring
from drn_lib.localization.cam import cam_boxes, upsample_over_image
from drn_lib.localization.equations import boxes, localize, peak_points
from drn_lib.localization.options import BoxOptions
from drn_lib.localization.photographs import find_object
from drn_lib.localization.places import cells_of_pixels
from drn_lib.network import FeatureInfo, create_model

MEASURED = BoxOptions(cell_edges="measured")


class Late(nn.Module):
    """Two classes by the brightness of single pixels: cell i reads pixel 8 i + 13, for 64 px the last one none."""

    cell_edges = "measured"

    def __init__(self):
        super().__init__()
        self.feature_info = [FeatureInfo(8, 1, 8, 1)]
        self.classifier = nn.Conv2d(1, 2, 1)
        nn.init.constant_(self.classifier.bias, 0.0)
        self.classifier.weight.data = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)

    def last_map(self, x):
        return nn.functional.pad(x[:, :1, 13:, 13:], (0, 13, 0, 13), value=-1.0)[:, :, ::8, ::8]

    def score_map(self, x):
        return self.classifier(self.last_map(x))


def bright_square() -> torch.Tensor:
    """A black photograph (3, 64, 128) that is white from pixel 33 to 56 across and from 17 to 32 down."""
    image = torch.zeros(3, 64, 128, dtype=torch.uint8)
    image[:, 17:33, 33:57] = 255
    return image


def test_the_box_lies_where_the_object_is():
    found = find_object(Late(), bright_square(), index=1, size=64)
    assert found.box == pytest.approx((33, 17, 57, 33))  # cells with middles at 37, 45, 53 and at 21, 29
    naive = find_object(Late(), bright_square(), index=1, size=64, options=BoxOptions())
    assert naive.box == pytest.approx((24, 8, 48, 24))
    x = torch.where(bright_square() > 0, 1.0, -1.0)[None]
    _, box = localize(Late(), x, -math.inf, torch.tensor([1]), jump=8)
    assert box.tolist() == [[33, 17, 57, 33]]
    three_times = bright_square().repeat_interleave(3, dim=1).repeat_interleave(3, dim=2)
    assert find_object(Late(), three_times, index=1, size=64).box == pytest.approx((99, 51, 171, 99), abs=1e-3)


def test_the_picture_shows_the_map_where_the_object_is():
    image = bright_square()
    map_half = draw_found(image, find_object(Late(), image, index=1, threshold=1e9, size=64))[:, 128:, 0]  # no box
    rows, columns = np.nonzero(map_half)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (33, 56, 17, 32)


def test_outer_cells_reach_the_border_and_those_beyond_it_stand_for_the_last_pixels():
    own = torch.ones(1, 1, 8, 8)
    where = {"jump": 8, "centre": (13, 13)}
    assert boxes(own, torch.tensor([0]), 0.0, 64, MEASURED, **where).tolist() == [[0, 0, 64, 64]]
    last = torch.zeros(1, 1, 8, 8)
    last[0, 0, 7, 0] = 1  # its middle would be pixel 69
    assert boxes(last, torch.tensor([0]), 0.0, 64, MEASURED, **where).tolist() == [[0, 59, 17, 64]]
    assert peak_points(last[0], 64, cell_edges="measured", **where).tolist() == [[13.5, 63.5]]
    rows, columns = cells_of_pixels((8, 8), (64, 60), 8, "measured", (13, 5))
    assert rows.tolist() == [0] * 17 + [1] * 8 + [2] * 8 + [3] * 8 + [4] * 8 + [5] * 8 + [6] * 7
    assert columns.bincount().tolist() == [9, 8, 8, 8, 8, 8, 11]


def test_a_map_stretched_over_its_tiles_is_the_special_case():
    rows, columns = cells_of_pixels((4, 5), (32, 37), 8)
    assert torch.equal(rows, torch.arange(32) // 8) and torch.equal(columns, torch.arange(37) // 8)
    assert find_object(create_model("drn_a_18", 2, 0.1).eval(), bright_square(), size=64).cells[1].tolist() == [
        column // 8 for column in range(128)
    ]


def test_upsampling_goes_through_the_measured_middles():
    maps = torch.randn(2, 4, 8, dtype=torch.float64)
    large = upsample_over_image(maps, (40, 70), 8, "measured", (5.0, 2.5))
    for image, line in ((0, 1), (1, 3)):
        row = np.interp((np.arange(70) - 2.5) / 8, np.arange(8), maps[image, line].numpy())
        assert np.abs(large[image, 5 + 8 * line].numpy() - row).max() < 1e-12
    assert torch.equal(large[:, :, 69], large[:, :, 59]) and torch.equal(large[:, 0], large[:, 5])
    assert upsample_over_image(maps.float(), 64, 8, "measured", (0, 0)).dtype == torch.float32
    blob = torch.zeros(1, 8, 8)
    blob[0, 2, 3:5] = 1.0
    box = cam_boxes(blob, 0.99, 64, cell_edges="measured", centre=(13, 13))
    assert box.tolist() == [[37, 29, 46, 30]]  # from the middle of one cell to that of the other


def test_the_ceiling_counts_cells_where_they_are():
    box = torch.tensor([[33.0, 17.0, 57.0, 33.0]])
    assert scoring.ceiling(box, 8, 64, "measured", (13, 13)).item() == 1
    assert scoring.ceiling(box, 8, 64).item() < 1


def test_a_measured_place_has_to_be_given():
    own = torch.zeros(1, 8, 8)
    calls = [
        lambda: boxes(own[None], torch.tensor([0]), 0.0, 64, MEASURED),
        lambda: peak_points(own, 64, cell_edges="measured"),
        lambda: cam_boxes(own, 0.5, 64, cell_edges="measured"),
        lambda: scoring.ceiling(torch.zeros(1, 4), 8, 64, "measured"),
        lambda: cells_of_pixels(8, 64, 8, "measured"),
    ]
    for call in calls:
        pytest.raises(ValueError, call).match("'measured' needs centre=")
