"""Tensors in the same memory: which cells they share, by small examples."""

import pytest
import torch

from drn_lib.geometry import memory

MAP = torch.arange(48.0).view(2, 4, 6)  # two channels of 4 x 6 cells


@pytest.mark.parametrize(
    ("view", "written", "found"),
    [
        (MAP, MAP, True),
        (MAP[0], MAP, True),  # all cells of one channel, where they were
        (MAP[:, 1:], MAP, False),  # a row further up
        (MAP[:, :, ::2], MAP, False),
        (MAP.transpose(1, 2), MAP, False),
        (MAP[0], MAP[1], None),
        (MAP[0, 0], MAP[0, 0].view(1, 6), True),  # a row of cells is a map of one row
        (MAP[0, 0], MAP[0, :2], False),  # of two rows it is another map
        (MAP[0, 0, 0], MAP[0, 0, 0].view(1, 1), True),
        (MAP[:0], MAP, None),
        (MAP.clone(), MAP[:, :, :0], None),
    ],
)
def test_whether_shared_cells_stand_at_the_same_places(view, written, found):
    assert memory.aligned(view, written) is found


def test_in_large_tensors_nothing_is_looked_for(monkeypatch):
    monkeypatch.setattr(memory, "MOST_CELLS", MAP.numel())
    assert memory.aligned(MAP, MAP) is True
    monkeypatch.setattr(memory, "MOST_CELLS", MAP.numel() - 1)
    assert memory.aligned(MAP, MAP) is False
