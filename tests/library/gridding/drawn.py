"""Maps whose gridding is known because they are drawn."""

import torch


def band_limited(count, shape, highest):
    """Sums of plane waves of random frequencies up to `highest` along each axis: not periodic in the window."""
    rows, columns = (torch.arange(side, dtype=torch.float64) for side in shape)
    maps = torch.zeros(count, *shape, dtype=torch.float64)
    for _ in range(5):
        down, across = (highest * (2 * torch.rand(count, 1, 1, dtype=torch.float64) - 1) for _ in range(2))
        phase, height = torch.rand(count, 1, 1, dtype=torch.float64), torch.randn(count, 1, 1, dtype=torch.float64)
        maps += height * torch.cos(2 * torch.pi * (down * rows[:, None] + across * columns + phase))
    return maps / maps.std((-2, -1), keepdim=True)


def lattices(count, shape, period):
    """Random tiles, repeated."""
    tiles = torch.randn(count, period, period, dtype=torch.float64)
    height, width = shape
    repeated = tiles.repeat(1, height // period + 1, width // period + 1)[:, :height, :width]
    return repeated / repeated.std((-2, -1), keepdim=True)
