"""Grid contrast of trained networks: `python -m book.studies.measurements.grid.networks SEED ...`.

It needs the data and takes minutes. It adds the seeds to data/results/grid_measure.json and .npz: every network of the
classification study whose weights of that seed are stored, on every tenth test image at 224 px. Of seed 0 also the
nulls of data/studies/grid_measure.md: the same networks with fresh weights, and the maps of the trained ones after the
cells of every 4 x 4 block changed places. What is there is not measured again.
"""

from __future__ import annotations

import json
import sys
from itertools import product

import numpy as np
import torch
from torch import Tensor

from book.studies import files
from book.studies.maps import grids
from book.studies.plans import load_plan
from drn_lib.checkpoints.files import find_shipped
from drn_lib.checkpoints.weights import load_trained
from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.tiny_imagenet import BOOK_PARTITION
from drn_lib.gridding import autocorrelation, contrast_of
from drn_lib.gridding.contrast import PERIODS
from drn_lib.gridding.correlation import LAGS
from drn_lib.gridding.levels import read_levels
from drn_lib.network import Network, create_model

STUDY = "classification"
NETWORKS = ("resnet_18", "drn_a_18", "drn_b_26", "drn_c_26", "drn_d_22")
NETWORKS += ("ladder_a_22", "ladder_a_22_falling", "ladder_a_22_unlinked")
WITH_NULL = ("resnet_18", "drn_a_18", "drn_b_26", "drn_c_26")
"""Networks that are also measured with fresh weights."""
FROM_LEVEL = 4
"""Earlier levels have finer maps: a period of 4 cells is another thing there."""


def result_file():
    """The JSON; the arrays lie beside it."""
    return files.results_dir() / "grid_measure.json"


def shuffled(maps: Tensor, generator: torch.Generator, block: int = 4) -> Tensor:
    """Maps (..., H, W), H and W multiples of `block`, in each block of which the cells have changed places at random.

    All channels of a block change alike. What repeats every `block` cells is lost, what is smoother than a block stays.
    """
    *lead, height, width = maps.shape
    blocks = maps.reshape(*lead, height // block, block, width // block, block).transpose(-3, -2).flatten(-2)
    order = torch.rand(height // block, width // block, block**2, generator=generator).argsort(-1)
    blocks = blocks.gather(-1, order.expand(blocks.shape))
    return blocks.unflatten(-1, (block, block)).transpose(-3, -2).reshape(maps.shape)


def measure(model: Network, seen: Tensor, shuffle: bool) -> tuple[dict[str, dict[str, np.ndarray]], dict]:
    """Of a network: one value an image by "<level>.period_<p>", of its maps and, where asked for, of shuffled ones (as
    far as blocks fit); and the mean autocorrelations by "<level>.plain" and "<level>.without_local_mean".
    """
    values: dict[str, dict[str, list[Tensor]]] = {"as they are": {}, "shuffled": {}}
    correlations: dict[str, list[Tensor]] = {}
    generator = torch.Generator().manual_seed(0)

    def keep(kind: str, key: str, correlation: Tensor) -> None:
        for period in PERIODS:
            values[kind].setdefault(f"{key}.period_{period}", []).append(contrast_of(correlation, period))

    def read(level: int | str, maps: Tensor) -> None:
        side, key = min(maps.shape[-2:]), grids.key_of(level)
        if level != "score_map" and level < FROM_LEVEL:
            return
        lags = min(LAGS, side - 1)
        plain = autocorrelation(maps, lags)
        without = autocorrelation(maps, lags, without_local_mean=True)
        for name, found in (("plain", plain), ("without_local_mean", without)):
            correlations.setdefault(f"{key}.{name}", []).append(found)
        keep("as they are", key, plain)
        if shuffle and side % 4 == 0:
            keep("shuffled", key, autocorrelation(shuffled(maps, generator), lags))

    read_levels(model, seen, read)
    arrays = {
        kind: {key: torch.cat(of).numpy().astype(np.float16) for key, of in own.items()} for kind, own in values.items()
    }
    return arrays, {key: torch.cat(of).mean(0).numpy().astype(np.float32) for key, of in correlations.items()}


def add(name: str, seed: int, seen: Tensor, found: dict, arrays: dict[str, np.ndarray]) -> None:
    """Measure one network."""
    model = load_trained(f"{STUDY}/{name}-s{seed}")
    of_kind, correlations = measure(model, seen, shuffle=seed == 0)
    kinds = {"trained": of_kind["as they are"], "shuffled": of_kind["shuffled"]}
    if seed == 0 and name in WITH_NULL:
        variant = load_plan(STUDY).variants[name]
        torch.manual_seed(seed)
        fresh = create_model(variant.network, len(model.classes), variant.recipe.width, variant.dilation_rule)
        kinds["untrained"] = measure(fresh, seen, shuffle=False)[0]["as they are"]
    for kind, own in kinds.items():
        if own:
            means = {key: round(float(value.mean(dtype=float)), 4) for key, value in own.items()}
            found.setdefault(kind, {}).setdefault(name, {})[str(seed)] = means
            arrays.update({f"{kind}.{name}-s{seed}.{key}": value for key, value in own.items()})
            print(name, seed, kind, means, flush=True)
    arrays.update({f"autocorrelation.{name}-s{seed}.{key}": value for key, value in correlations.items()})


def main(seeds: list[int]) -> None:
    file = result_file()
    found = json.loads(file.read_text()) if file.exists() else {"study": STUDY, "size": grids.SIZE}
    arrays = dict(np.load(file.with_suffix(".npz"))) if file.exists() else {}
    images, _ = open_dataset("tiny-imagenet", "test", partition=BOOK_PARTITION).arrays()
    seen = grids.views(images)
    for seed, name in product(seeds, NETWORKS):
        if find_shipped(f"{STUDY}/{name}-s{seed}") is None:
            print(f"{name}, seed {seed}: no weights are stored", flush=True)
        elif str(seed) in found.get("trained", {}).get(name, {}):
            print(f"{name}, seed {seed}: measured before", flush=True)
        else:
            add(name, seed, seen, found, arrays)
            files.write_arrays(file, arrays)
            files.write_json(file, found)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
