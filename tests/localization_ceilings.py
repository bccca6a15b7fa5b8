"""Measure what a grid allows on the real test boxes: `python tests/localization_ceilings.py`, seconds; needs the data.

Writes data/results/ceilings.json: for the true boxes of the test images of Tiny-ImageNet-20, the best overlap that a
box of whole cells can have with each, on the grids of the book; its mean, and how many objects no such box fits. And
for pointing in clutter, off the middle: how many objects hold no cell's middle, and how one fixed point does. Run it
again when the study `classification` has more seeds of ResNet-18: a test says so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

import torch  # noqa: E402

from drn_lib import localization_scores, paths, results  # noqa: E402
from drn_lib.clutter import SIDE, Clutter, open_clutter  # noqa: E402
from drn_lib.datasets import open_dataset  # noqa: E402

GRIDS = {"2x2": (2, 64), "8x8": (8, 64), "7x7": (7, 224), "28x28": (28, 224)}
"""Cells a side, and pixels a side of the image: ResNet and DRN at 64 and at 224 px."""
LEVELS = (0.3, 0.5, 0.7)
CANVAS_GRIDS = {"4x4": 4, "16x16": 16}
"""Cells a side: ResNet and DRN on a canvas of 128 px."""
DRAWINGS = 20
"""Of the tune canvases, to choose a fixed box on: 16,000 in all."""


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


def pointing(tune: Clutter, test: Clutter) -> dict[str, float | dict[str, float]]:
    """Off the middle of the canvases, in percent of them: what no network can reach, and what none is needed for."""
    tune_true, test_true = (part.edges[_off_middle(part)] for part in (tune, test))
    found: dict[str, float | dict[str, float]] = {"canvases": len(test_true)}
    for name, cells in CANVAS_GRIDS.items():
        found[name] = {"no_middle": 100 * (~_reachable(test_true, cells)).double().mean().item()}
    points = _middles(SIDE)
    hits = torch.tensor([_hits(point, tune_true).sum().item() for point in points])
    best = points[hits.argmax()]
    found["fixed_point"] = {"x": best[0].item(), "y": best[1].item()}
    found["fixed_point"]["error"] = 100 * (~_hits(best, test_true)).double().mean().item()
    return found


def fixed_boxes(tune: Clutter, test: Clutter) -> dict[str, float]:
    """GT-known error of one box for all canvases at 0.3 and 0.5, each the best on many drawings of the tune canvases.

    On a single drawing few of the 800 canvases are right for any box, and the best one is mostly lucky.
    """
    true = torch.cat([tune.redrawn(seed).edges for seed in range(1, 1 + DRAWINGS)])
    found = {}
    for level in LEVELS[:2]:
        box = localization_scores.best_fixed_box(true, (SIDE, SIDE), level)
        ious = localization_scores.best_iou(box.expand(len(test), 4), test.edges)
        found[f"gt_known_{round(100 * level)}"] = localization_scores.gt_known_error(ious, level).item()
    return found


def dense_reading(test: Clutter) -> dict[str, float]:
    """How many points ResNet-18 gains by reading densely, and how many of them where no middle of its cells fits."""
    off = _off_middle(test)
    beyond = ~_reachable(test.edges[off], CANVAS_GRIDS["4x4"])
    coarse, dense = (
        torch.from_numpy(results.per_image("classification", "resnet_18", f"clutter.{key}pointing"))[:, off].double()
        for key in ("", "posthoc.")
    )  # (seeds, canvases) each
    gains = 100 * (dense - coarse).mean(dim=0)  # (canvases,)
    return {"seeds": len(coarse), "gain": gains.mean().item(), "beyond_reach": gains[beyond].sum().item() / len(gains)}


def _middles(cells: int) -> torch.Tensor:
    """The middles of all cells of a canvas, (cells², 2), x and y in pixels."""
    places = (torch.arange(cells) + 0.5) * SIDE / cells
    return torch.cartesian_prod(places, places)


def _hits(point: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    return localization_scores.pointing_hits(point.expand(len(true), 2), true)


def _reachable(true: torch.Tensor, cells: int) -> torch.Tensor:
    return torch.stack([_hits(point, true) for point in _middles(cells)]).any(dim=0)


def _off_middle(part: Clutter) -> torch.Tensor:
    return ~_hits(torch.tensor([SIDE / 2, SIDE / 2]), part.edges)


def _rounded(found: dict) -> dict:
    return {key: _rounded(value) if isinstance(value, dict) else round(value, 4) for key, value in found.items()}


def main() -> None:
    dataset = open_dataset("tiny-imagenet", "test", partition="tiny-imagenet-20")
    found = {"dataset": "tiny-imagenet", "partition": "tiny-imagenet-20", "split": "test", "images": len(dataset)}
    found["grids"] = _rounded(ceilings(dataset))
    tune, test = open_clutter("tune"), open_clutter("test")
    found["clutter_off_middle"] = _rounded(pointing(tune, test))
    found["clutter_fixed_boxes"] = _rounded(fixed_boxes(tune, test))
    found["dense_reading"] = _rounded(dense_reading(test))
    with paths.replacing(paths.results_dir() / "ceilings.json") as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
