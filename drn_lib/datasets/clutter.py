"""Images moved into clutter: each pasted at a random place of a canvas tiled with images of other classes.

In four of ten images of Tiny-ImageNet the object takes more than half of the frame, and a box around the middle says
nothing about the network. Here a 64 px image lies, with its gt box, somewhere on a 128 px canvas of four others, from
classes that the network was not trained on: the 30 others for the book's first 20 classes, those 20 for the held-out
20. A canvas is a pure function of (seed, part, index). The image covers its middle, so read a pointing
error beside `clutter.trivial` in a run's metrics, or on the canvases whose object leaves the middle free
(`pointing_error_off_middle`).
`python -m drn_lib.datasets.clutter` rewrites the lists of tiles, `data/splits/tiny-imagenet-clutter.csv` and
`tiny-imagenet-clutter-heldout.csv`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drn_lib.checks import one_of
from drn_lib.datasets.archives import read_lines
from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.sources import locate
from drn_lib.datasets.splits import PARTS, rank, write_partition
from drn_lib.datasets.tiny_imagenet import (
    BOOK_CLASSES,
    BOOK_PARTITION,
    HELDOUT_PARTITION,
    TinyImageNet,
    pixel_digests,
)

SEED, SIDE = 0, 128  # of the canvases that every network of the book is measured on; pixels a side
TILES, HELDOUT_TILES = "tiny-imagenet-clutter", "tiny-imagenet-clutter-heldout"  # the splits that list the tiles
TILES_OF = {BOOK_PARTITION: TILES, HELDOUT_PARTITION: HELDOUT_TILES}
"""By the split of the images."""
FINGERPRINTS = {
    "tune": "db5604babf119325e0f84cb030f0c5b59374a4e1b22bc4b1a204b48050eaad0f",
    "test": "36b680ca550ad9ddcd29a3482c3437139986380296851b423e68cd05955bad70",
}
"""sha256 of the canvases at SEED and SIDE: source files, boxes, tiles and places (`Clutter.fingerprint`)."""
TILES_PER_CLASS = {"train": 150, "tune": 20, "test": 50}
HELDOUT_TILES_PER_CLASS = {"train": 225, "tune": 30, "test": 75}
"""As many tiles in all, of 20 classes instead of 30."""


class Clutter(ImageDataset):
    """A dataset with every image moved onto a canvas of tiles.

    Samples have `image` (3, side, side), `label`, `boxes` (M, 4) and `name`; canvases to train on (part "train") have
    no boxes, since the networks learn from image labels only.

    Args:
        source, tiles: images of one size with labels and boxes; images of one size, of other classes.
        part: "train", "tune" or "test".
        seed, side: of places and tiles; of the canvas in pixels.

    Raises:
        DataError: no such part, images that do not fit on the canvas, or a class that is on both sides.
    """

    def __init__(self, source: ImageDataset, tiles: ImageDataset, part: str, seed: int = SEED, side: int = SIDE):
        _check_part(part)
        if shared := set(getattr(source, "wnids", source.classes)) & set(getattr(tiles, "wnids", tiles.classes)):
            raise DataError(f"{min(shared)} is a class of the images and of the tiles: clutter needs other classes.")
        height, width = source.image(0).shape[1:]
        if max(height, width) > side:
            raise DataError(
                f"An image of {width}x{height} px does not fit on a canvas of {side} px: enlarge the canvas."
            )
        self.source, self.tiles, self.part, self.seed, self.side = source, tiles, part, seed, side
        self.classes, self.labels, self.names = source.classes, source.labels, source.names

    def layout(self, index: int) -> tuple[list[int], int, int]:
        """Which tiles lie on canvas `index`, row by row, and the left and top edge of the image on it."""
        random = np.random.default_rng([self.seed, PARTS.index(self.part), index])
        rows, columns = (-(-self.side // size) for size in self.tiles.arrays()[0].shape[2:])
        chosen = random.integers(0, len(self.tiles), rows * columns).tolist()
        height, width = self.source.arrays()[0].shape[2:]
        left, top = random.integers(0, self.side - width + 1), random.integers(0, self.side - height + 1)
        return chosen, int(left), int(top)

    def image(self, index: int) -> Tensor:
        chosen, left, top = self.layout(index)
        picture, tiles = self.source.arrays()[0][index], self.tiles.arrays()[0][chosen]  # (3, h, w), (n, 3, th, tw)
        columns = -(-self.side // tiles.shape[3])
        lines = [torch.cat(list(tiles[i : i + columns]), dim=2) for i in range(0, len(tiles), columns)]
        canvas = torch.cat(lines, dim=1)[:, : self.side, : self.side].clone()  # (3, side, side)
        canvas[:, top : top + picture.shape[1], left : left + picture.shape[2]] = picture
        return canvas

    def redrawn(self, seed: int) -> Clutter:
        """The same images at other places over other tiles."""
        return Clutter(self.source, self.tiles, self.part, seed, self.side)

    @property
    def edges(self) -> Tensor | None:
        """The moved boxes of all canvases, (N, 4), where the source has one box an image; None to train on."""
        edges = getattr(self.source, "edges", None)
        if edges is None or self.part == "train":
            return None
        corners = torch.tensor([self.layout(index)[1:] * 2 for index in range(len(self))], dtype=torch.float32)
        return edges + corners  # (N, 4)

    def read(self, index: int) -> dict:
        sample = {"image": self.image(index), "label": self.labels[index], "name": self.names[index]}
        if self.part != "train":
            corner = torch.tensor(self.layout(index)[1:] * 2, dtype=torch.float32)
            sample["boxes"] = self.source[index]["boxes"] + corner
        return sample

    def identity(self, index: int) -> bytes:
        chosen, left, top = self.layout(index)
        tiles = " ".join(self.tiles.names[tile] for tile in chosen)
        return self.source.identity(index) + f" {self.side} {left} {top} {tiles}".encode()


def open_clutter(
    part: str,
    root: str | Path | None = None,
    seed: int = SEED,
    side: int = SIDE,
    partition: str = BOOK_PARTITION,
) -> Clutter:
    """The book's Tiny-ImageNet images in clutter, one canvas for each image of the part.

    Args:
        part: "tune" and "test" to measure on, "train" to train on (without boxes).
        root: the folder of Tiny-ImageNet, as for `open_dataset`.
        seed, side: of places and tiles; of the canvas in pixels.
        partition: the split of the images, one of `tiny_imagenet.FOLDS`.

    Raises:
        DatasetNotFound: Tiny-ImageNet is nowhere; the sentence says what to do.
        DataError: there is no such part, or an archive without the classes of the tiles.
        ValueError: there are no canvases of that split.
    """
    _check_part(part)  # before anything is downloaded
    tiles = TILES_OF[one_of("split with canvases called", partition, TILES_OF)]
    archive = locate("tiny-imagenet", root)
    images = TinyImageNet(archive, part, partition=partition)
    return Clutter(images, TinyImageNet(archive, part, partition=tiles), part, seed, side)


def training_canvases(canvases: Clutter, seed: int) -> Callable[[int], Tensor]:
    """From an epoch to its canvases, uint8 (N, 3, side, side): others for every seed of a run and every epoch.

    `canvases` are of the part "train"; the seed is below 1000, as epochs are.
    """
    return lambda epoch: canvases.redrawn(1 + 1000 * seed + epoch).arrays()[0]


def make_tile_partition(path: Path, folder: Path | None = None, name: str = TILES) -> Path:
    """Write a list of tiles: of every class after the book's 20, 150 training images to train, 20 tune, 50 test.

    `HELDOUT_TILES` are of the book's 20 classes, 225, 30 and 75 each. Within a class the images are ranked as in the
    book's split. An image of which the archive of 50 classes at `path` holds a copy is left out, so that no tile shows
    a test image. Returns the path of the CSV file, in `folder` or `data/splits/`.
    """
    train, val = (TinyImageNet(path, split, partition=None) for split in ("train", "val"))
    digests = pixel_digests(train, val)
    copies, rows = Counter(digests.values()), []
    wnids = [line.strip() for line in read_lines(train.tree, "wnids.txt")]
    heldout = one_of("list of tiles called", name, TILES_OF.values()) == HELDOUT_TILES
    wnids, wanted = (
        (wnids[:BOOK_CLASSES], HELDOUT_TILES_PER_CLASS) if heldout else (wnids[BOOK_CLASSES:], TILES_PER_CLASS)
    )
    for wnid in wnids:
        own = [name for name, label in zip(train.names, train.labels) if train.wnids[label] == wnid]
        files = [Path(name).name for name in own if copies[digests[name]] == 1]
        ranked = iter(sorted(files, key=rank))
        for part, count in wanted.items():
            rows += [(wnid, next(ranked), part) for _ in range(count)]
    facts = {
        "rule": "datasets/clutter.py: sha256 of the file name ranks the images of a class; copied ones are left out",
        "classes": {wnid: train.classes[train.wnids.index(wnid)] for wnid in wnids},
    }
    return write_partition(name, rows, facts, folder)


def _check_part(part: str) -> None:
    if part not in PARTS:
        raise DataError(f"Canvases have no part '{part}': use one of {', '.join(PARTS)}.")


if __name__ == "__main__":
    for tiles in TILES_OF.values():
        print(make_tile_partition(locate("tiny-imagenet"), name=tiles))
