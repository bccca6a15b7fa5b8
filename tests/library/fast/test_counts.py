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
        (1, 11, 16, 6 + 6 + 5, 4 * 6),  # the last row of tiles is short by one cell, and so by one product
        (1, 9, 16, 3 * 5, 4 * 6),  # all three rows are
        (1, 5, 16, 2 * 5, 4 * 6),
        (4, 28, 28, 4 * (6 + 5), 4 * (6 + 5)),  # 7 = 4 + 3 cells a side of sixteen lattices
        (2, 8, 16, 4 * 1 * 2, 36),  # four lattices of 4 x 8 cells
        (4, 8, 8, 16 * 1, 9),  # sixteen lattices of 2 x 2 cells: three products a side
        (4, 8, 16, 16 * 5, 6),  # two cells are a tile that is short: one is left out, and the other computed in vain
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
    ("name", "ratio"), [("drn_c_26", 3.3), ("drn_a_18", 3.07), ("drn_d_54", 1.86), ("resnet_18", 2.52)]
)
def test_products_of_the_family(name, ratio):
    table = architecture(name)
    found = products(table, 224, 224)
    cells = costs.map_sides(table, 224)[-1][1] ** 2
    classifier = table.out_channels * 1000
    assert found.direct == costs.multiply_adds(table, 224) + (cells - 1) * classifier  # there it comes after pooling
    assert round(found.ratio, 2) == ratio
    assert products(table, 512, 1024).ratio > found.ratio
