"""One door to every dataset of the book: `open_dataset(name, split)`."""

from __future__ import annotations

from pathlib import Path

from drn_lib.checks import one_of
from drn_lib.datasets import pets, tiny_imagenet
from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.clutter import open_clutter
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.imagenet import ImageNet
from drn_lib.datasets.pets import Pets
from drn_lib.datasets.sources import SOURCES, locate
from drn_lib.datasets.splits import PARTS, read_partition
from drn_lib.datasets.street_scenes import CamVid, Cityscapes
from drn_lib.datasets.synthetic.sets import SyntheticShapes, SyntheticStreets
from drn_lib.datasets.tiny_imagenet import TinyImageNet

READERS = {
    "tiny-imagenet": TinyImageNet,
    "pets": Pets,
    "camvid": CamVid,
    "cityscapes": Cityscapes,
    "imagenet": ImageNet,
}
"""The published datasets: each is called as reader(path, split, **options)."""
SYNTHETIC = {"shapes": SyntheticShapes, "streets": SyntheticStreets}
BOOK_PARTITIONS = {"tiny-imagenet": tiny_imagenet.BOOK_PARTITION, "pets": pets.BOOK_PARTITION}
"""The split in `data/splits/` of the book's experiments, by dataset; the other datasets take no `partition`."""


def list_datasets() -> list[str]:
    """The names that `open_dataset` knows, sorted."""
    return sorted([*READERS, *SYNTHETIC, "clutter"])


def open_dataset(name: str, split: str, root: str | Path | None = None, **options) -> ImageDataset:
    """Opens one split of a dataset.

    Args:
        name: One of `list_datasets()`.
        split: "train", "tune", "trainval", "val" or "test": what the dataset has.
        root: A folder to look in first, or the dataset's own folder or archive, which must exist.
        **options: What the dataset's own class takes: `partition` and `classes` of `TinyImageNet`; `count`, `size`
            and `seed` of `SyntheticShapes` and `SyntheticStreets`; what `clutter.open_clutter` takes.

    Returns:
        The dataset; a sample is a dictionary (see `drn_lib.datasets.contract`).

    Raises:
        DatasetNotFound: it is nowhere and could not be downloaded, or `root` does not exist.
        DataError: it is there, but damaged or laid out otherwise, or has no such split.
        ValueError: there is no dataset of that name.
    """
    require_names(name, split, **options)
    if name in SYNTHETIC:
        return SYNTHETIC[name](split, **options)
    if name == "clutter":
        return open_clutter(split, root, **options)
    return READERS[name](locate(name, root), split, **options)


def require_names(name: str, split: str, **options) -> None:
    """Refuses names, as `open_dataset` takes them, that the datasets do not have; nothing is fetched or read for it.

    Raises:
        DataError: the dataset has no such split or partition.
        ValueError: there is no dataset of that name.
    """
    one_of("dataset", name, list_datasets())
    taken = tiny_imagenet.BOOK_PARTITION if name == "tiny-imagenet" else None  # by the reader, where none is named
    partition = options.get("partition", taken)
    if partition is not None:
        read_partition(partition).part(split)
    elif name in READERS and (splits := SOURCES[name].splits) and split not in splits:
        more = ", or name a partition" if name in BOOK_PARTITIONS else ""
        raise DataError(f"The dataset {name} itself has no split '{split}': use one of {', '.join(splits)}{more}.")
    elif name not in READERS and split not in PARTS:
        raise DataError(f"The drawn set {name} has no split '{split}': use one of {', '.join(PARTS)}.")
