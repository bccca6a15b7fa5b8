"""The commands `train` and `train-segmentation`: one network by a recipe, resuming where they stopped.

    python -m drn_lib train --recipe imagenet --arch drn_c_26 --out my_run
    python -m drn_lib train-segmentation --recipe cityscapes --arch drn_c_26 --weights released --out my_run

torch is imported when one of them runs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drn_lib import locks, paths
from drn_lib.architecture import architecture
from drn_lib.checkpoints.files import require_weights
from drn_lib.cli.options import RECIPES, add_flags, begin
from drn_lib.training import recipes
from drn_lib.training.recipes import ClassificationRecipe, SegmentationRecipe

if TYPE_CHECKING:
    from drn_lib.training import RunOptions


def add_commands(commands) -> None:
    """Add both commands to argparse's subparsers."""
    train = commands.add_parser("train", help="train one network by a recipe, resuming where it stopped")
    files = train.add_argument_group("recipes that read photographs from files (imagenet)")
    _add_flags(train, files, "tiny-imagenet-20-reduced", RECIPES)
    train.set_defaults(function=_train)
    pixels = commands.add_parser("train-segmentation", help="train a segmentation network, resuming where it stopped")
    _add_flags(pixels, pixels, "camvid-reduced", f"one of {', '.join(recipes.list_recipes(SegmentationRecipe))}")
    add_flags(pixels, "--weights", help="trained classifier to start from: a file, a shipped name, or 'released'")
    pixels.add_argument("--output-stride", type=int, choices=(8, 16), help="dilate a ResNet to it (default: leave it)")
    pixels.add_argument("--score-every", type=int, default=10, help="epochs between scores of val (default 10)")
    pixels.set_defaults(function=_train_segmentation)


def _add_flags(command, files, default: str, known: str) -> None:
    """The flags of both commands; `files` takes those that only recipes that read files use."""
    command.add_argument("--recipe", default=default, help=f"{known} (default %(default)s)")
    add_flags(command, "--arch", required=True, help="the network, for instance drn_c_26")
    command.add_argument("--dilation-rule", help="exact, levels or released (default: the family's own)")
    command.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation (default 0)")
    command.add_argument("--epochs", type=int, help="instead of the recipe's")
    fields = "another field of the recipe, e.g. epochs=5"
    command.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help=fields)
    command.add_argument("--engine", choices=recipes.ENGINES, default="plain", help="fast: for a CPU, see drn_lib.fast")
    add_flags(command, "--root", "--device")
    where = "folder for the state, the logs and the weights (default runs/<recipe>/<arch>-s<seed> in this folder)"
    add_flags(command, "--out", help=where)
    add_flags(files, "--workers")
    files.add_argument("--sync-batch-norm", action="store_true", help="one normalization over all GPUs' images")
    files.add_argument("--tensorboard", action="store_true", help="write TensorBoard's files beside log.csv")


def _train(options: argparse.Namespace) -> None:
    plan, how = _start(options, ClassificationRecipe)

    import torch

    from drn_lib import distributed
    from drn_lib.checkpoints import save_weights
    from drn_lib.datasets import open_dataset
    from drn_lib.datasets.catalog import validation_split
    from drn_lib.training import Init, train, train_from_files
    from drn_lib.training.batches import require_same_classes

    scored = validation_split(plan.dataset, **plan.dataset_options)

    def save(file: Path) -> str:
        save_weights(trained.model, file, train_set.classes)
        last = trained.curve[-1]
        key = scored if plan.reads_files else "tune"  # the part that `train` scores
        top5 = f", top-5 error {last[f'{key}_top5']:.1f} %" if f"{key}_top5" in last else ""
        return f"top-1 error on the {scored} part after epoch {last['epoch']}: {last[f'{key}_top1']:.1f} %{top5}"

    with _alone_in(how.folder):
        train_set, scored_set = (
            open_dataset(plan.dataset, part, options.root, **plan.dataset_options) for part in ("train", scored)
        )
        distributed.join(how.device)
        common = plan, options.arch, options.seed
        if plan.reads_files:
            torch.backends.cudnn.benchmark = True  # every batch has one size: the fastest algorithm is looked for once
            trained = train_from_files(*common, train_set, scored_set, options.dilation_rule, how)
        else:
            require_same_classes(train_set, scored_set)  # the arrays of `train` have no names of classes
            pairs = train_set.arrays(), len(train_set.classes), scored_set.arrays()
            trained = train(*common, *pairs, Init(options.dilation_rule), how)
        _finish(options, how, save)


