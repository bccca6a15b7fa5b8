"""`python -m book.studies.maps.blur SEED ...`: boxes and points of stored networks after a fixed blur of the score map.

The plan is data/studies/blur.md. Each network is measured as it is ("drn_a_18"), blurred by [1 2 1] / 4 at dilations 2
and 1 ("drn_a_18_smooth") and by a mean of 4 x 4 cells ("drn_a_18_mean"): runs of the study `blur`, without training,
from the weights of `classification`. A run that is there is not measured again.
"""

from __future__ import annotations

import datetime
import json
import sys
import time

import numpy as np
import torch

from book.studies import files, provenance
from book.studies.localization import class_maps, load_eval_set, measure_maps, score_maps
from drn_lib import paths
from drn_lib.checkpoints.files import find_shipped
from drn_lib.checkpoints.weights import load_trained
from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.clutter import open_clutter
from drn_lib.datasets.tiny_imagenet import BOOK_PARTITION
from drn_lib.gridding import grid_contrast, low_pass
from drn_lib.gridding.contrast import PERIODS

STUDY, START = "blur", "classification"
NETWORKS = ("drn_a_18", "drn_b_26", "drn_c_26")
BLURS = {"": (), "_smooth": ((1, 0, 2, 0, 1), (1, 2, 1)), "_mean": ((1, 2, 2, 2, 1),)}
"""By the end of a variant's name: the kernels along each axis, one after another."""


def run(network: str, seed: int) -> None:
    """Measure one network from one seed under every blur, and store the runs; nothing where they are stored."""
    names = {f"{network}{end}": kernels for end, kernels in BLURS.items()}
    folder = files.results_dir() / STUDY
    if all((folder / f"{name}-s{seed}.json").exists() for name in names):
        return
    model = load_trained(f"{START}/{network}-s{seed}")
    plain = [open_dataset("tiny-imagenet", part, partition=BOOK_PARTITION) for part in ("tune", "test")]
    canvases = [open_clutter(part) for part in ("tune", "test")]
    about = {
        "name": "tiny-imagenet",
        "partition": BOOK_PARTITION,
        "classes": plain[1].classes,
        "counts": {"tune": len(plain[0]), "test": len(plain[1])},
        "sha256": {"test": plain[1].fingerprint, "clutter": canvases[1].fingerprint},
    }
    measured: dict[str, tuple[dict, dict]] = {name: ({}, {}) for name in names}
    begin, jump = time.monotonic(), model.feature_info[-1].reduction
    for prefix, sets in (("localization.native", plain), ("clutter", canvases)):
        tune, test = map(load_eval_set, sets)
        size = test.size[0]
        scores = [list(score_maps(model, eval_set, size)) for eval_set in (tune, test)]
        for name, kernels in names.items():
            blurred = [[low_pass(batch, *kernels) for batch in batches] for batches in scores]
            maps = [class_maps(batches, of, size, jump) for batches, of in zip(blurred, (tune, test))]
            found, arrays = measure_maps(*maps, tune, test, with_cam=True)
            for period in PERIODS:
                contrasts = torch.cat([grid_contrast(batch, period) for batch in blurred[1]]).numpy()
                arrays[f"grid_contrast.period_{period}"] = contrasts.astype(np.float16)
                found[f"grid_contrast.period_{period}"] = contrasts.astype(np.float16).mean(dtype=float)
            measured[name][0].update({f"{prefix}.{key}": value for key, value in found.items()})
            measured[name][1].update({f"{prefix}.{key}": value for key, value in arrays.items()})
    for name, (metrics, arrays) in measured.items():
        _record(f"{name}-s{seed}", _stored(name, network, seed, metrics, about, time.monotonic() - begin), arrays)


def _stored(name: str, network: str, seed: int, metrics: dict, about: dict, seconds: float) -> dict:
    start = f"{START}/{network}"
    return {
        "study": STUDY,
        "variant": name,
        "recipe": "no training",
        "architecture": network,
        "start": start,
        "start_sha256": provenance.sha256(find_shipped(f"{start}-s{seed}")),
        "seed": seed,
        "dataset": about,
        "metrics": {key: round(float(value), 5) for key, value in metrics.items()},
        "curve": [],
        "seconds": round(seconds, 1),
        "device": provenance.device_name("cpu"),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "commit": provenance.commit(),
        "finished": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def _record(name: str, result: dict, arrays: dict[str, np.ndarray]) -> None:
    """The arrays first: a run whose JSON exists is done."""
    file = files.results_dir() / STUDY / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with paths.replacing(file.with_suffix(".npz")) as temporary, open(temporary, "wb") as handle:
        np.savez_compressed(handle, **arrays)
    with paths.replacing(file) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main(seeds: list[int]) -> None:
    """Measure these seeds of every network."""
    for seed in seeds:
        for network in NETWORKS:
            run(network, seed)
            print(f"{network}, seed {seed}: stored", flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
