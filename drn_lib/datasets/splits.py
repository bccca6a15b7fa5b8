"""Splits of published datasets into train, tune and test, committed as lists of files in `data/splits/`.

Within a class, images are ranked by the sha256 of their file name: the first are for training, the next for tuning
(validation), the last for testing. Published sets hold copies of one image under two names, often in two classes. They
leave the ranking: an image with a copy among the fixed test images goes to test, any other image with a copy to train.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drn_lib.datasets.contract import DataError
from drn_lib.paths import replacing, splits_dir

PARTS = ("train", "tune", "test")
BOOK_PARTITIONS = {"tiny-imagenet": "tiny-imagenet-20", "pets": "pets-3"}
"""The split of the book's experiments, by dataset; the other datasets take no `partition`."""


@dataclass(frozen=True)
class Partition:
    """A committed split."""

    name: str
    classes: tuple[str, ...]  # class codes (WordNet ids) in the order of their labels
    members: Mapping[str, tuple[tuple[str, str], ...]]  # part ("train", "tune", "test") to (class code, file name)
    sha256: str  # of the list of files

    def part(self, split: str) -> tuple[tuple[str, str], ...]:
        """The (class code, file name) of "train", "tune" or "test"; a DataError for another one."""
        if split not in PARTS:
            raise DataError(f"The partition {self.name} has no split '{split}': use one of {', '.join(PARTS)}.")
        return self.members[split]

    def require_classes(self, known: Sequence[str], where: Path) -> None:
        """Raise DataError where a class is none of those of the dataset that lies there."""
        if strange := next((name for name in self.classes if name not in known), None):
            raise DataError(f"{where} has no class {strange}, which the partition {self.name} names: choose another.")


def rank(name: str) -> str:
    """What orders the images of a class: the sha256 of the file name."""
    return hashlib.sha256(name.encode()).hexdigest()


def assign_parts(
    images: Sequence[tuple[str, str]], fixed_test: Sequence[str], train: int, tune: int, copies: Mapping[str, int]
) -> dict[str, str]:
    """Assign the images of one class to parts: file name to part.

    Args:
        images: pairs (file name, digest of the pixels) of the class.
        fixed_test: digests of all images, of every class, that are in test whatever the rule says.
        train, tune: how many of `images` go there; the others go to test.
        copies: for each digest, how many images of any class have it.

    Raises:
        DataError: so many images have copies that the rule cannot keep them in one part.
    """
    fixed = set(fixed_test)
    ranked = sorted((2 if d in fixed else 0 if copies[d] > 1 else 1, rank(name), name) for name, d in images)
    places = [place for place, *_ in ranked]
    if places.count(0) > train or len(ranked) - places.count(2) < train + tune:
        raise DataError("Too many images of a class have copies: this split cannot keep all copies in one part.")
    parts = ["train"] * train + ["tune"] * tune + ["test"] * (len(ranked) - train - tune)
    return {name: part for (*_, name), part in zip(ranked, parts)}


def read_partition(name: str, folder: Path | None = None) -> Partition:
    """Read a committed split from `folder` (`data/splits/`) and check it against the hash beside it.

    Raises:
        DataError: no such split, or its list does not agree with its hash.
    """
    folder = splits_dir() if folder is None else Path(folder)
    listed, described = folder / f"{name}.csv", folder / f"{name}.json"
    known = sorted(path.stem for path in folder.glob("*.csv"))
    if name not in known or not described.is_file():
        there = ", ".join(known) or "none"
        raise DataError(f"There is no split '{name}' in {folder}: choose one of those there ({there}).")
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
    """Write a split as `<name>.csv` and `<name>.json` (facts, counts, sha256) and return the path of the CSV file.

    Args:
        name: the split's name.
        rows: (wnid, file name, part), in the order of the classes' labels.
        facts: what else the JSON file says.
        folder: where to; by default `data/splits/`.
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
    described = json.dumps(description, indent=1, ensure_ascii=False) + "\n"
    for path, content in ((folder / f"{name}.csv", text), (folder / f"{name}.json", described)):
        with replacing(path) as temporary:
            temporary.write_bytes(content.encode())
    return folder / f"{name}.csv"
