"""The command line: `python -m drn_lib --help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 where it went well. Errors that a user can mend are one sentence, without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m drn_lib", description="Dilated Residual Networks, from the book.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_add_data, _add_train, _add_evaluate, _add_study):
        add(commands)
    options = parser.parse_args(arguments)
    try:
        options.function(options)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"{parser.prog} {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _add_data(commands) -> None:
    data = commands.add_parser("data", help="find a data set, download it where that is possible, say what it holds")
    data.add_argument("name", help="for instance tiny-imagenet, camvid, pets, shapes")
    data.add_argument("split", nargs="?", default="train", help="train, tune, val or test (default train)")
    data.add_argument("--root", type=Path, help="folder to look in first (then $DRN_DATA, then the cache)")
    data.add_argument("--partition", help="a list in data/splits, for instance tiny-imagenet-20")
    data.set_defaults(function=_data)


def _data(options: argparse.Namespace) -> None:
    from drn_lib.datasets import open_dataset

    partition = {"partition": options.partition} if options.partition else {}
    dataset = open_dataset(options.name, options.split, options.root, **partition)
    print(f"{options.name} {options.split}: {len(dataset)} images, {len(dataset.classes)} classes")
    print(", ".join(dataset.classes))


def _add_train(commands) -> None:
    train = commands.add_parser("train", help="train one network by a recipe, going on where it stopped")
    train.add_argument("--recipe", default="tiny-imagenet-20-reduced", help="see recipes.py (default %(default)s)")
    train.add_argument("--arch", required=True, help="a network, for instance drn_c_26")
    train.add_argument("--dilation-rule", help="exact, levels or released (default: the family's own)")
    train.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation (default 0)")
    train.add_argument("--epochs", type=int, help="instead of the recipe's")
    train.add_argument("--root", type=Path, help="folder of the data set")
    train.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    train.add_argument("--out", type=Path, required=True, help="folder for the state and the weights")
    train.set_defaults(function=_train)


def _train(options: argparse.Namespace) -> None:
    import torch

    from drn_lib.checkpoints import save_weights
    from drn_lib.datasets import open_dataset
    from drn_lib.recipes import recipe
    from drn_lib.training import train

    plan = recipe(options.recipe, **({"epochs": options.epochs} if options.epochs else {}))
    train_set, tune_set = (
        open_dataset(plan.dataset, part, options.root, **plan.dataset_options) for part in ("train", "tune")
    )
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    trained = train(
        plan,
        options.arch,
        options.seed,
        *train_set.arrays(),
        len(train_set.classes),
        *tune_set.arrays(),
        dilation_rule=options.dilation_rule,
        folder=options.out,
        device=device,
    )
    file = save_weights(trained.model, options.out / f"{options.arch}-s{options.seed}.safetensors", train_set.classes)
    last = trained.curve[-1]
    print(f"top-1 error on the tune part after epoch {last['epoch']}: {last['tune_top1']:.1f} %; weights in {file}")


def _add_evaluate(commands) -> None:
    evaluate = commands.add_parser("evaluate", help="top-1 and top-5 error of trained weights")
    evaluate.add_argument("weights", help="a file, or a name of shipped weights such as first_networks/drn_c_26-s0")
    evaluate.add_argument("--dataset", default="tiny-imagenet", help="default %(default)s")
    evaluate.add_argument("--partition", default="tiny-imagenet-20", help="default %(default)s; '' for none")
    evaluate.add_argument("--split", default="tune", help="default %(default)s; test is for final results alone")
    evaluate.add_argument("--root", type=Path, help="folder of the data set")
    evaluate.set_defaults(function=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    from drn_lib.checkpoints import load_trained
    from drn_lib.datasets import open_dataset
    from drn_lib.evaluation import evaluate

    model = load_trained(options.weights)
    partition = {"partition": options.partition} if options.partition else {}
    dataset = open_dataset(options.dataset, options.split, options.root, **partition)
    if list(model.classes) != list(dataset.classes):
        raise ValueError(f"{options.weights} knows {len(model.classes)} classes, other ones than {options.dataset}'s")
    metrics, _ = evaluate(model, *dataset.arrays())
    print(
        f"{options.dataset} {options.split}, {len(dataset)} images: top-1 error {metrics['top1']:.2f} %, "
        f"top-5 error {metrics['top5']:.2f} %, loss {metrics['loss']:.3f}"
    )


def _add_study(commands) -> None:
    study = commands.add_parser("study", help="carry out a study's plan, going on where it stopped")
    study.add_argument("study", help="a plan in data/studies, for instance first_networks")
    study.add_argument("--workers", type=int, default=2, help="runs at a time, one thread each (default 2)")
    study.add_argument("--status", action="store_true", help="print what is done, what is left and the hours left")
    study.add_argument("--run", metavar="NAME", help="carry out this one run in this process, e.g. drn_c_26-s0")
    study.set_defaults(function=_study)


def _study(options: argparse.Namespace) -> None:
    from drn_lib import runs, studies

    plan = studies.load_plan(options.study)
    if options.status:
        print(studies.report(plan))
    elif options.run:
        by_name = {plan.run_name(*run): run for run in plan.runs()}
        if options.run not in by_name:
            raise ValueError(f"the plan has no run {options.run}; it has {', '.join(by_name)}")
        print(runs.run_one(plan, *by_name[options.run]))
    else:
        studies.run(plan, options.workers)


if __name__ == "__main__":
    sys.exit(main())
