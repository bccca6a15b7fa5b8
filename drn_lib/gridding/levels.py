"""The maps of every level of a network, read batch by batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from drn_lib import probing
from drn_lib.checks import require_type, whole_number
from drn_lib.gridding.maps import require_maps


@torch.no_grad()
def read_levels(
    model: nn.Module, images: Tensor, read: Callable[[int | str, Tensor], None], batch_size: int = 4
) -> None:
    """Call `read(level, maps)` for every batch and level of a network, and for its score map as level "score_map".

    Args:
        model: a `network.Network`; read in evaluation mode, which is then undone.
        images: (N, 3, H, W), as the model expects them.
        read: gets maps (n, C, h, w), n up to `batch_size`.
        batch_size: images that go through the network at once.

    Raises:
        ValueError: maps hold values that are not finite; the level is named.
    """
    require_type(images, Tensor, "the images")
    whole_number("batch_size", batch_size, 1)
    with probing.evaluating(model):
        for batch in images.split(batch_size):
            maps_by_level: dict[int | str, Tensor] = dict(model.features(batch))
            maps_by_level["score_map"] = model.classifier(maps_by_level[max(maps_by_level)])
            for level, maps in maps_by_level.items():
                require_maps(maps, name_of(level))
                read(level, maps)


def name_of(level: int | str) -> str:
    """The map's name in an error message."""
    return f"the map of level {level}" if isinstance(level, int) else "the score map"
