"""Localization on photographs of cats and dogs, masks as truth: the plan's second part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from book.studies.imagenet.readings import compare, named, plan, read_as, store
from book.studies.masks import on_mask
from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.catalog import open_dataset
from drn_lib.datasets.contract import IGNORE
from drn_lib.geometry import cell_centre
from drn_lib.images import normalize
from drn_lib.lite import LiteNetwork
from drn_lib.localization import scores as scoring
from drn_lib.localization.cam import cam_boxes, upsample_over_image
from drn_lib.localization.equations import peak_points

DOGS, CATS = range(151, 269), range(281, 286)
"""ImageNet's numbers of its dogs and of its domestic cats."""
LEVELS = (0.3, 0.5, 0.7)


@dataclass
class Animals:
    """Photographs uint8 (N, 3, H, W), masks (N, H, W), boxes (N, 4); (N,): whether it is a cat, the class asked for."""

    images: Tensor
    masks: Tensor
    boxes: Tensor
    cats: Tensor
    asked: Tensor


def measure(model: LiteNetwork) -> dict:
    """All readings of the plan on the scored part, thresholds from the other parts; stored and returned."""
    how = plan()["pets"]
    parts = [how["scored_part"], *how["thresholds_from"]]
    sets = [open_dataset("pets", part, partition=how["partition"]) for part in parts]
    test, others = animals(model, sets[:1]), animals(model, sets[1:])
    fractions = np.linspace(0, 1, how["fractions"], endpoint=False).tolist()
    document: dict = {"counts": {"test": len(test.images), "thresholds": len(others.images)}, "readings": {}}
    document["sha256"] = {part: own.fingerprint for part, own in zip(parts, sets)}
    arrays = {}
    for reading in how["readings"]:
        network = read_as(model, reading)
        place = {"jump": reading[0], "centre": cell_centre(network, tuple(test.images.shape[2:]))}
        maps, of_kind = class_maps(network, test)
        own = {"kind": of_kind.numpy(), "pixel_ap": pixel_ap(maps, test.masks, "measured", **place)}
        own["pixel_ap_tiles"] = pixel_ap(maps, test.masks, "tile", **place)
        size = tuple(test.images.shape[2:])
        points = peak_points(maps, size, cell_edges="measured", **place)
        own["pointing"] = on_mask(points, test.masks).numpy()
        other_maps, _ = class_maps(network, others)
        overlaps = box_overlaps(other_maps, others.boxes, fractions, size, place)
        chosen = {level: fractions[int((overlaps >= level).mean(axis=1).argmax())] for level in LEVELS}
        for level, fraction in chosen.items():
            own[f"box_{round(100 * level)}"] = box_overlaps(maps, test.boxes, [fraction], size, place)[0] >= level
        means = {key: 100 * float(values.mean()) for key, values in own.items()}
        document["readings"][named(reading)] = {**means, "fractions": chosen, "cells": maps.shape[-1]}
        arrays.update({f"{named(reading)}.{key}": values for key, values in own.items()})
    values = {named(reading): 100 * arrays[f"{named(reading)}.pixel_ap"][None] for reading in how["readings"]}
    document["pixel_ap"] = compare(how["primary_comparisons"], values)
    store("pets", document, arrays)
    return document


@torch.inference_mode()
def animals(model: LiteNetwork, datasets: list[ImageDataset]) -> Animals:
    """Photographs of some parts, with the class of each animal's kind that the network as trained scores highest."""
    samples = [own[index] for own in datasets for index in range(len(own))]
    images, masks = (torch.stack([sample[key] for sample in samples]) for key in ("image", "mask"))
    # A published photograph's name begins with a capital letter where it shows a cat.
    cats = torch.tensor([sample["name"].rpartition("/")[2][0].isupper() for sample in samples])
    logits = torch.cat([model(normalize(batch)) for batch in images.split(8)])
    asked = torch.where(cats, logits[:, CATS.start : CATS.stop].argmax(1) + CATS.start, 0)
    asked = torch.where(cats, asked, logits[:, DOGS.start : DOGS.stop].argmax(1) + DOGS.start)
    return Animals(images, masks, scoring.pad_boxes([sample["boxes"] for sample in samples])[:, 0], cats, asked)


@torch.inference_mode()
def class_maps(network: LiteNetwork, animals: Animals) -> tuple[Tensor, Tensor]:
    """The map (N, h, w) of the class asked for, and whether the class named, of all 1000, is of the animal's kind."""
    maps, named_classes = [], []
    for images, asked in zip(animals.images.split(8), animals.asked.split(8)):
        scores = network.score_map(normalize(images))
        maps.append(scores[torch.arange(len(asked)), asked])
        named_classes.append(scores.mean(dim=(2, 3)).argmax(dim=1))
    index = torch.cat(named_classes)
    is_cat, is_dog = ((index >= kind.start) & (index < kind.stop) for kind in (CATS, DOGS))
    return torch.cat(maps), torch.where(animals.cats, is_cat, is_dog)


def pixel_ap(maps: Tensor, masks: Tensor, cell_edges: str, jump: int, centre: tuple[float, float]) -> np.ndarray:
    """Average precision (N,), 0..1, of the enlarged maps' pixels against the animal's; the border counts nowhere."""
    large = upsample_over_image(maps, tuple(masks.shape[1:]), jump, cell_edges, centre)  # (N, H, W)
    found = []
    for values, mask in zip(large.numpy(), masks.numpy(), strict=True):
        counted = mask != IGNORE
        hits = (mask == 1)[counted][np.argsort(-values[counted], kind="stable")]
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        found.append(precision[hits].mean())
    return np.array(found)


def box_overlaps(maps: Tensor, boxes: Tensor, fractions: list[float], size: tuple, place: dict) -> np.ndarray:
    """Overlap (fractions, N) of the CAM boxes, cut at each fraction of a map's range, with the true boxes (N, 4)."""
    found = [cam_boxes(maps, fraction, size, cell_edges="measured", **place) for fraction in fractions]
    return np.stack([scoring.iou(pred, boxes).numpy() for pred in found])
