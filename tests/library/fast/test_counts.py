"""Products of a network, by hand and against what is known of the family."""

from __future__ import annotations

import pytest

from drn_lib import costs
from drn_lib.architecture import Architecture, Level, Stem, architecture
from drn_lib.fast.counts import products


def one_layer(dilation=1, channels=8):
    level = Level(1, "plain", channels, 1, dilation=dilation, first_dilation=(dilation, dilation))
    return Architecture("one", "one", Stem(channels, 1), (level,), None)


@pytest.mark.parametrize(
    ("dilation", "height", "width", "tiles", "each"),
    [
        (1, 8, 16, 2 * 4, 36),
        (1, 9, 16, 3 * 4, 36),  # one row of tiles is begun
        (2, 8, 16, 4 * 1 * 2, 36),  # four lattices of 4 x 8 cells
        (4, 8, 8, 16 * 1, 9),  # sixteen lattices of 2 x 2 cells: three products a side
        (4, 8, 16, 16 * 1 * 1, 36),
    ],
)
def test_products_by_hand(dilation, height, width, tiles, each):
    stem, classifier = 3 * 8 * 49 * height * width, 8 * 5 * height * width
    found = products(one_layer(dilation), height, width, 5)
    assert found.direct == stem + 8 * 8 * 9 * height * width + classifier
    assert found.winograd == stem + 8 * 8 * each * tiles + classifier
    assert found.ratio == found.direct / found.winograd


def test_a_map_of_one_cell_is_computed_as_it_is_written():
    found = products(one_layer(), 1, 1, 5)
    assert found.direct == found.winograd and found.ratio == 1


@pytest.mark.parametrize(
    ("name", "ratio"), [("drn_c_26", 2.96), ("drn_a_18", 2.72), ("drn_d_54", 1.76), ("resnet_18", 2.4)]
)
def test_products_of_the_family(name, ratio):
    table = architecture(name)
    found = products(table, 224, 224)
    cells = costs.map_sides(table, 224)[-1][1] ** 2
    classifier = table.out_channels * 1000
    assert found.direct == costs.multiply_adds(table, 224) + (cells - 1) * classifier  # there it comes after pooling
    assert round(found.ratio, 2) == ratio
    assert products(table, 512, 1024).ratio > found.ratio
