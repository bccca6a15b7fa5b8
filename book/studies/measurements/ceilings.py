"""Measure what a grid allows on the real test boxes: `python -m book.studies.measurements.ceilings`.

It needs the data and takes seconds. It writes data/results/ceilings.json: for the true boxes of the test images of
Tiny-ImageNet-20, the best overlap that a box of whole cells can have with each, on the grids of the book; its mean, and
how many objects no such box fits. For pointing in clutter, off the middle: how many objects hold no cell's middle, and
how one fixed point does. And what the whole image and one fixed box come to wherever a network is measured; image by
image, for intervals, in ceilings.npz. Run it again when the study `classification` has more seeds of ResNet-18: a test
says so.
"""

from __future__ import annotations

import json

import numpy as np
import torch

from book.studies import files, results
from book.studies.localization import ENLARGED, SIZES
from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.clutter import SIDE, Clutter, open_clutter
from drn_lib.localization import scores

GRIDS = {"2x2": (2, 64), "8x8": (8, 64), "7x7": (7, 224), "28x28": (28, 224)}
"""Cells a side, and pixels a side of the image: ResNet and DRN at 64 and at 224 px."""
LEVELS = (0.3, 0.5, 0.7)
CANVAS_GRIDS = {"4x4": 4, "16x16": 16}
"""Cells a side: ResNet and DRN on a canvas of 128 px."""
DRAWINGS = 20
"""Of the tune canvases, to choose a fixed box on: 16,000 in all."""


def true_boxes(dataset) -> torch.Tensor:
    """(N, 4), in pixels of images of 64 px: these have one box each."""
    true = scores.pad_boxes([dataset[index]["boxes"] for index in range(len(dataset))])
    assert true.shape[1] == 1, "one box an image"
    return true[:, 0]


def ceilings(true: torch.Tensor) -> dict[str, dict[str, float]]:
    """By grid: the mean of the best overlaps, and in percent how many objects stay at or below each level."""
    return {name: _ceiling(true * size / 64, cells, size) for name, (cells, size) in GRIDS.items()}


def canvas_ceilings(test: Clutter) -> dict[str, dict[str, float]]:
    """The same for the canvases."""
    return {name: _ceiling(test.edges, cells, SIDE) for name, cells in CANVAS_GRIDS.items()}


def _ceiling(true: torch.Tensor, cells: int, size: int) -> dict[str, float]:
    best = scores.ceiling(true, cells, size)
    errors = {f"gt_known_{round(100 * level)}": _error(best, level) for level in LEVELS}
    return {"mean_iou": best.mean().item(), **errors}


def _error(ious: torch.Tensor, level: float = 0.5) -> float:
    return scores.gt_known_error(ious, level).item()


def blind(tune: torch.Tensor, test: torch.Tensor) -> tuple[dict[str, dict[str, float]], dict[str, np.ndarray]]:
    """GT-known error at 0.5 of answers that look at no plain image: on the images of each setting, and by size.

    Beside them what a ResNet's 2x2 cells allow, by size. And image by image which of the 3,000 are wrong.
    """
    boxes = {"whole_image": scores.whole_image(1, 64)[0]}
    boxes["fixed_box"] = scores.best_fixed_box(tune, 64)
    settings = {"native": (1, 1), **{f"px{size}": steps for size, steps in ENLARGED.items()}}
    thirds = scores.size_terciles(test)
    found, wrong = {}, {}
    for name, box in boxes.items():
        parts = tune, test
        ious = [scores.best_iou(box.expand(len(true), 4), true) for true in parts]
        found[name] = {
            f"{setting}.{part}": _error(own[::step])
            for setting, steps in settings.items()
            for part, own, step in zip(("tune", "test"), ious, steps)
        }
        found[name].update({size: _error(ious[1][thirds == number]) for number, size in enumerate(SIZES)})
        wrong[f"{name}.gt_known_50"] = ious[1].double().numpy() <= 0.5
    best = scores.ceiling(test, 2, 64)
    found["2x2"] = {size: _error(best[thirds == number]) for number, size in enumerate(SIZES)}
    return found, wrong


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


def fixed_boxes(tune: Clutter, test: Clutter) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """GT-known error of one box for all canvases at 0.3 and 0.5, each the best on many drawings of the tune canvases.

    On a single drawing few of the 800 canvases are right for any box, and the best one is mostly lucky.
    """
    true = torch.cat([tune.redrawn(seed).edges for seed in range(1, 1 + DRAWINGS)])
    found, wrong = {}, {}
    for level in LEVELS[:2]:
        box = scores.best_fixed_box(true, (SIDE, SIDE), level)
        ious = scores.best_iou(box.expand(len(test), 4), test.edges)
        key = f"gt_known_{round(100 * level)}"
        found[key], wrong[f"clutter.fixed_box.{key}"] = _error(ious, level), ious.double().numpy() <= level
    return found, wrong


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
    return scores.pointing_hits(point.expand(len(true), 2), true)


def _reachable(true: torch.Tensor, cells: int) -> torch.Tensor:
    return torch.stack([_hits(point, true) for point in _middles(cells)]).any(dim=0)


def _off_middle(part: Clutter) -> torch.Tensor:
    return ~_hits(torch.tensor([SIDE / 2, SIDE / 2]), part.edges)


def _rounded(found: dict) -> dict:
    return {key: _rounded(value) if isinstance(value, dict) else round(value, 4) for key, value in found.items()}


def main() -> None:
    plain = [true_boxes(open_dataset("tiny-imagenet", part, partition="tiny-imagenet-20")) for part in ("tune", "test")]
    found = {"dataset": "tiny-imagenet", "partition": "tiny-imagenet-20", "split": "test", "images": len(plain[1])}
    found["grids"] = _rounded(ceilings(plain[1]))
    tune, test = open_clutter("tune"), open_clutter("test")
    found["canvas_grids"] = _rounded(canvas_ceilings(test))
    answers, wrong = blind(*plain)
    found["blind"] = _rounded(answers)
    found["clutter_off_middle"] = _rounded(pointing(tune, test))
    boxes, wrong_canvases = fixed_boxes(tune, test)
    found["clutter_fixed_boxes"] = _rounded(boxes)
    found["dense_reading"] = _rounded(dense_reading(test))
    files.write_json(files.results_dir() / "ceilings.json", found)
    files.write_arrays(files.results_dir() / "ceilings.npz", {**wrong, **wrong_canvases})
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
