"""What a run records, measured with networks whose answers are known."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import drn_lib
from book.studies import localization
from book.studies.localization import EvalSet, collect_class_maps, measure, measure_setting
from drn_lib.datasets.base import ImageDataset
from drn_lib.datasets.clutter import Clutter
from drn_lib.datasets.synthetic.sets import SyntheticShapes
from drn_lib.network import FeatureInfo

NAME = re.compile(r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")


class Bright(nn.Module):
    """Finds white on black: class 1 scores where a tile of 8x8 is bright; `sign` -1 finds the background instead."""

    def __init__(self, sign=1.0):
        super().__init__()
        self.sign = sign
        self.feature_info = [FeatureInfo(8, 2, 8, 1)]

    def score_map(self, x):
        bright = self.sign * nn.functional.avg_pool2d(x.mean(dim=1, keepdim=True), 8)
        return torch.cat([-bright, bright], dim=1)


@pytest.fixture
def seen():
    """White squares on tile borders, so that the boxes of `Bright` are exact."""
    random = np.random.default_rng(0)
    images, true = torch.zeros(30, 3, 64, 64, dtype=torch.uint8), []
    for image in images:
        x0, y0 = (8 * random.integers(0, 4, 2)).tolist()
        x1, y1 = x0 + 8 * int(random.integers(1, 4)), y0 + 8 * int(random.integers(1, 4))
        image[:, y0:y1, x0:x1] = 255
        true.append([[x0, y0, x1, y1]])
    return EvalSet(images, torch.ones(30, dtype=torch.int64), torch.tensor(true, dtype=torch.float32))


def test_a_network_that_finds_the_object_makes_no_error(seen):
    metrics, arrays = measure_setting(Bright(), seen, seen, 64, with_cam=True)
    keys = "gt_known_30 gt_known_50 gt_known_70 pointing_error no_box gt_known_50_small pointing_error_large"
    assert [metrics[key] for key in keys.split()] == [0.0] * 7
    assert metrics["mean_iou"] == pytest.approx(1.0)
    assert (arrays["iou"] == 200).all() and arrays["pointing"].all()
    assert arrays["curve"].shape == (41, 4) and arrays["curve"][-1, 0] == 100.0  # a threshold that nothing reaches
    some = collect_class_maps(Bright(), EvalSet(seen.images[::4], seen.labels[::4], seen.gt_boxes[::4]), 64)
    found = some.cam_overlaps(seen.gt_boxes[::4], metrics["cam.threshold"])
    assert (found <= 0.5).double().mean().item() * 100 == pytest.approx(metrics["cam.tune.gt_known_50"])
    assert metrics["cam.tune.gt_known_50"] == 0.0
    # Most of the image is black, so the pooled class is wrong and, with it, every top-1 answer.
    assert metrics["top1_classification"] == metrics["top1_localization"] == 100.0


def test_a_network_that_finds_the_background_errs_everywhere(seen):
    metrics, _ = measure_setting(Bright(-1.0), seen, seen, 64)
    assert metrics["pointing_error"] == 100.0 and metrics["gt_known_50"] > 90.0
    assert metrics["top1_localization"] >= metrics["gt_known_50"] and metrics["top1_classification"] == 0.0


def test_the_threshold_comes_from_the_validation_split(seen):
    """The test split is another scale of gray: its own statistics would give another threshold."""
    dim = EvalSet(seen.images // 4, seen.labels, seen.gt_boxes)
    metrics, _ = measure_setting(Bright(), seen, dim, 64)
    own, _ = measure_setting(Bright(), dim, dim, 64)
    val = collect_class_maps(Bright(), seen, 64)
    assert metrics["threshold"] == pytest.approx(val.mean + val.deviation * metrics["threshold_u"], rel=1e-4)
    assert metrics["threshold"] != pytest.approx(own["threshold"], rel=1e-2)


def test_boxes_of_enlarged_images_are_scaled_back(seen):
    maps = collect_class_maps(Bright(), seen, 128)
    assert maps.class_scores.shape == (30, 16, 16) and maps.scale == 0.5
    assert maps.overlaps(seen.gt_boxes, "logits", "tile").mean(dim=1).max() > 0.85
    assert maps.pointing(seen.gt_boxes, "logits", "tile").all()
    assert maps.cam_overlaps(seen.gt_boxes, 0.5).mean() > 0.85


def test_trivial_baselines(seen):
    metrics = localization.trivial_baselines(seen, seen, "t")
    assert metrics["t.whole_image.gt_known_50"] == 100.0
    assert metrics["t.fixed_box.gt_known_50"] < 90.0
    assert 0 <= metrics["t.fixed_box.x0"] < metrics["t.fixed_box.x1"] <= 64


class Gray(ImageDataset):
    classes, labels, names = ["gray"], [0, 0], ["0", "1"]

    def read(self, index):
        return {"image": torch.full((3, 64, 64), 90 + index, dtype=torch.uint8), "label": 0, "name": str(index)}

    def identity(self, index):
        return str(index).encode()


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(localization, "ENLARGED", {96: (2, 3)})
    torch.manual_seed(0)
    shapes = SyntheticShapes("tune", 12), SyntheticShapes("test", 12)
    return shapes, tuple(Clutter(part, Gray(), part.split) for part in shapes)


def test_measure_names_everything_for_a_resnet_and_its_twin(small):
    shapes, canvases = small
    model = drn_lib.create_model("resnet_18", 10, width=0.125)
    metrics, arrays = measure(model, 64, *shapes, canvases)
    assert all(NAME.match(name) and type(value) is float and np.isfinite(value) for name, value in metrics.items())
    assert all(name.split(".")[0] in ("localization", "clutter") for name in metrics)
    assert not any(name.endswith((".top1", ".top5")) for name in metrics)  # those have outcomes of classification
    for beginning in ("localization.native", "localization.posthoc.native", "clutter", "clutter.posthoc"):
        for key in ("pointing_error", "gt_known_30", "top1_localization", "threshold", "cam.gt_known_50"):
            assert f"{beginning}.{key}" in metrics
        assert arrays[f"{beginning}.iou"].dtype == np.uint8 and arrays[f"{beginning}.pointing"].shape == (12,)
    assert metrics["localization.px96.n"] == 4 and metrics["localization.px96.tune.n"] == 6
    # The twin computes the same function at more places, its pooled logits are others.
    assert metrics["localization.native.threshold"] != metrics["localization.posthoc.native.threshold"]


def test_measure_of_a_dilated_network_has_no_twin_and_repeats(small):
    shapes, _ = small
    model = drn_lib.create_model("drn_c_26", 10, width=0.125)
    (metrics, arrays), (again, arrays_again) = (measure(model, 64, *shapes) for _ in range(2))
    assert not any("posthoc" in name or "clutter" in name for name in metrics)
    assert metrics == again and all(np.array_equal(arrays[k], arrays_again[k]) for k in arrays)


def test_canvases_are_enlarged_like_the_images(small):
    shapes, canvases = small
    model = drn_lib.create_model("resnet_18", 10, width=0.125)
    metrics, _ = measure(model, 128, *shapes, canvases)
    assert "localization.px96.n" not in metrics  # smaller than what it was trained at
    assert metrics["localization.native.n"] == 12
    assert metrics["clutter.n"] == 6 and metrics["clutter.tune.n"] == 3


def test_an_eval_set_holds_the_boxes_of_the_samples():
    shapes = SyntheticShapes("test", 5)
    seen = localization.load_eval_set(shapes)
    assert torch.equal(seen.gt_boxes[3], shapes[3]["boxes"]) and seen.size == (64, 64)
    assert torch.equal(seen.every(2).images, seen.images[::2])
