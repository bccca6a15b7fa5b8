"""One run of a study: train, score the test part once, record.

It leaves data/results/<study>/<run>.json (valid against data/results/schema.json), beside it an .npz with what
each test image came to, and for the seeds that the plan keeps, the weights in data/checkpoints/<study>/. The JSON
is written last: a run whose JSON exists is done and is not repeated.
"""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from drn_lib import paths
from drn_lib.checkpoints import save_weights
from drn_lib.datasets import open_dataset
from drn_lib.evaluation import evaluate, normalize
from drn_lib.gridding import lattice_energy_by_level
from drn_lib.network import create_model
from drn_lib.studies import Plan
from drn_lib.training import Trained, train

LATTICE_IMAGES = 300
"""Test images on which the lattice energy is measured: every tenth of 3,000."""
LATTICE_SIZE = 224
"""Pixels a side to which they are enlarged, so that a DRN's maps are 28 x 28."""


def run_one(plan: Plan, network: str, seed: int) -> Path:
    """Train, evaluate and record one run; returns its JSON file. Does nothing where that exists.

    Raises:
        RuntimeError: another process is at this run.
    """
    name = plan.run_name(network, seed)
    result_file = plan.result_file(name)
    if result_file.exists():
        return result_file
    folder = plan.work_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            commit = _commit()  # of the code that this process runs, whatever is committed meanwhile
            trained, dataset = _train(plan, network, seed, folder)
            return _record(plan, network, seed, trained, dataset, commit, result_file)
    except Timeout:
        raise RuntimeError(f"another process is at run {name}; wait for it, or stop it") from None


def _train(plan: Plan, network: str, seed: int, folder: Path) -> tuple[Trained, dict]:
    """Train on the train part, watch the tune part; the test part is not opened here."""
    parts = {}
    for part in ("train", "tune"):
        parts[part] = open_dataset(plan.recipe.dataset, part, **plan.recipe.dataset_options)
    images, labels = parts["train"].arrays()
    tune_images, tune_labels = parts["tune"].arrays()
    classes = parts["train"].classes
    trained = train(plan.recipe, network, seed, images, labels, len(classes), tune_images, tune_labels, folder=folder)
    about = {
        "name": plan.recipe.dataset,
        "partition": plan.recipe.partition,
        "classes": classes,
        "counts": {part: len(dataset) for part, dataset in parts.items()},
        "sha256": {part: dataset.fingerprint for part, dataset in parts.items()},
    }
    return trained, about


def _record(
    plan: Plan, network: str, seed: int, trained: Trained, about: dict, commit: str | None, result_file: Path
) -> Path:
    """Score the test part once and write .npz, weights and, last of all, the JSON that says the run is done."""
    test = open_dataset(plan.recipe.dataset, "test", **plan.recipe.dataset_options)
    images, labels = test.arrays()
    about["counts"]["test"], about["sha256"]["test"] = len(test), test.fingerprint
    scores, per_image = evaluate(trained.model, images, labels)
    metrics = {f"final.test.{key}": value for key, value in scores.items()}

    torch.manual_seed(seed)
    fresh = create_model(network, len(about["classes"]), plan.recipe.width)
    enlarged = _enlarge(images[:: max(1, len(images) // LATTICE_IMAGES)])
    for key, model in (("lattice_energy", trained.model), ("lattice_energy_untrained", fresh)):
        for level, energy in lattice_energy_by_level(model, normalize(enlarged), period=4).items():
            metrics[f"{key}.{'score_map' if level == 'score_map' else f'level_{level}'}"] = energy

    result_file.parent.mkdir(parents=True, exist_ok=True)
    with paths.replacing(result_file.with_suffix(".npz")) as temporary, open(temporary, "wb") as handle:
        np.savez_compressed(handle, **per_image)
    if seed in plan.keep_weights:
        weights = plan.weights_file(plan.run_name(network, seed))
        save_weights(trained.model, weights, classes=about["classes"])
    result = {
        "study": plan.study,
        "recipe": plan.recipe.as_dict(),
        "architecture": network,
        "seed": seed,
        "dataset": about,
        "metrics": {key: round(float(value), 5) for key, value in metrics.items()},
        "curve": trained.curve,
        "steps": plan.recipe.epochs * plan.recipe.steps_per_epoch(about["counts"]["train"]),
        "seconds": round(trained.seconds, 1),
        "device": _device_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "commit": commit,
        "finished": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    with paths.replacing(result_file) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n")
    return result_file


def _enlarge(images: torch.Tensor) -> torch.Tensor:
    """uint8 images (N, 3, H, W), bilinearly enlarged to LATTICE_SIZE a side."""
    size = (LATTICE_SIZE, LATTICE_SIZE)
    return torch.nn.functional.interpolate(images, size, mode="bilinear", align_corners=False)


def _device_name() -> str:
    """The processor's or the GPU's name, as far as the system tells it."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit of the checkout that ran, None outside a checkout."""
    command = ["git", "-C", str(paths.data_dir()), "rev-parse", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True)
    return answer.stdout.strip() or None