def _train_segmentation(options: argparse.Namespace) -> None:
    plan, how = _start(options, SegmentationRecipe)

    import torch

    from drn_lib.datasets import open_dataset
    from drn_lib.datasets.catalog import validation_split
    from drn_lib.segmentation import make_backbone, save_segmentation, train_segmentation
    from drn_lib.segmentation.network import require_savable_segmentation

    def save(file: Path) -> str:
        save_segmentation(trained.model, file, train_set.mask_classes, recipe=plan.as_dict())
        last = trained.curve[-1]
        scores = f"{last['val_miou_present']:.1f} %, pixel accuracy {last['val_pixel_accuracy']:.1f} %"
        return f"mean IoU on validation images after epoch {last['epoch']}: {scores}"

    with _alone_in(how.folder):
        weights = options.arch if options.weights == "released" else options.weights
        torch.manual_seed(options.seed)
        backbone = make_backbone(options.arch, plan.width, weights, options.dilation_rule, options.output_stride)
        require_savable_segmentation(backbone, plan.enlarge or 1)  # hours before it is saved
        train_set, val_set = (
            open_dataset(plan.dataset, part, options.root, **plan.dataset_options)
            for part in ("train", validation_split(plan.dataset))
        )
        torch.backends.cudnn.benchmark = True  # every batch has one size: the fastest algorithm is looked for once
        trained = train_segmentation(plan, backbone, options.seed, train_set, val_set, options.score_every, how)
        _finish(options, how, save)


def _start(options: argparse.Namespace, kind: type) -> tuple[Any, RunOptions]:
    """The recipe of a kind, with the fields that the options change, and how the run is carried out."""
    plan = recipes.recipe(options.recipe, kind)
    epochs = [] if options.epochs is None else [f"epochs={options.epochs}"]
    plan = recipes.with_fields(plan, [*options.set, *epochs])
    if kind is ClassificationRecipe and not plan.reads_files and (options.sync_batch_norm or options.tensorboard):
        raise ValueError(f"--sync-batch-norm and --tensorboard are for recipes that read files, unlike {plan.name}")
    architecture(options.arch, options.dilation_rule)  # says that there is no such network before anything is opened
    if getattr(options, "weights", None) is not None:
        require_weights(options.weights, options.arch)
    out = options.out or Path("runs", options.recipe, f"{options.arch}-s{options.seed}")
    paths.output_folder(out, "--out")
    begin(f"training {options.arch} by the recipe {plan.name} on {plan.dataset}, into {out}")

    from drn_lib.distributed import device_of
    from drn_lib.training import RunOptions

    device = device_of(options.device)
    flags = {"workers": options.workers, "tensorboard": options.tensorboard, "engine": options.engine}
    return plan, RunOptions(out, device, sync_batch_norm=options.sync_batch_norm, **flags)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lock the folder of a training, by the leading process for all of them; what never began leaves no folder.

    Raises:
        Busy: another training is at it.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locks.only_one(folder, f"the training in {folder}"):
            try:
                yield
            except BaseException:
                if made and {file.name for file in folder.iterdir()} <= {"lock", locks.OWNER}:
                    (folder / "lock").unlink(missing_ok=True)
                raise
    except BaseException:
        with suppress(OSError):  # what is not empty stays
            for place in made:
                place.rmdir()
        raise


def _finish(options: argparse.Namespace, how: RunOptions, save: Callable[[Path], str]) -> None:
    """The first process saves the weights and prints how well they do, as `save` says; then all leave."""
    from drn_lib import distributed

    if distributed.join(how.device).leads:
        file = how.folder / f"{options.arch}-s{options.seed}.safetensors"
        print(f"{save(file)}; weights in {file}")
    distributed.leave()
