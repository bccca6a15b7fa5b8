"""A linear probe on streets: what resolution alone is worth for a frozen ImageNet trunk, see the plan's third part."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from book.studies.imagenet.readings import compare, named, plan, read_as, store
from drn_lib import paths
from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.contract import IGNORE
from drn_lib.geometry import cell_centre
from drn_lib.images import normalize
from drn_lib.lite import LiteNetwork
from drn_lib.localization.cam import upsample_over_image
from drn_lib.localization.places import cells_of_pixels
from drn_lib.segmentation.metrics import outcome, summarize
from drn_lib.segmentation.scores import images_by_sequence, score_image


def measure(model: LiteNetwork) -> dict:
    """All readings and seeds of the plan, stored and returned; the trunk's maps are kept in the cache meanwhile."""
    how = plan()["probe"]
    train, test = (open_dataset(how["dataset"], part) for part in ("train", "test"))
    masks = torch.stack([test[index]["mask"] for index in range(len(test))])
    targets = torch.stack([train[index]["mask"] for index in range(len(train))])
    classes, size = train.mask_classes, tuple(masks.shape[1:])
    drives = np.zeros(len(test), dtype=np.uint8)
    for number, places in enumerate(images_by_sequence(test.names).values()):
        drives[places] = number
    document: dict = {"counts": {"train": len(train), "test": len(test)}, "readings": {}}
    document["sha256"] = {"train": train.fingerprint, "test": test.fingerprint}
    arrays = {"sequence": drives}
    for reading in how["readings"]:
        network, name = read_as(model, reading), named(reading)
        place = {"jump": reading[0], "cell_edges": "measured", "centre": cell_centre(network, size)}
        seen = {part: last_maps(network, own, f"{name}-{part}") for part, own in (("train", train), ("test", test))}
        fractions = class_fractions(targets, tuple(seen["train"].shape[2:]), len(classes), place)
        rows = []
        for seed in how["seeds"]:
            head = train_head(seen["train"], fractions, seed, how)
            counts = [_score(head, maps, mask, place) for maps, mask in zip(seen["test"], masks)]
            rows.append({key: np.stack([row[key] for row in counts]) for key in counts[0]})
        scores = [summarize(row, classes) for row in rows]
        document["readings"][name] = {
            key: [own[key] for own in scores] for key in scores[0] if all(key in own for own in scores)
        }
        for key in rows[0]:
            arrays[f"{name}.{key}"] = np.stack([row[key] for row in rows])
    for key in how["outcomes"]:
        array, statistic = outcome(key, classes)
        values = {named(reading): arrays[f"{named(reading)}.{array}"] for reading in how["readings"]}
        document[key] = compare(how["primary_comparisons"], values, statistic, drives)
    store("probe", document, arrays)
    shutil.rmtree(_folder())
    return document


@torch.inference_mode()
def last_maps(network: LiteNetwork, dataset: ImageDataset, name: str) -> np.ndarray:
    """The trunk's last map of every frame, float16 (N, 1280, h, w), kept on disk: up to 7 MB a frame."""
    file = _folder() / f"{name}-{dataset.fingerprint[:16]}.npy"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with paths.replacing(file) as temporary:
            kept = None
            for index in range(len(dataset)):
                maps = network.last_map(normalize(dataset[index]["image"][None]))[0].half().numpy()
                if kept is None:
                    kept = np.lib.format.open_memmap(temporary, "w+", maps.dtype, (len(dataset), *maps.shape))
                kept[index] = maps
            kept.flush()
    return np.load(file, mmap_mode="r")


def _folder() -> Path:
    return paths.cache_dir() / "lite0"


def class_fractions(masks: Tensor, cells: tuple[int, int], classes: int, place: dict) -> Tensor:
    """How many labelled pixels of each class (N, classes, h, w) are nearest to each cell's middle."""
    rows, columns = (
        one_hot(own, count).float()
        for own, count in zip(cells_of_pixels(cells, tuple(masks.shape[1:]), **place), cells)
    )  # (H, h) and (W, w)
    counts = []
    for mask in masks:
        pixels = one_hot(mask.masked_fill(mask == IGNORE, classes), classes + 1)[
            ..., :classes
        ].float()  # (H, W, classes)
        counts.append(rows.T @ pixels.permute(2, 0, 1) @ columns)
    return torch.stack(counts)


def train_head(maps: np.ndarray, counts: Tensor, seed: int, how: dict) -> nn.Conv2d:
    """A 1x1 classifier of the trunk's maps: cross entropy with each cell's labelled pixels; see the plan."""
    torch.manual_seed(seed)
    mean, deviation = _unit(maps)
    head = nn.Conv2d(maps.shape[1], counts.shape[1], 1)
    steps = how["epochs"] * -(-len(maps) // how["batch_size"])
    optimizer = torch.optim.Adam(head.parameters(), how["rate"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(how["epochs"]):
        for batch in torch.randperm(len(maps)).split(how["batch_size"]):
            batch = batch.sort().values
            x = (torch.from_numpy(maps[batch.numpy()]).float() - mean) / deviation
            wanted = counts[batch]
            loss = -(wanted * head(x).log_softmax(dim=1)).sum() / wanted.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():  # the unit of the channels becomes part of the classifier
        head.weight /= deviation
        head.bias -= (head.weight * mean).sum(dim=(1, 2, 3))
    return head


def _unit(maps: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over all frames: (1, channels, 1, 1)."""
    total, squares = np.zeros(maps.shape[1]), np.zeros(maps.shape[1])
    for own in maps:
        own = own.astype(np.float32)
        total += own.mean(axis=(1, 2))
        squares += np.square(own).mean(axis=(1, 2))
    mean = total / len(maps)
    deviation = np.sqrt(np.maximum(squares / len(maps) - mean**2, 1e-8))
    return tuple(torch.from_numpy(own).float().view(1, -1, 1, 1) for own in (mean, deviation))


@torch.inference_mode()
def _score(head: nn.Conv2d, maps: np.ndarray, mask: Tensor, place: dict) -> dict[str, np.ndarray]:
    scores = head(torch.from_numpy(maps.copy()).float()[None])[0]  # (classes, h, w)
    large = upsample_over_image(scores, tuple(mask.shape), place["jump"], place["cell_edges"], place["centre"])
    return score_image(large.argmax(dim=0), mask, head.out_channels)
