"""One run of a study: train, score the test part once, record.

It leaves data/results/<study>/<run>.json (valid against data/results/schema.json), beside it an .npz with what
each test image came to (its class and, where the data set has boxes, how well its object was found), and for the
seeds that the plan keeps, the weights in data/checkpoints/<study>/. The JSON is written last: a run whose JSON exists
is done and is not repeated.

Here is what every run shares, and how classifiers are trained and scored; what `segmentation` does instead is
done where the recipe is one of segmentation.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import torch

from book.studies import files, localization, masks, provenance, segmentation
from book.studies.maps import grids
from book.studies.plans import Plan, Variant
from drn_lib import locks, paths
from drn_lib.architecture import DILATION_RULES
from drn_lib.checkpoints.files import find_shipped
from drn_lib.checkpoints.weights import save_weights
from drn_lib.conversion import dilate
from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.clutter import open_clutter, training_canvases
from drn_lib.datasets.tiny_imagenet import BOOK_PARTITION, SIZE
from drn_lib.evaluation.classification import evaluate
from drn_lib.network import Network, create_model
from drn_lib.segmentation.network import save_segmentation
from drn_lib.training.classification import Init, train
from drn_lib.training.loop import RunOptions, Trained
from drn_lib.training.recipes import ClassificationRecipe, SegmentationRecipe


def run_one(plan: Plan, variant: str, seed: int, device: str = "cpu") -> Path:
    """Train, evaluate and record one run on "cpu" or "cuda"; returns its JSON file. Does nothing where that exists.

    A study computes in float32 everywhere, so that runs of one study may come from either: they differ by rounding,
    as two kinds of CPU do.

    Raises:
        Busy: another process is at this run.
        ValueError: it is done, but by another recipe than the plan has now; a folder cannot be written; or the plan's
            engine is for another device.
        DatasetNotFound, DataError: some data that it trains on or is scored on are not there.
    """
    name = plan.run_name(variant, seed)
    if plan.result(variant, seed) is not None:
        return plan.result_file(name)
    check_engine(plan, device)
    check_folders(plan)
    folder = plan.work_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    with locks.only_one(folder, f"run {name}"):
        if plan.result(variant, seed) is not None:  # another process ended it before the lock was free
            return plan.result_file(name)
        for leftover in folder.glob(".*.tmp"):  # of processes that were killed: the lock is ours
            leftover.unlink(missing_ok=True)
        known = plan.variants[variant]
        _open_scored(known, plan.scored_part)
        computed = {"commit": provenance.trained_by(folder)}
        computed["device"] = provenance.noted(folder, "devices", provenance.device_name(device))
        computed["torch"] = provenance.noted(folder, "torch", str(torch.__version__))
        _compute_in_float32(device)
        segments = isinstance(known.recipe, SegmentationRecipe)
        train_run, score_run = (segmentation.train, segmentation.score) if segments else (train_classifier, _score)
        trained, about = train_run(known, seed, RunOptions(folder, device, full_precision=True, engine=plan.engine))
        scores = score_run(known, seed, trained.model, about, plan.scored_part)
        return _record(plan, known, seed, trained, about, scores, computed)


def check_engine(plan: Plan, device: str) -> None:
    """Refuse a GPU where the plan's engine is for CPUs.

    Raises:
        ValueError: see above.
    """
    if plan.engine == "fast" and torch.device(device).type != "cpu":
        raise ValueError(f"the engine of study {plan.study} is fast, which is for a CPU: use --device cpu")


def check_folders(plan: Plan) -> None:
    """Try the folders that a plan's runs write, before anything is trained; nothing is left in them.

    Where the working folder's locks do not keep a second machine out, a line on standard error says so.

    Raises:
        ValueError: one of them cannot be written.
        OSError: the working folder's file system grants no locks.
    """
    cache = plan.work_folder("of a run").parent
    wanted = {"the cache folder": (cache, "set DRN_CACHE to one that can be written")}
    for what, folder in (("results", files.results_dir()), ("weights", paths.checkpoints_dir())):
        if what == "results" or any(wave.keep_weights for wave in plan.waves):
            wanted[f"the {what} folder"] = (folder / plan.study, "a study needs it when a run ends; allow writing")
    for what, (folder, advice) in wanted.items():
        try:
            paths.output_folder(folder, what)
        except ValueError as error:
            raise ValueError(f"{str(error).rpartition(': ')[0] or error}: {advice}") from error
    cache.mkdir(parents=True, exist_ok=True)
    if not locks.lock_holds(cache):
        print(f"locks in {cache} do not hold between machines: let no two of them share this folder", file=sys.stderr)


def _open_scored(variant: Variant, part: str) -> None:
    """Open what a finished run is scored on, and read no image: what is missing is told before the training."""
    recipe = variant.recipe
    if isinstance(recipe, SegmentationRecipe):
        segmentation.open_part(recipe, part)
        return
    open_dataset(recipe.dataset, part, **recipe.dataset_options)
    if part == "test":
        _localization_sets(recipe)


def train_classifier(variant: Variant, seed: int, options: RunOptions) -> tuple[Trained, dict]:
    """Train on the training split, watch the validation split; no test image is read here."""
    recipe = variant.recipe
    parts = {part: open_dataset(recipe.dataset, part, **recipe.dataset_options) for part in ("train", "tune")}
    if recipe.dataset == "clutter":
        images = training_canvases(parts["train"], seed)
        labels = torch.as_tensor(parts["train"].labels)
    else:
        images, labels = parts["train"].arrays()
    classes = parts["train"].classes
    trained = train(
        recipe,
        variant.network,
        seed,
        (images, labels),
        len(classes),
        parts["tune"].arrays(),
        Init(variant.dilation_rule, f"{variant.start}-s{seed}" if variant.start else None, variant.head, variant.tail),
        options,
    )
    about = {
        "name": recipe.dataset,
        "partition": recipe.partition,
        "classes": classes,
        "counts": {part: len(dataset) for part, dataset in parts.items()},
        "sha256": {part: dataset.fingerprint for part, dataset in parts.items()},
    }
    return trained, about


def _score(variant: Variant, seed: int, model: Network, about: dict, part: str) -> tuple[dict, dict]:
    """Score one part once: metrics, and arrays with one entry for each image."""
    recipe = variant.recipe
    dataset = open_dataset(recipe.dataset, part, **recipe.dataset_options)
    images, labels = dataset.arrays()
    about["counts"][part], about["sha256"][part] = len(dataset), dataset.fingerprint
    scores, per_image = evaluate(model, images, labels, recipe.image_size)
    metrics = {f"final.{part}.{key}": value for key, value in scores.items()}
    metrics.update(_lattice_metrics(variant, seed, model, images, len(about["classes"])))
    contrasts, arrays = grids.contrasts(model, images)
    metrics.update(contrasts)
    per_image.update(arrays)
    metrics.update(_posthoc_metrics(model, images, labels, recipe.image_size, part))
    if part == "test":
        found, boxes = _localization(recipe, model, about)
        metrics.update(found)
        per_image.update(boxes)
    return metrics, per_image


def _record(
    plan: Plan,
    variant: Variant,
    seed: int,
    trained: Trained,
    about: dict,
    scores: tuple[dict, dict],
    computed: dict[str, str | None],
) -> Path:
    """Write .npz, weights and, last of all, the JSON that says the run is done.

    `scores` are metrics and outcomes per image, `computed` the run's device, torch version and commit.
    """
    metrics, per_image = scores
    recipe, name = variant.recipe, plan.run_name(variant.name, seed)
    result_file = plan.result_file(name)
    files.write_arrays(result_file, per_image)
    if plan.keeps_weights(variant.name, seed):
        save = save_segmentation if isinstance(recipe, SegmentationRecipe) else save_weights
        save(trained.model, plan.weights_file(name), classes=about["classes"])
    result = {
        "study": plan.study,
        "variant": variant.name,
        "recipe": recipe.as_dict(),
        "architecture": variant.network,
        "start": variant.start,
        "start_sha256": provenance.sha256(find_shipped(f"{variant.start}-s{seed}")) if variant.start else None,
        "head": variant.head,
        "tail": variant.tail,
        "dilation_rule": trained.model.table.dilation_rule,
        "seed": seed,
        "dataset": about,
        "metrics": {key: round(float(value), 5) for key, value in metrics.items()},
        "curve": trained.curve,
        "steps": recipe.epochs * recipe.steps_per_epoch(about["counts"]["train"]),
        "seconds": round(trained.seconds, 1),
        "device": computed["device"],
        "engine": trained.engine or None,
        "threads": torch.get_num_threads(),
        "torch": computed["torch"],
        "commit": computed["commit"],
        "scored_commit": provenance.commit(),
        "finished": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    files.write_json(result_file, result)
    return result_file


def _localization(recipe: ClassificationRecipe, model: Network, about: dict) -> tuple[dict, dict]:
    """Boxes and points: on the book's Tiny-ImageNet images, plain and in clutter, or on the pets; else nothing."""
    sets = _localization_sets(recipe)
    if not sets:
        return {}, {}
    if recipe.dataset == "pets":
        return masks.measure_masks(model, recipe.image_size, *sets)
    tune, test, *clutter = sets
    about["sha256"]["clutter"] = clutter[1].fingerprint
    # Pixels a side at which the network was trained to see such an image; on a canvas it takes up a part of them.
    side = clutter[1].side if recipe.dataset == "clutter" else SIZE
    return localization.measure(model, recipe.image_size * SIZE // side, tune, test, tuple(clutter))


def _localization_sets(recipe: ClassificationRecipe) -> list[ImageDataset]:
    """The tune and the test part on which objects are looked for; for Tiny-ImageNet also of the canvases."""
    parts = ("tune", "test")
    if recipe.dataset == "pets":
        return [open_dataset("pets", part, **recipe.dataset_options) for part in parts]
    if recipe.dataset not in ("tiny-imagenet", "clutter"):
        return []
    images = {"partition": recipe.partition or BOOK_PARTITION}
    return [
        *(open_dataset("tiny-imagenet", part, **images) for part in parts),
        *(open_clutter(p, **images) for p in parts),
    ]


def _lattice_metrics(variant: Variant, seed: int, model: Network, images: torch.Tensor, classes: int) -> dict:
    """Lattice energy of period 4 by level, of the trained network and of the same network with fresh weights."""
    torch.manual_seed(seed)
    fresh = create_model(variant.network, classes, variant.recipe.width, variant.dilation_rule)
    fresh = fresh.to(next(model.parameters()).device)
    return {
        **grids.lattice_energies("lattice_energy", model, images),
        **grids.lattice_energies("lattice_energy_untrained", fresh, images),
    }


def _posthoc_metrics(model: Network, images: torch.Tensor, labels: torch.Tensor, size: int, part: str) -> dict:
    """A trained ResNet dilated afterwards under each rule, without training: errors and lattice energy."""
    if model.table.dilation_rule is not None:
        return {}
    metrics = {}
    for rule in DILATION_RULES:
        dilated = dilate(model, output_stride=8, dilation_rule=rule)
        scores, _ = evaluate(dilated, images, labels, size)
        metrics.update({f"posthoc.{rule}.{part}.{key}": value for key, value in scores.items()})
        metrics.update(grids.lattice_energies(f"posthoc.{rule}.lattice_energy", dilated, images))
    return metrics


def _compute_in_float32(device: str) -> None:
    """No shorter format for a GPU's convolutions: by default cuDNN multiplies in TF32, with 10 bits after the point."""
    if torch.device(device).type == "cuda":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.benchmark = True  # a run has few sizes of input: look for the fastest algorithm of each
