"""How degridding levels without residual links begin: from random weights, as the identity, or linked at first.

DRN-C's levels 7 and 8 are the last ones of a deep chain, and no link leads around them. Does such a network learn
worse, or only later? Two other starts are offered; neither changes the network that is trained in the end. torch is
imported when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drn_lib.architecture import Architecture, Level, convolutions
from drn_lib.checks import one_of

if TYPE_CHECKING:
    from drn_lib.network import Block, Network

TAILS = ("fresh", "identity", "fading")
"""How the convolutions of an unlinked tail begin, by name:

``fresh``     like all others
``identity``  1 at the middle tap from each channel to itself, else 0; a batch normalization still follows
``fading``    like all others, with a residual link around each block that fades, step by step, from 1 to 0 over the
              first half of the steps: from there on the network is the unlinked one
"""
FADED = 0.5
"""The fraction of the steps after which faded links are 0."""


def require_start(table: Architecture, tail: str) -> None:
    """Refuse what the tail of a network cannot begin as.

    Raises:
        ValueError: it is none of `TAILS`; or, but for "fresh", the network has no unlinked tail, or one that changes
            the number of channels.
    """
    if one_of("start of the tail", tail, TAILS) == "fresh":
        return
    numbers = [level.number for level in _levels(table)]
    if not numbers:
        raise ValueError(f"{table.name} has no levels 7 and 8 without residual links to start as {tail!r}")
    for row in convolutions(table):
        if row.level in numbers and row.in_channels != row.out_channels:
            raise ValueError(
                f"the tail of {table.name} takes {row.in_channels} channels to {row.out_channels}, which no identity "
                f"and no link does: it cannot start as {tail!r}"
            )


def begin(model: Network, tail: str) -> None:
    """Start the unlinked tail of a fresh network in one of the ways of `TAILS`; ValueError as `require_start`."""
    require_start(model.table, tail)
    if tail == "identity":
        from torch.nn.init import dirac_

        for block in unlinked(model):
            for row in block.convs:
                dirac_(row.conv.weight)


def unlinked(model: Network) -> list[Block]:
    """The blocks of levels 7 and 8, where these have no residual links."""
    return [block for level in _levels(model.table) for block in model.levels[str(level.number)]]


def link(step: int, steps: int) -> float:
    """The factor of a fading link in step `step` of `steps`: 1 in the first step, 0 from half of them on."""
    return max(0.0, 1.0 - step / (FADED * steps))


def fade(model: Network, step: int, steps: int) -> None:
    """Set the links of an unlinked tail for one step."""
    for block in unlinked(model):
        block.link = link(step, steps)


def _levels(table: Architecture) -> list[Level]:
    return [level for level in table.levels if level.number > 6 and not level.residual]
