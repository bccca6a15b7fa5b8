"""Masks as truth, measured with a network whose answers are known."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from book.studies import masks as localization_masks
from book.studies.localization import ClassMaps
from book.studies.masks import mask_overlaps, measure_masks, on_mask, tile_ceiling
from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.contract import IGNORE
from drn_lib.network import create_model
from tests.book.studies.test_localization import Bright


class Animals(ImageDataset):
    """White animals on black, in 64 px: an L of three tiles of 8 px, whose frame is a box of four."""

    classes, mask_classes = ["dark", "bright"], ["background", "pet"]

    def __init__(self, count=12):
        self.names, self.labels = [str(index) for index in range(count)], [1] * count

    def read(self, index):
        x, y = 8 * (index % 6), 8 * (index // 6)
        mask = torch.zeros(64, 64, dtype=torch.int64)
        mask[y : y + 16, x : x + 8] = 1
        mask[y + 8 : y + 16, x : x + 16] = 1
        image = (255 * mask).to(torch.uint8).expand(3, 64, 64)
        boxes = torch.tensor([[x, y, x + 16, y + 16]], dtype=torch.float32)
        return {"image": image, "label": 1, "boxes": boxes, "mask": mask, "name": self.names[index]}


def measured(val, test, sign=1.0):
    """Of a network that is dilated already: nothing is measured twice."""
    model = Bright(sign)
    model.table = SimpleNamespace(dilation_rule="levels")
    return measure_masks(model, 64, val, test)


def two_by_two(own, wins):
    """The maps of one image of 16 px."""
    own = torch.tensor([own])
    return ClassMaps(own, own, own > wins, own, 0.0, 1.0, (16, 16), 1.0, 8)


def test_a_network_that_finds_the_animal_has_its_mask_and_its_frame():
    animals = Animals()
    metrics, arrays = measured(animals, animals)
    assert metrics["pets.mask_pointing_error"] == metrics["pets.best70.gt_known_70"] == 0.0
    for key in ("pets.mask_iou", "pets.mask_iou_own"):
        assert metrics[key] == pytest.approx(1.0) and arrays[key].tolist() == [200] * 12
    assert arrays["pets.mask_pointing"].all()
    assert arrays["pets.mask_curve"].shape == (41, 2)
    # The whole image: three tiles of 64. Its middle lies on none of these animals.
    assert metrics["pets.trivial.whole_image.mask_iou"] == pytest.approx(3 / 64)
    assert metrics["pets.trivial.whole_image.mask_pointing_error"] == 100.0
    assert metrics["pets.trivial.tiles_8.mask_iou"] == pytest.approx(1.0)
    assert metrics["pets.trivial.tiles_32.mask_iou"] < 0.5
    assert not [key for key in metrics if "posthoc" in key]


def test_answers_that_look_at_nothing_are_fitted_to_their_own_column():
    still = Animals(1)  # one animal, always at one place
    metrics, _ = measured(still, still)
    assert metrics["pets.trivial.fixed_mask.mask_iou"] == pytest.approx(1.0)
    assert metrics["pets.trivial.fixed_box_70.gt_known_70"] == 0.0
    assert metrics["pets.trivial.fixed_point.mask_pointing_error"] == 0.0
    moved, _ = measured(still, Animals())
    assert moved["pets.trivial.fixed_mask.mask_iou"] < 0.3 and moved["pets.trivial.fixed_box_70.gt_known_70"] > 80


def test_a_class_that_scores_high_but_never_wins_has_its_own_map_alone():
    maps = two_by_two([[3.0, -1.0], [2.0, -1.0]], 9)
    masks = torch.zeros(1, 16, 16, dtype=torch.uint8)
    masks[0, :, :8] = 1
    limit = torch.tensor([0.0])
    assert mask_overlaps(maps, limit, masks).item() == 0.0
    assert mask_overlaps(maps, limit, masks, must_win=False).item() == 1.0


def test_the_best_tiles_by_trying_all_sets():
    masks = (torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.6).to(torch.uint8)
    masks[:, 0, :3] = IGNORE
    for mask, found in zip(masks, tile_ceiling(masks, 4)):
        best = 0.0
        animal, counted = mask == 1, mask != IGNORE
        for tiles in product([False, True], repeat=4):
            inside = torch.tensor(tiles).view(2, 2).repeat_interleave(4, 0).repeat_interleave(4, 1)
            best = max(best, ((animal & inside).sum() / (animal | (inside & counted)).sum()).item())
        assert found.item() == pytest.approx(best)


def test_a_network_that_finds_the_background_does_not():
    metrics, _ = measured(Animals(), Animals(), -1.0)
    assert metrics["pets.mask_pointing_error"] == 100.0 and metrics["pets.mask_iou"] < 0.1


def test_overlaps_by_hand_and_the_border_counts_nowhere():
    maps = two_by_two([[3.0, 1.0], [2.0, 0.0]], -1)
    masks = torch.zeros(1, 16, 16, dtype=torch.uint8)
    masks[0, :8, :8] = 1
    masks[0, 8:, :8] = IGNORE
    found = mask_overlaps(maps, torch.tensor([-1.0, 0.5, 1.5, 3.0]), masks)[:, 0]
    # All four tiles: 64 of 192 counted pixels; three: 64 of 128; two, one of them border: all; none.
    assert found.tolist() == pytest.approx([64 / 192, 64 / 128, 1.0, 0.0])
    assert on_mask(torch.tensor([[4.0, 4.0]]), masks).all() and on_mask(torch.tensor([[4.0, 12.0]]), masks).all()
    assert not on_mask(torch.tensor([[12.0, 4.0]]), masks).any()  # x and y are not exchanged
    with pytest.raises(ValueError, match="cells of 8 px"):
        mask_overlaps(maps, torch.tensor([0.0]), masks[:, :8])


def test_a_resnet_is_measured_again_dilated_afterwards():
    torch.manual_seed(0)
    animals = Animals(3)
    metrics, arrays = measure_masks(create_model("resnet_18", 2, 0.125), 64, animals, animals)
    assert {"pets.mask_iou", "pets.posthoc.mask_iou", "pets.posthoc.gt_known_50"} <= set(metrics)
    assert arrays["pets.posthoc.mask_iou"].dtype == np.uint8


def test_a_run_on_the_pets_records_masks(monkeypatch):
    from book.studies import runs
    from drn_lib.training.recipes import recipe

    asked = []
    monkeypatch.setattr(runs, "open_dataset", lambda name, part, **options: asked.append((name, part, options)) or part)
    monkeypatch.setattr(localization_masks, "measure_masks", lambda model, size, *parts: ((size, parts), {}))
    (size, parts), _ = runs._localization(recipe("pets-reduced"), None, {})
    assert size == 224 and parts == ("tune", "test")
    assert asked == [("pets", "tune", {"partition": "pets-3"}), ("pets", "test", {"partition": "pets-3"})]
