"""The nulls of the grid contrast: maps whose cells changed places have the same values and no grid."""

import torch

from book.studies.measurements.grid.networks import shuffled
from drn_lib.gridding import grid_contrast
from tests.library.gridding.drawn import lattices


def test_shuffled_blocks_keep_their_values_and_lose_the_grid():
    torch.manual_seed(0)
    maps = lattices(8, (28, 28), 4)[None] + torch.arange(7.0).repeat_interleave(4)  # steps from block to block
    mixed = shuffled(maps, torch.Generator().manual_seed(0))
    for height, width in ((0, 0), (24, 8)):
        block = (..., slice(height, height + 4), slice(width, width + 4))
        before, after = maps[block].flatten(-2), mixed[block].flatten(-2)
        assert torch.equal(before.sort().values, after.sort().values) and not torch.equal(before, after)
    flat = lattices(8, (28, 28), 4)[None]
    assert (
        grid_contrast(flat, 4) > 0.3 and abs(grid_contrast(shuffled(flat, torch.Generator().manual_seed(0)), 4)) < 0.05
    )
