"""Near copies among the images of the book's splits: `python -m book.studies.measurements.near_copies`.

Exact copies are kept in one part by the splits themselves. Here images are looked for that are almost the same (another
crop, size or compression of one photograph) and lie in different parts of a split, or in a part and among its tiles. A
pair is one whose perceptual hashes differ in few of 64 bits and whose small grey pictures agree; an image is also
compared with the mirrored others, since training mirrors. It needs the data, takes minutes and writes
data/results/near_copies.json.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import dctn
from torch import Tensor

from book.studies import files
from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.clutter import TILES_OF
from drn_lib.datasets.splits import PARTS

BITS = 14
"""Bits of 64 in which the hashes of a pair differ at most; of unrelated photographs about 32 differ."""
AGREEMENT = 0.9
"""Correlation of the two pictures of 16 x 16 grey pixels at least."""
WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue in grey (ITU-R BT.601)."""


def grey(images: Tensor, side: int) -> Tensor:
    """Images uint8 (N, 3, H, W) as grey pictures (N, side, side)."""
    whole = torch.einsum("nchw,c->nhw", images.float(), torch.tensor(WEIGHTS))
    return F.interpolate(whole[:, None], size=(side, side), mode="area")[:, 0]


def hashes(images: Tensor) -> np.ndarray:
    """The perceptual hash of each image, bool (N, 64): which of the 8 x 8 lowest frequencies of its picture of
    32 x 32 grey pixels (DCT, without the mean) are above their median.
    """
    lowest = dctn(grey(images, 32).numpy(), axes=(1, 2), norm="ortho")[:, :8, :8].reshape(-1, 64)
    return lowest > np.median(lowest[:, 1:], axis=1, keepdims=True)


def near(images: Tensor, others: Tensor) -> list[tuple[int, int]]:
    """The pairs (number in `images`, number in `others`) that are nearly the same picture, or each other's mirror."""
    found = set()
    for seen in (others, others.flip(-1)):
        one, other = (hashes(side).astype(np.float32) for side in (images, seen))
        apart = one.sum(1)[:, None] + other.sum(1)[None] - 2 * one @ other.T  # bits that differ
        left, right = np.nonzero(apart <= BITS)
        small = [
            _standardized(grey(side, 16)[torch.from_numpy(index)]) for side, index in ((images, left), (seen, right))
        ]
        agree = (small[0] * small[1]).mean(dim=(1, 2)).numpy() >= AGREEMENT
        found |= {(int(i), int(j)) for i, j in zip(left[agree], right[agree])}
    return sorted(found)


def _standardized(pictures: Tensor) -> Tensor:
    centred = pictures - pictures.mean(dim=(1, 2), keepdim=True)
    return centred / centred.pow(2).mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(1e-6)


def search(partition: str) -> dict[str, list[list[str]]]:
    """The near copies of one split: names of pairs by "train-test" and so on; tiles are the test canvases'."""
    sets = {part: open_dataset("tiny-imagenet", part, partition=partition) for part in PARTS}
    sets["tiles"] = open_dataset("tiny-imagenet", "test", partition=TILES_OF[partition])
    arrays = {part: dataset.arrays()[0] for part, dataset in sets.items()}
    return {
        f"{one}-{other}": [[sets[one].names[i], sets[other].names[j]] for i, j in near(arrays[one], arrays[other])]
        for one, other in combinations(sets, 2)
    }


if __name__ == "__main__":
    document = {"bits": BITS, "agreement": AGREEMENT, "pairs": {name: search(name) for name in TILES_OF}}
    files.write_json(files.results_dir() / "near_copies.json", document)
    for name, by_parts in document["pairs"].items():
        print(name, {parts: len(pairs) for parts, pairs in by_parts.items()})
