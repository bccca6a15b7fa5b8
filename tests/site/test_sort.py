"""The explorer that sorts a map: what it stores, its numbers, and where it puts the cells."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from book.explorers import sort
from drn_lib.gridding import merge_sublattices, split_sublattices
from tests.site.explorers import DATA, words

KNOWN = DATA["sort"]
MAPS = [
    sort.decoded(KNOWN["maps"][picture][network]).reshape(28, 28)
    for picture in KNOWN["pictures"]
    for network in KNOWN["networks"]
]


def test_a_map_is_stored_in_steps_and_read_back():
    values = np.arange(64.0).reshape(8, 8)
    assert np.array_equal(sort.decoded(sort.encoded(values)), np.arange(64))
    assert "\\" not in sort.encoded(values) and '"' not in sort.encoded(values)


def test_a_map_that_differs_by_rounding_alone_stays_as_it_is():
    stored = {"maps": {"rocket": {"drn_a_18": sort.encoded(np.arange(16.0).reshape(4, 4))}}}

    def kept(values) -> bool:
        made = {"maps": {"rocket": {"drn_a_18": sort.encoded(values.reshape(4, 4))}}}
        return sort.settled(made, stored) == stored

    values = np.arange(16.0)
    assert kept(values + 0.2 * (values == 7)) and not kept(values + 0.9 * (values == 7))


def test_the_sixteen_maps_of_the_degridded_network_are_the_more_alike():
    likeness = [sort.likeness(cells) for cells in MAPS]
    assert likeness[1] > likeness[0] + 0.2 and likeness[3] > likeness[2] + 0.2


def test_the_still_shows_the_sub_lattices():
    cells = MAPS[0]
    parts = split_sublattices(torch.from_numpy(cells), 4)
    shown = torch.from_numpy(sort._sorted(cells))
    assert torch.equal(shown[7:14, 14:21], parts[6]) and torch.equal(
        merge_sublattices(parts, 4), torch.from_numpy(cells)
    )
    greys = np.asarray(Image.open(io.BytesIO(sort._png(cells))).convert("L"), dtype=float)
    assert np.abs(greys - cells * 255 / 63).max() <= 8.6


@pytest.mark.slow
def test_numbers_and_places_in_the_page(modules):
    found = modules(
        """return { likeness: argument.maps.map((cells) => sort.likeness(sort.decode(cells), 28, 4)),
          mixed: sort.placed(28 * 5 + 6, 28, 4, 0), sorted: sort.placed(28 * 5 + 6, 28, 4, 1) };""",
        {"maps": [KNOWN["maps"][picture][network] for picture in KNOWN["pictures"] for network in KNOWN["networks"]]},
    )
    assert found["likeness"] == pytest.approx([sort.likeness(cells) for cells in MAPS])
    assert found["mixed"] == [60 + 18, 50 + 18]  # column 6, row 5, in the middle of the room that the gaps take
    assert found["sorted"] == [2 * 82 + 10, 1 * 82 + 10]  # sub-lattice (1, 2), its cell (1, 1)


@pytest.mark.slow
def test_the_slider_and_the_buttons_sort(visit):
    _, figure = visit("sort-03")
    said = [f"{sort.likeness(cells):.2f}" for cells in MAPS]
    assert re.findall(r"\d\.\d\d", words(figure)[0]) == said[:2]
    knob = figure.get_by_role("slider", name="Sort the cells")
    knob.focus()
    knob.press("End")
    assert "100 % sorted" in words(figure)[0]
    assert "16 maps of 7 by 7" in figure.locator("canvas").first.get_attribute("aria-label")
    figure.get_by_role("button", name="half way").click()
    assert knob.input_value() == "50"
    figure.get_by_label("the cup").check()
    assert re.findall(r"\d\.\d\d", words(figure)[0]) == said[2:]
