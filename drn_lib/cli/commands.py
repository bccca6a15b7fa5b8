"""The command line: `python -m drn_lib --help`."""

from __future__ import annotations

import argparse
from pathlib import Path

from drn_lib.cli import options as command_line
from drn_lib.cli.published import published_errors
from drn_lib.training.recipes import ClassificationRecipe, list_recipes

PROGRAM = "python -m drn_lib"
RECIPES = " or ".join(", ".join(list_recipes(ClassificationRecipe)).rsplit(", ", 1))
RESUMABLE = ("data", "train", "train-segmentation")
"""The commands that leave something behind from which the same command resumes."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 where it went well (`options.run`)."""
    return command_line.run(_parser(), arguments, RESUMABLE)


def _parser() -> argparse.ArgumentParser:
    from drn_lib.cli import export, localize, segment  # here, as numpy may be missing

    parser = argparse.ArgumentParser(prog=PROGRAM, description="Dilated Residual Networks, from the book.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_add_data, _add_train, _add_evaluate):
        add(commands)
    localize.add_commands(commands, _load)
    segment.add_commands(commands)
    export.add_commands(commands, _load)
    return parser


def _add_data(commands) -> None:
    data = commands.add_parser("data", help="find a data set, download it where that is possible, say what it holds")
    data.add_argument("name", help="camvid, cityscapes, clutter, imagenet, pets, shapes, streets or tiny-imagenet")
    data.add_argument("split", nargs="?", help="train, tune, val or test, trainval of pets (default train or trainval)")
    data.add_argument("--root", type=Path, help="folder to look in first (then $DRN_DATA, then the cache)")
    data.add_argument(
        "--partition",
        help="of tiny-imagenet or pets: a list in data/splits, or '' for the whole archive (default: the book's "
        "tiny-imagenet-20, and all pets)",
    )
    data.set_defaults(function=_data)


def _data(options: argparse.Namespace) -> None:
    from drn_lib.datasets import open_dataset

    partition = _partition(options.name, options.partition)
    split = options.split or ("trainval" if options.name == "pets" and not options.partition else "train")
    dataset = open_dataset(options.name, split, options.root, **partition)
    print(f"{options.name} {split}: {len(dataset)} images, {len(dataset.classes)} classes")
    print(", ".join(dataset.classes))


def _partition(name: str, asked: str | None) -> dict[str, str | None]:
    """What `open_dataset` takes of --partition: '' stands for the whole archive, and None was not said."""
    from drn_lib.datasets.catalog import BOOK_PARTITIONS

    if asked and name not in BOOK_PARTITIONS:
        raise ValueError(f"--partition is for {' and '.join(BOOK_PARTITIONS)}, and {name} has none: leave it out")
    return {"partition": asked or None} if asked is not None and name in BOOK_PARTITIONS else {}


def _add_train(commands) -> None:
    train = commands.add_parser("train", help="train one network by a recipe, going on where it stopped")
    train.add_argument("--recipe", default="tiny-imagenet-20-reduced", help=f"{RECIPES} (default %(default)s)")
    train.add_argument("--arch", required=True, help="a network, for instance drn_c_26")
    train.add_argument("--dilation-rule", help="exact, levels or released (default: the family's own)")
    train.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation (default 0)")
    train.add_argument("--epochs", type=int, help="instead of the recipe's")
    train.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="another field of the recipe, e.g. lr=0.05"
    )
    train.add_argument("--root", type=Path, help="folder of the data set")
    train.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    train.add_argument(
        "--out",
        type=Path,
        help="folder for the state, the logs and the weights (default runs/<recipe>/<arch>-s<seed> in this folder)",
    )
    files = train.add_argument_group("recipes that read photographs from files (imagenet)")
    files.add_argument("--workers", type=int, default=4, help="processes that read, a training process (default 4)")
    files.add_argument("--sync-batch-norm", action="store_true", help="one normalization over all GPUs' images")
    files.add_argument("--tensorboard", action="store_true", help="write TensorBoard's files beside log.csv")
    train.set_defaults(function=_train)


def _train(options: argparse.Namespace) -> None:
    import torch

    from drn_lib import distributed, paths
    from drn_lib.checkpoints import save_weights
    from drn_lib.datasets import open_dataset
    from drn_lib.training import Init, RunOptions, train, train_from_files
    from drn_lib.training.recipes import recipe, with_fields

    out = paths.output_folder(options.out or Path("runs", options.recipe, f"{options.arch}-s{options.seed}"))
    if options.epochs is not None:
        options.set.append(f"epochs={options.epochs}")
    plan = with_fields(recipe(options.recipe, ClassificationRecipe), options.set)
    if not plan.reads_files and (options.sync_batch_norm or options.tensorboard):
        raise ValueError(f"--sync-batch-norm and --tensorboard are for recipes that read files, unlike {plan.name}")
    device = distributed.device_of(options.device)
    scored = "val" if plan.reads_files else "tune"
    train_set, scored_set = (
        open_dataset(plan.dataset, part, options.root, **plan.dataset_options) for part in ("train", scored)
    )
    group = distributed.join(device)
    how = RunOptions(out, device, options.workers, options.sync_batch_norm, options.tensorboard)
    rule = options.dilation_rule
    if plan.reads_files:
        torch.backends.cudnn.benchmark = True  # every batch has one size: the fastest algorithm is looked for once
        trained = train_from_files(plan, options.arch, options.seed, train_set, scored_set, rule, how)
    else:
        pairs = train_set.arrays(), len(train_set.classes), scored_set.arrays()
        trained = train(plan, options.arch, options.seed, *pairs, Init(rule), how)
    if group.leads:
        file = out / f"{options.arch}-s{options.seed}.safetensors"
        save_weights(trained.model, file, train_set.classes)
        last = trained.curve[-1]
        errors = f"top-1 error on the {scored} part after epoch {last['epoch']}: {last[f'{scored}_top1']:.1f} %"
        if f"{scored}_top5" in last:
            errors += f", top-5 error {last[f'{scored}_top5']:.1f} %"
        print(f"{errors}; weights in {file}")
    distributed.leave()


