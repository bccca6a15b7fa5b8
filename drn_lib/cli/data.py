"""The command `data`: finds a data set, downloads it where that is possible, and says what it holds."""

from __future__ import annotations

import argparse

from drn_lib.cli.options import add_flags, begin, either
from drn_lib.datasets.catalog import BOOK_PARTITIONS, list_datasets, require_names


def add_commands(commands) -> None:
    """Add `data` to argparse's subparsers."""
    data = commands.add_parser("data", help="find a data set, download it where that is possible, say what it holds")
    data.add_argument("name", help=either(list_datasets()))
    data.add_argument("split", nargs="?", help="train, tune, val or test, trainval of pets (default train or trainval)")
    add_flags(data, "--root")
    default = "the book's tiny-imagenet-20, and all pets"
    lists = f"of tiny-imagenet or pets: a list in data/splits, or '' for the whole archive (default: {default})"
    data.add_argument("--partition", help=lists)
    data.set_defaults(function=_data)


def _data(options: argparse.Namespace) -> None:
    partition = partition_options(options.name, options.partition)
    split = options.split or ("trainval" if options.name == "pets" and not options.partition else "train")
    require_names(options.name, split, **partition)
    begin(f"opening {options.name} {split}")

    from drn_lib.datasets import open_dataset

    dataset = open_dataset(options.name, split, options.root, **partition)
    print(f"{options.name} {split}: {len(dataset)} images, {len(dataset.classes)} classes")
    print(", ".join(dataset.classes))


def partition_options(name: str, asked: str | None) -> dict[str, str | None]:
    """What `open_dataset` takes of --partition: '' stands for the whole archive, and None was not said."""
    if name in BOOK_PARTITIONS:
        return {} if asked is None else {"partition": asked or None}
    if asked:
        raise ValueError(f"--partition is for {' and '.join(BOOK_PARTITIONS)}, and {name} has none: leave it out")
    return {}
