"""One door to every dataset of the book: `open_dataset(name, split)`.

A dataset is looked for in `root`, then in the folder named by the environment variable `DRN_DATA`, then in
the cache (`paths.cache_dir()`); small public ones are then downloaded there. `DRN_OFFLINE=1` forbids that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drn_lib.paths import cache_dir
from drn_lib.samples import DataError, DatasetNotFound, ImageDataset
from drn_lib.tiny_imagenet import TinyImageNet

__all__ = ["DataError", "DatasetNotFound", "ImageDataset", "list_datasets", "locate", "open_dataset"]


@dataclass(frozen=True)
class Published:
    """A published dataset: how to read it, where it may lie below a folder of data, where to get it.

    Attributes:
        reader: Called as reader(path, split, **options).
        places: Paths below a folder of data, the first that exists is taken; "." is the folder itself.
        landmark: A file or folder that the dataset has at its top; decides whether "." is meant.
        how_to_get: Ends the sentence of `DatasetNotFound`.
    """

    reader: Callable[..., ImageDataset]
    places: tuple[str, ...]
    landmark: str
    how_to_get: str


PUBLISHED = {
    "tiny-imagenet": Published(
        TinyImageNet,
        (".", "tiny-imagenet-200", "tiny-imagenet-200.zip", "tiny_imagenet50/tiny-imagenet-200.zip"),
        "wnids.txt",
        "download http://cs231n.stanford.edu/tiny-imagenet-200.zip (248 MB)",
    ),
}


def list_datasets() -> list[str]:
    """The names that `open_dataset` knows, sorted."""
    return sorted(PUBLISHED)


def open_dataset(name: str, split: str, root: str | Path | None = None, **options) -> ImageDataset:
    """Opens one split of a dataset.

    Args:
        name: One of `list_datasets()`.
        split: "train", "tune", "val" or "test": what the dataset has.
        root: A folder to look in first, or the dataset's own folder or archive.
        **options: What the dataset's own class takes, for example `partition=None` for Tiny-ImageNet.

    Returns:
        The dataset; a sample is a dictionary (see `drn_lib.samples`).

    Raises:
        DatasetNotFound: it is nowhere and could not be downloaded; the sentence says what to do.
        DataError: it is there, but damaged or laid out otherwise.
        ValueError: there is no dataset of that name.
    """
    if name not in PUBLISHED:
        raise ValueError(f"There is no dataset '{name}': choose one of {', '.join(list_datasets())}.")
    return PUBLISHED[name].reader(locate(name, root), split, **options)


def locate(name: str, root: str | Path | None = None) -> Path:
    """Where a published dataset lies: its folder or archive.

    Args:
        name: A published dataset.
        root: A folder to look in first.

    Returns:
        The path.

    Raises:
        DatasetNotFound: it is in none of the places.
    """
    published = PUBLISHED[name]
    folders = _folders(root)
    for folder in folders:
        if folder.is_file():
            return folder
        for place in published.places:
            path = folder / place
            if (path / published.landmark).exists() if place == "." else path.exists():
                return path
    looked = ", ".join(str(folder) for folder in folders)
    raise DatasetNotFound(
        f"The dataset {name} is not in {looked}: {published.how_to_get} and pass root=, or name its folder in the "
        "environment variable DRN_DATA."
    )


def _folders(root: str | Path | None) -> list[Path]:
    named = os.environ.get("DRN_DATA")
    candidates = [root, named, cache_dir()]
    return [Path(folder).expanduser() for folder in candidates if folder]
