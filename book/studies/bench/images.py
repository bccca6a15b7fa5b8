"""What one image costs in time: `python -m book.studies.bench.images`, a minute; writes data/results/image_times.json.

Chapter 05 draws errors against it. Networks of the study `classification`, with fresh weights, read a batch of 32
images of the size that they are trained at, one thread, in turn; each as PyTorch computes it and as `drn_lib.fast`
does, with batch normalization folded. Stored are medians of the process's time, in units of the first network's.
"""

from __future__ import annotations

import os
import statistics
import time

import torch

from book.studies import files
from book.studies.plans import load_plan
from book.studies.provenance import device_name
from drn_lib import fast
from drn_lib.network import Network, create_model

STUDY = "classification"
NETWORKS = ("resnet_18", "resnet_18_wide", "resnet_18_large", "drn_a_18", "drn_b_26", "drn_c_26", "drn_d_22")
CLASSES = 20
BATCH = 32
ROUNDS = 15
ENGINES = ("plain", "fast")


def result_file():
    return files.results_dir() / "image_times.json"


def networks(name: str) -> dict[str, tuple[Network, torch.Tensor]]:
    """By engine: the network of a variant in evaluation, and a batch of its images."""
    variant = load_plan(STUDY).variants[name]
    images = torch.randn(BATCH, 3, variant.side, variant.side, generator=torch.Generator().manual_seed(0))
    made = {}
    for engine in ENGINES:
        model = create_model(variant.network, CLASSES, variant.recipe.width, variant.dilation_rule).eval()
        made[engine] = (fast.accelerate(model, fold=True, quiet=True) if engine == "fast" else model), images
    return made


@torch.inference_mode()
def measure(names: tuple[str, ...] = NETWORKS, rounds: int = ROUNDS) -> dict[str, dict[str, float]]:
    """By variant and engine: the median time of an image over `rounds` rounds, in units of the first network's."""
    made = {(name, engine): pair for name in names for engine, pair in networks(name).items()}
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in made}
    for _ in range(rounds + 1):  # the first round compiles and warms up
        for key, (model, images) in made.items():
            start = time.process_time()
            model(images)
            taken[key].append(time.process_time() - start)
    middle = {key: statistics.median(times[1:]) for key, times in taken.items()}
    unit = middle[names[0], "plain"]
    return {name: {engine: round(middle[name, engine] / unit, 3) for engine in ENGINES} for name in names}


def main() -> None:
    torch.set_num_threads(1)
    found = {
        "unit": f"{NETWORKS[0]}, plain",
        "batch": BATCH,
        "threads": 1,
        "rounds": ROUNDS,
        "processor": device_name("cpu"),
        "torch": torch.__version__,
        "load": round(os.getloadavg()[0], 1),
        "times": measure(),
    }
    files.write_json(result_file(), found)
    print(found)


if __name__ == "__main__":
    main()
