"""What chapters 03 and 04 read off maps and stored results, beside `drn_lib.gridding`."""

from __future__ import annotations

import torch
from torch import Tensor

from book.studies import results
from drn_lib.gridding import radial_power_spectrum


def strongest_channel(maps: Tensor) -> Tensor:
    """The channel (H, W) of one image's maps (1, C, H, W) whose activations have the highest mean magnitude.

    Source: how the paper chooses what Figs. 6 and 7 show.
    """
    return maps[0, maps[0].abs().mean((1, 2)).argmax()]


def high_frequency_fraction(maps: Tensor, above: float = 0.25) -> float:
    """Fraction of the maps' power at frequencies over `above`, of all between 0 and 0.5 cycles per cell.

    Maps are (..., H, W). A ring of the spectrum holds as many frequencies as its radius says, so white noise has
    1 - (above / 0.5) ** 2: three quarters over 0.25.

    Source: puts a number to the paper's Fig. 6.
    """
    frequency, power = radial_power_spectrum(maps)
    held = frequency * power
    return (held[frequency > above].sum() / held.sum()).item()


def tile(period: int, cells: int) -> Tensor:
    """A pure lattice (cells, cells) of `period`: one random tile of mean 0 and variance 1, repeated."""
    values = torch.randn(period, period, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = (values - values.mean()) / values.std(correction=0)
    repeats = -(-cells // period)
    return values.repeat(repeats, repeats)[:cells, :cells]


def stored_energies(study: str, network: str, untrained: bool = False) -> dict[str, float]:
    """Lattice energies of a network in a study, by map: {"4": ..., "score map": ...}; the mean over its seeds.

    Levels below 4 are left out: their cells are smaller, so a period of 4 cells is another thing there.
    """
    prefix = "lattice_energy_untrained" if untrained else "lattice_energy"
    maps = {**{str(level): f"level_{level}" for level in range(4, 9)}, "score map": "score_map"}
    samples = {name: results.metric(study, network, f"{prefix}.{key}") for name, key in maps.items()}
    return {name: sample.mean for name, sample in samples.items() if sample.n}
