"""Measure what a grid allows on the real test boxes: `python tests/localization_ceilings.py`, seconds; needs the data.

Writes data/results/ceilings.json: for the true boxes of the test images of Tiny-ImageNet-20, the best overlap that a
box of whole cells can have with each, on the grids of the book; its mean, and how many objects no such box fits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from drn_lib import localization_scores, paths  # noqa: E402
from drn_lib.datasets import open_dataset  # noqa: E402

GRIDS = {"2x2": (2, 64), "8x8": (8, 64), "7x7": (7, 224), "28x28": (28, 224)}
"""Cells a side, and pixels a side of the image: ResNet and DRN at 64 and at 224 px."""
LEVELS = (0.3, 0.5, 0.7)


def ceilings(dataset) -> dict[str, dict[str, float]]:
    """By grid: the mean of the best overlaps, and in percent how many objects stay at or below each level."""
    true = localization_scores.pad_boxes([dataset[index]["boxes"] for index in range(len(dataset))])
    assert true.shape[1] == 1, "one box an image"
    found = {}
    for name, (cells, size) in GRIDS.items():
        best = localization_scores.ceiling(true[:, 0] * size / 64, cells, size)
        errors = {
            f"gt_known_{round(100 * level)}": localization_scores.gt_known_error(best, level).item() for level in LEVELS
        }
        found[name] = {"mean_iou": best.mean().item(), **errors}
    return found


def main() -> None:
    dataset = open_dataset("tiny-imagenet", "test", partition="tiny-imagenet-20")
    found = {"dataset": "tiny-imagenet", "partition": "tiny-imagenet-20", "split": "test", "images": len(dataset)}
    found["grids"] = {
        name: {key: round(value, 4) for key, value in row.items()} for name, row in ceilings(dataset).items()
    }
    with paths.replacing(paths.results_dir() / "ceilings.json") as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
