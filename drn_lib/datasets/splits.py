"""Splits of published datasets into train, tune and test, committed as lists of files in `data/splits/`.

The rule uses nothing but file names and the bytes of copies: within a class, images are ranked by the sha256
of their file name; the first ones are for training, the next for tuning, the last for testing. Published sets
hold copies of one image under two names, often in two classes. Copies must not stand on both sides of a
split, so they leave the ranking: an image with a copy among the fixed test images goes to test, any other
image with a copy goes to train.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drn_lib.datasets.contract import DataError
from drn_lib.paths import splits_dir

PARTS = ("train", "tune", "test")


@dataclass(frozen=True)
class Partition:
    """A committed split.

    Attributes:
        name: For example "tiny-imagenet-20".
        classes: Class codes (WordNet ids) in the order of their labels.
        members: Part ("train", "tune", "test") to its rows (class code, file name).
        sha256: Of the list of files.
    """

    name: str
    classes: tuple[str, ...]
    members: Mapping[str, tuple[tuple[str, str], ...]]
    sha256: str


def assign_parts(
    images: Sequence[tuple[str, str]], fixed_test: Sequence[str], train: int, tune: int, copies: Mapping[str, int]
) -> dict[str, str]:
    """Assigns the images of one class to parts.

    Args:
        images: Pairs (file name, digest of the pixels) of the class.
        fixed_test: Digests of all images, of every class, that are in test whatever the rule says.
        train: How many of `images` go to train.
        tune: How many go to tune; the others go to test.
        copies: For each digest, how many images of any class have it.

    Returns:
        File name to part.

    Raises:
        DataError: so many images have copies that the rule cannot keep them in one part.
    """
    fixed = set(fixed_test)

    def rank(image: tuple[str, str]) -> tuple[int, str]:
        name, digest = image
        place = 2 if digest in fixed else 0 if copies[digest] > 1 else 1
        return place, hashlib.sha256(name.encode()).hexdigest()

    ranked = sorted(images, key=rank)
    first_with_fixed = next((i for i, image in enumerate(ranked) if rank(image)[0] == 2), len(ranked))
    copied = sum(rank(image)[0] == 0 for image in ranked)
    if copied > train or first_with_fixed < train + tune:
        raise DataError("Too many images of a class have copies: this split cannot keep all copies in one part.")
    return {
        name: "train" if i < train else "tune" if i < train + tune else "test" for i, (name, _) in enumerate(ranked)
    }


def read_partition(name: str, folder: Path | None = None) -> Partition:
    """Reads a committed split and checks it against the hash beside it.

    Args:
        name: For example "tiny-imagenet-20".
        folder: Where the lists lie; by default `data/splits/`.

    Returns:
        The split.

    Raises:
        DataError: no such split, or its list does not agree with its hash.
    """
    folder = splits_dir() if folder is None else Path(folder)
    listed, described = folder / f"{name}.csv", folder / f"{name}.json"
    if not listed.is_file() or not described.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.csv"))) or "none"
        raise DataError(f"There is no split '{name}' in {folder}: choose one of those there ({known}).")
    data = listed.read_bytes().replace(b"\r\n", b"\n")  # git may have changed the line ends on Windows
    digest = hashlib.sha256(data).hexdigest()
    if digest != json.loads(described.read_text(encoding="utf-8"))["sha256"]:
        raise DataError(f"{listed} does not have the sha256 named in {described.name}: restore both from git.")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    classes = tuple(dict.fromkeys(row["wnid"] for row in rows))
    members = {part: tuple((row["wnid"], row["file"]) for row in rows if row["part"] == part) for part in PARTS}
    return Partition(name, classes, members, digest)


def write_partition(
    name: str, rows: Sequence[tuple[str, str, str]], facts: Mapping[str, object], folder: Path | None = None
) -> Path:
    """Writes a split as `<name>.csv` (wnid, file, part) and `<name>.json` (facts, counts, sha256), atomically.

    Args:
        name: The split's name.
        rows: (wnid, file name, part), in the order of the classes' labels.
        facts: What else the JSON file says.
        folder: Where to; by default `data/splits/`.

    Returns:
        The path of the CSV file.
    """
    folder = splits_dir() if folder is None else Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = "wnid,file,part\n" + "".join(f"{wnid},{file},{part}\n" for wnid, file, part in rows)
    counts = Counter(part for _, _, part in rows)
    description = {
        "name": name,
        **facts,
        "counts": {part: counts[part] for part in PARTS},
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    _replace(folder / f"{name}.csv", text)
    _replace(folder / f"{name}.json", json.dumps(description, indent=1, ensure_ascii=False) + "\n")
    return folder / f"{name}.csv"


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(text.encode())
    os.replace(temporary, path)