def _add_evaluate(commands) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="top-1 and top-5 error of trained weights",
        description="evaluate WEIGHTS scores them on --dataset; evaluate --recipe imagenet --arch drn_c_26 "
        "--weights released scores on the recipe's data, beside the paper's numbers.",
    )
    evaluate.add_argument("file", nargs="?", metavar="WEIGHTS", help="the same as --weights")
    evaluate.add_argument(
        "--weights", help="a file, a name of shipped weights such as first_networks/drn_c_26-s0, or 'released'"
    )
    evaluate.add_argument("--recipe", help=f"score on its data and at its size, instead of --dataset: {RECIPES}")
    evaluate.add_argument("--arch", help="the network, where the file does not say it: the authors' weights")
    evaluate.add_argument("--crops", type=int, default=1, help="1 or 10, for a recipe that reads files (default 1)")
    evaluate.add_argument("--dataset", default="tiny-imagenet", help="default %(default)s")
    evaluate.add_argument(
        "--partition",
        help="a list in data/splits, or '' for the whole archive (default tiny-imagenet-20 for tiny-imagenet, pets-3 "
        "for pets; the others have none)",
    )
    evaluate.add_argument(
        "--split", help="default tune; val of ImageNet and of all Tiny-ImageNet; test is for final results alone"
    )
    evaluate.add_argument("--root", type=Path, help="folder of the data set")
    evaluate.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    evaluate.add_argument("--workers", type=int, default=4, help="processes that read files (default 4)")
    evaluate.set_defaults(function=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    from drn_lib import evaluation, images
    from drn_lib.datasets import open_dataset
    from drn_lib.distributed import device_of
    from drn_lib.training import recipe

    if (options.file is None) == (options.weights is None):
        raise ValueError("name the weights once: evaluate WEIGHTS, or evaluate --weights WEIGHTS")
    plan = recipe(options.recipe, ClassificationRecipe) if options.recipe else None
    reads_files = plan is not None and plan.reads_files
    if options.crops not in images.CROPS or (options.crops != 1 and not reads_files):
        raise ValueError("--crops is 1, or 10 for a recipe that reads files, such as imagenet")
    if plan and options.partition is not None:
        raise ValueError(f"--partition goes with --dataset: leave it out, the recipe {plan.name} has its own")
    name, data_options = (plan.dataset, plan.dataset_options) if plan else _scored_data(options)
    whole = data_options.get("partition", "") is None
    split = options.split or ("val" if name == "imagenet" or (name == "tiny-imagenet" and whole) else "tune")
    device = device_of(options.device)

    model = _load(options.weights or options.file, options.arch)
    dataset = open_dataset(name, split, options.root, **data_options)
    known, found = model.classifier.out_channels, len(dataset.classes)
    if known != found or (model.classes and list(model.classes) != list(dataset.classes)):
        raise ValueError(
            f"{options.weights or options.file} knows {known} classes, other ones than the {found} of {name}"
        )
    model.to(device)
    if not reads_files:
        metrics, _ = evaluation.evaluate(model, *dataset.arrays(), plan.image_size if plan else None)
        print(
            f"{name} {split}, {len(dataset)} images: top-1 error {metrics['top1']:.2f} %, "
            f"top-5 error {metrics['top5']:.2f} %, loss {metrics['loss']:.3f}"
        )
        return
    published = published_errors(model.table.name, options.crops)  # before the hours, not after
    metrics, _ = evaluation.evaluate_files(
        model, dataset, plan.shorter_side, plan.image_size, options.crops, options.workers, progress=True
    )
    crops = "1 crop" if options.crops == 1 else f"{options.crops} crops, logits averaged"
    print(f"{name} {split}, {len(dataset)} images, {crops} of {plan.image_size} px from {plan.shorter_side} px")
    print(f"measured:  top-1 error {metrics['top1']:5.2f} %, top-5 error {metrics['top5']:5.2f} %")
    if published is None:
        print(f"published: nothing for {model.table.name} by {crops}")
    else:
        print(f"published: top-1 error {published[0]:5.2f} %, top-5 error {published[1]:5.2f} %   ({published[2]})")
    if (split, found, len(dataset)) != ("val", 1000, 50000):
        print("The two do not compare: the published ones are of the 50,000 validation images of all 1000 classes.")


def _scored_data(options: argparse.Namespace) -> tuple[str, dict[str, str | None]]:
    """The data set of --dataset and --partition, the book's own part of it where none is named."""
    from drn_lib.datasets.catalog import BOOK_PARTITIONS

    asked = BOOK_PARTITIONS.get(options.dataset) if options.partition is None else options.partition
    return options.dataset, _partition(options.dataset, asked)


def _load(weights: str, arch: str | None):
    """The network with its weights: our own files say which one it is, for the others --arch does."""
    from drn_lib.checkpoints import find_shipped, load_trained, load_weights, read_weights
    from drn_lib.network import create_model

    if weights == "released":
        if arch is None:
            raise ValueError("--weights released needs --arch, for instance --arch drn_c_26")
        return load_weights(create_model(arch), arch).eval()
    file = find_shipped(weights)
    if arch is None or file is None or read_weights(file)[1] is not None:
        model = load_trained(weights)
        if arch not in (None, model.table.name):
            raise ValueError(f"{weights} holds a {model.table.name}, not a {arch}")
        return model
    return load_weights(create_model(arch), file).eval()
