"""`open_dataset(name, split)` opens every dataset of the book. torch is imported when one is opened."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from drn_lib.checks import one_of
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.sources import SOURCES, locate
from drn_lib.datasets.splits import BOOK_PARTITIONS, PARTS, read_partition

if TYPE_CHECKING:
    from drn_lib.datasets.base import ImageDataset

READERS = {
    "tiny-imagenet": "tiny_imagenet.TinyImageNet",
    "pets": "pets.Pets",
    "camvid": "street_scenes.CamVid",
    "cityscapes": "street_scenes.Cityscapes",
    "imagenet": "imagenet.ImageNet",
}
"""The classes of the published datasets, each called as reader(path, split, **options)."""
SYNTHETIC = {"shapes": "synthetic.sets.SyntheticShapes", "streets": "synthetic.sets.SyntheticStreets"}
WITH_MASKS = ("camvid", "cityscapes", "pets", "shapes", "streets")
"""The datasets whose samples have a label for every pixel."""


def list_datasets() -> list[str]:
    """The names that `open_dataset` knows, sorted."""
    return sorted([*READERS, *SYNTHETIC, "clutter"])


def open_dataset(name: str, split: str, root: str | Path | None = None, **options) -> ImageDataset:
    """Open one split of a dataset.

    Args:
        name: one of `list_datasets()`.
        split: "train", "tune", "trainval", "val" or "test": what the dataset has.
        root: the folder around the dataset, or its own folder or archive; nothing else is then looked at. Without it,
            the dataset is looked for in $DRN_DATA, then in the cache, then downloaded. Drawn sets take none.
        **options: what the dataset's own class takes: `partition` and `classes` of `TinyImageNet`; `count`, `size`
            and `seed` of `SyntheticShapes` and `SyntheticStreets`; what `clutter.open_clutter` takes.

    Returns:
        The dataset; a sample is a dictionary (see `drn_lib.datasets.contract`).

    Raises:
        DatasetNotFound: it is not in `root`, or it is nowhere and could not be downloaded.
        DataError: it is there, but damaged or laid out otherwise, or has no such split.
        ValueError: there is no dataset of that name, or a drawn set is given a `root`.
    """
    require_names(name, split, **options)
    if name in SYNTHETIC:
        if root is not None:
            raise ValueError(f"the set {name} is drawn and lies in no folder: leave out the root, {root}")
        return dataset_class(name)(split, **options)
    if name == "clutter":
        from drn_lib.datasets.clutter import open_clutter

        return open_clutter(split, root, **options)
    return dataset_class(name)(locate(name, root), split, **options)


def dataset_class(name: str) -> type[ImageDataset]:
    """The class of a published or a synthetic dataset, by its name in `READERS` or `SYNTHETIC`."""
    module, _, kind = {**READERS, **SYNTHETIC}[name].rpartition(".")
    return getattr(import_module(f"drn_lib.datasets.{module}"), kind)


def require_names(name: str, split: str, **options) -> None:
    """Refuse names, as `open_dataset` takes them, that the datasets do not have; nothing is fetched or read for it.

    Raises:
        DataError: the dataset has no such split or partition.
        ValueError: there is no dataset of that name.
    """
    one_of("dataset", name, list_datasets())
    partition = _partition(name, options)
    if partition is not None:
        read_partition(partition).part(split)
    elif name in READERS and (splits := SOURCES[name].splits) and split not in splits:
        more = ", or name a partition" if name in BOOK_PARTITIONS else ""
        raise DataError(f"The dataset {name} itself has no split '{split}': use one of {', '.join(splits)}{more}.")
    elif name not in READERS and split not in PARTS:
        raise DataError(f"The drawn set {name} has no split '{split}': use one of {', '.join(PARTS)}.")


def validation_split(name: str, **options) -> str:
    """The split on which choices are made: "tune" of a partition or a synthetic set, else the archive's "val"."""
    return "val" if name in READERS and _partition(name, options) is None else "tune"


def _partition(name: str, options: dict) -> str | None:
    """The partition that `open_dataset` takes with these options; None is the whole archive."""
    return options.get("partition", BOOK_PARTITIONS[name] if name == "tiny-imagenet" else None)
