"""The command `evaluate`: top-1 and top-5 error of a trained classifier, for ImageNet beside the paper's numbers."""

from __future__ import annotations

import argparse

from drn_lib.checkpoints.files import require_weights
from drn_lib.cli.data import partition_options
from drn_lib.cli.options import RECIPES, add_flags, add_weights, begin, named_once
from drn_lib.cli.published import published_errors
from drn_lib.images import CROPS


def add_commands(commands) -> None:
    """Add `evaluate` to argparse's subparsers."""
    evaluate = commands.add_parser(
        "evaluate",
        help="top-1 and top-5 error of trained weights",
        description="evaluate WEIGHTS scores them on --dataset; evaluate --recipe imagenet --arch drn_c_26 "
        "--weights released scores on the recipe's data, beside the paper's numbers.",
    )
    add_weights(evaluate)
    add_flags(evaluate, "--arch")
    evaluate.add_argument("--recipe", help=f"score on its data and at its size, instead of --dataset: {RECIPES}")
    evaluate.add_argument(
        "--crops", type=int, choices=CROPS, default=1, help="1 or 10, for a recipe that reads files (default 1)"
    )
    evaluate.add_argument("--dataset", default="tiny-imagenet", help="default %(default)s")
    evaluate.add_argument(
        "--partition",
        help="a list in data/splits, or '' for the whole archive (default tiny-imagenet-20 for tiny-imagenet, pets-3 "
        "for pets; the others have none)",
    )
    split = "default tune; val of ImageNet and of all Tiny-ImageNet; test is only for final results"
    evaluate.add_argument("--split", help=split)
    add_flags(evaluate, "--root", "--device", "--workers")
    evaluate.set_defaults(function=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    from drn_lib.datasets.catalog import require_names
    from drn_lib.training.recipes import ClassificationRecipe, recipe

    weights = named_once(options)
    plan = recipe(options.recipe, ClassificationRecipe) if options.recipe else None
    reads_files = plan is not None and plan.reads_files
    if options.crops != 1 and not reads_files:
        raise ValueError("--crops is 1, or 10 for a recipe that reads files, such as imagenet")
    name, split, data_options = _scored_data(options, plan)
    require_names(name, split, **data_options)
    require_weights(weights, options.arch)
    begin(f"evaluating {weights} on {name} {split}")

    from drn_lib import evaluation
    from drn_lib.checkpoints import load_any
    from drn_lib.datasets import open_dataset
    from drn_lib.distributed import device_of

    device = device_of(options.device)
    model = load_any(weights, options.arch)
    dataset = open_dataset(name, split, options.root, **data_options)
    known, found = model.classifier.out_channels, len(dataset.classes)
    if known != found or (model.classes and list(model.classes) != list(dataset.classes)):
        which = f"{known} classes, not {found}" if known != found else f"{known} classes of other names than those"
        raise ValueError(f"{weights} knows {which} of {name}: score it on the data set that it was trained on")
    model.to(device)
    if reads_files:
        _evaluate_files(options, plan, model, dataset, split)
    else:
        metrics, _ = evaluation.evaluate(model, *dataset.arrays(), plan.image_size if plan else None)
        top1, top5, loss = f"{metrics['top1']:.2f} %", f"{metrics['top5']:.2f} %", f"{metrics['loss']:.3f}"
        print(f"{name} {split}, {len(dataset)} images: top-1 error {top1}, top-5 error {top5}, loss {loss}")


def _scored_data(options: argparse.Namespace, plan) -> tuple[str, str, dict[str, str | None]]:
    """Name and split of the data set and what `open_dataset` takes of it: the recipe's, else the options'."""
    from drn_lib.datasets.catalog import BOOK_PARTITIONS, validation_split

    if plan and options.partition is not None:
        raise ValueError(f"--partition goes with --dataset: leave it out, the recipe {plan.name} has its own")
    if plan:
        name, data_options = plan.dataset, plan.dataset_options
    else:  # the book's own part of a data set where none is named
        asked = BOOK_PARTITIONS.get(options.dataset) if options.partition is None else options.partition
        name, data_options = options.dataset, partition_options(options.dataset, asked)
    return name, options.split or validation_split(name, **data_options), data_options


def _evaluate_files(options: argparse.Namespace, plan, model, dataset, split: str) -> None:
    """Score as for Table 1, by one crop or ten, and print the published errors beside the measured ones."""
    from drn_lib import evaluation

    published = published_errors(model.table.name, options.crops)  # before the hours, not after
    how = plan.shorter_side, plan.image_size, options.crops, options.workers
    metrics, _ = evaluation.evaluate_files(model, dataset, *how, progress=True)
    crops = "1 crop" if options.crops == 1 else f"{options.crops} crops, logits averaged"
    print(f"{plan.dataset} {split}, {len(dataset)} images, {crops} of {plan.image_size} px from {plan.shorter_side} px")
    print(f"measured:  top-1 error {metrics['top1']:5.2f} %, top-5 error {metrics['top5']:5.2f} %")
    if published is None:
        print(f"published: nothing for {model.table.name} by {crops}")
    else:
        print(f"published: top-1 error {published[0]:5.2f} %, top-5 error {published[1]:5.2f} %   ({published[2]})")
    if (split, len(dataset.classes), len(dataset)) != ("val", 1000, 50000):
        print("The two do not compare: the published ones are of the 50,000 validation images of all 1000 classes.")
