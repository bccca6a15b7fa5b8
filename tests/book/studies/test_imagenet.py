"""The measurements of the real ImageNet network, on a narrow one with random weights and a handful of images."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from book.photographs import photograph
from book.studies import files
from book.studies.imagenet import pets, photographs, probe, readings
from drn_lib.datasets.base import ImageDataset
from drn_lib.evaluation.confusion import miou
from drn_lib.images import normalize
from drn_lib.lite import LITE0, LiteNetwork

NARROW = replace(LITE0, stem=4, head=8, groups=tuple(replace(g, expansion=1, channels=4) for g in LITE0.groups))
BRIGHT, DARK, SKY = 11, 0, 10  # train ids of a person, the road and the sky


class Squares(ImageDataset):
    """Grey images of 64 px with one bright square, which is the object of its mask."""

    classes = ["a"]
    mask_classes = ["person" if number == 11 else str(number) for number in range(19)]
    fingerprint = "none"

    def __init__(self, count: int, objects: int = 1, ground: int = 0):
        self.names = [f"images/{'drive' if index % 2 else 'Drive'}/Cat_{index}.jpg" for index in range(count)]
        self.objects, self.ground = objects, ground

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        random = np.random.default_rng(index)
        left, top = (int(edge) for edge in random.integers(0, 33, 2))
        mask = torch.full((64, 64), self.ground)
        mask[top : top + 32, left : left + 32] = self.objects
        image = torch.where(mask == self.objects, 230, 40).byte().expand(3, -1, -1)
        box = torch.tensor([[left, top, left + 32, top + 32]], dtype=torch.float32)
        return {"image": image, "mask": mask, "boxes": box, "label": 0, "name": self.names[index]}


@pytest.fixture
def narrow(tmp_path, monkeypatch) -> LiteNetwork:
    """The network; results and maps go to a folder of the test, and the plan's numbers are small."""
    torch.manual_seed(0)
    plan = readings.plan()
    small = {**plan, "pets": {**plan["pets"], "fractions": 4}}
    small["probe"] = {**plan["probe"], "seeds": [0, 1], "epochs": 2, "batch_size": 4}
    for module in (readings, pets, probe, photographs):
        monkeypatch.setattr(module, "plan", lambda: small)
    monkeypatch.setenv("DRN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)
    return LiteNetwork(NARROW).eval()


def test_the_plan_names_readings_that_there_are():
    plan = readings.plan()
    names = [readings.named(reading) for reading in plan["readings"]]
    assert names[0] == "as_trained" and len(set(names)) == 7
    for part in ("pets", "probe"):
        assert all(reading in plan["readings"] for reading in plan[part]["readings"])
        for row in plan[part]["primary_comparisons"]:
            assert {readings.named(row["left"]), readings.named(row["right"])} <= set(names)
            assert row["predicted"] in "+-"


def test_pets_are_measured_under_every_reading(narrow, monkeypatch):
    sets = {"test": Squares(6), "train": Squares(4), "tune": Squares(3)}
    monkeypatch.setattr(pets, "open_dataset", lambda name, part, partition: sets[part])
    document = pets.measure(narrow)
    assert document["counts"] == {"test": 6, "thresholds": 7} and readings.stored("pets")["counts"]["test"] == 6
    assert list(document["readings"]) == ["as_trained", "exact_16", "exact_8", "levels_8", "released_8"]
    assert [row["cells"] for row in document["readings"].values()] == [2, 4, 8, 8, 8]
    assert len(document["pixel_ap"]) == 3 and all(row["p_holm"] <= 1 for row in document["pixel_ap"].values())
    with np.load(files.results_dir() / "lite0_pets.npz") as arrays:
        assert arrays["exact_8.pixel_ap"].shape == (6,) and arrays["levels_8.box_50"].dtype == bool


def test_a_perfect_map_has_the_precision_one_and_an_inverted_one_less():
    masks = torch.stack([Squares(2)[index]["mask"] for index in range(2)])
    masks[:, 0] = 255
    perfect = (masks == 1).float()
    assert pets.pixel_ap(perfect, masks, "measured", 1, (0, 0)).tolist() == [1, 1]
    assert (pets.pixel_ap(-perfect, masks, "measured", 1, (0, 0)) < 0.3).all()
    moved = perfect.roll(8, dims=2)[1:]  # cell i lies at pixel i - 8; this square is not at the border
    assert pets.pixel_ap(moved, masks[1:], "measured", 1, (0, -8)) == 1
    assert pets.pixel_ap(moved, masks[1:], "tile", 1, (0, -8)) < 1


def test_what_boxes_overlap_by():
    own = torch.zeros(1, 8, 8)
    own[0, 2:6, 2:6] = 1
    overlaps = pets.box_overlaps(
        own, torch.tensor([[16.0, 16.0, 48.0, 48.0]]), [0.5], (64, 64), {"jump": 8, "centre": (3.5, 3.5)}
    )
    assert overlaps == pytest.approx(1, abs=0.1)


def test_a_probe_is_trained_and_scored_under_every_reading(narrow, monkeypatch):
    sets = {part: Squares(8, BRIGHT, SKY) for part in ("train", "test")}
    monkeypatch.setattr(probe, "open_dataset", lambda name, part: sets[part])
    document = probe.measure(narrow)
    assert list(document["readings"]) == ["as_trained", "exact_16", "exact_8", "levels_8"]
    assert all(len(row["miou_present"]) == 2 for row in document["readings"].values())
    assert len(document["miou_thin"]) == len(document["specks"]) == 3
    maps = probe.last_maps(narrow, sets["train"], "as_trained-train")
    assert maps.shape == (8, 8, 2, 2) and maps.dtype == np.float16
    with torch.no_grad():
        own = narrow.last_map(normalize(sets["train"][3]["image"][None]))[0]
    assert np.abs(maps[3] - own.numpy()).max() < 0.01


def test_a_probe_learns_what_the_maps_show():
    masks = torch.stack([Squares(8, BRIGHT, SKY)[index]["mask"] for index in range(8)])
    place = {"jump": 8, "cell_edges": "measured", "centre": (3, 3)}
    counts = probe.class_fractions(masks, (8, 8), 19, place)
    noise = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    maps = torch.cat([counts[:, [BRIGHT]] / 64 + 5, noise], dim=1).half().numpy()
    head = probe.train_head(maps, counts, 0, {"epochs": 100, "batch_size": 4, "rate": 0.1})
    rows = [probe._score(head, own, mask, place)["confusion"] for own, mask in zip(maps, masks)]
    assert miou(np.sum(rows, axis=0)) > 85  # all sky: 37


def test_each_cell_counts_the_pixels_that_are_nearest_to_it():
    mask = torch.full((1, 16, 16), SKY)
    mask[0, :, 10:] = BRIGHT
    mask[0, 0] = 255
    counts = probe.class_fractions(mask, (2, 2), 19, {"jump": 8, "cell_edges": "measured", "centre": (3, 5)})
    assert counts.sum().item() == 15 * 16  # the first row has no label
    assert counts[0, SKY, 1].tolist() == [(16 - 7) * 9, 9] and counts[0, BRIGHT, 0].tolist() == [0, 6 * 6]


@torch.no_grad()
def test_the_unit_of_the_channels_is_part_of_the_classifier():
    maps = np.random.default_rng(0).normal(3, 2, (4, 5, 2, 2)).astype(np.float16)
    how = {"epochs": 0, "batch_size": 2, "rate": 0.1}
    with torch.enable_grad():
        head = probe.train_head(maps, torch.ones(4, 3, 2, 2), 0, how)
    torch.manual_seed(0)
    fresh = torch.nn.Conv2d(5, 3, 1)
    x = torch.from_numpy(maps).float()
    unit = (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True, unbiased=False)
    assert (head(x) - fresh(unit)).abs().max() < 1e-4


def test_a_head_follows_from_its_seed_alone():
    maps = np.random.default_rng(0).normal(3, 2, (6, 5, 2, 2)).astype(np.float16)
    counts = torch.rand(6, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    how, heads = {"epochs": 2, "batch_size": 2, "rate": 0.1}, []
    for before, seed in ((1, 0), (2, 0), (1, 1)):
        torch.manual_seed(before)
        heads.append(probe.train_head(maps, counts, seed, how))
    first, again, other = (head.weight for head in heads)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_table_of_photographs(narrow, monkeypatch):
    narrow.classes = [str(number) for number in range(1000)]
    monkeypatch.setattr(photographs, "photograph", lambda name: photograph(name, 128))
    document = photographs.measure(narrow)
    rows = document["readings"]
    assert len(document["photographs"]) == 9 and document["with_a_fitting_class"] == 5 and len(rows) == 7
    assert rows["exact_8"]["difference"] < 1e-12 < rows["levels_8"]["difference"]
    assert rows["as_trained"]["named_as_trained"] == 9 and rows["as_trained"]["lattice"] == {}
    for measure in ("lattice", "contrast"):
        assert set(rows["exact_8"][measure]) == {"4", "5", "6", "score_map"} and len(rows["exact_8"][measure]["6"]) == 9
        assert set(rows["levels_16"][measure]) == {"4", "6", "score_map"}
        assert rows["exact_8"][measure]["4"] == rows["levels_8"][measure]["4"] != rows["levels_16"][measure]["4"]
        assert rows["exact_8"][f"mean_{measure}"]["6"] == pytest.approx(np.mean(rows["exact_8"][measure]["6"]))


def test_a_grid_is_measured_at_the_period_of_the_strides_that_were_lost():
    """Maps of 28 cells for 224 px: in level 5 one stride was lost, in level 6 two; level 4 is read like the last."""
    stripes = {p: (torch.arange(28) % p == 0).float().expand(2, 1, 28, 28) for p in (2, 4)}
    levels = {3: stripes[4], 4: stripes[4], 5: stripes[2], 6: stripes[4], "score_map": stripes[4]}
    found = photographs.grids(levels, 224)
    assert all(value > 0.9 for each in found["lattice"].values() for value in each)
    assert set(found["mean_contrast"]) == {"4", "5", "6", "score_map"} and min(found["mean_contrast"].values()) > 0.3
    assert photographs.grids({5: stripes[4], "score_map": stripes[4]}, 224)["mean_contrast"]["5"] < 0.1
    assert photographs.grids({6: torch.zeros(1, 1, 7, 7), "score_map": torch.zeros(1, 1, 7, 7)}, 224)["lattice"] == {}


def test_readings_are_compared_training_by_training():
    """What two readings share, a training's luck and an image's difficulty, does not widen the interval."""
    random = np.random.default_rng(0)
    shared = random.normal(size=(3, 1)) + random.normal(size=60)
    values = {"exact_8": shared + 0.5, "as_trained": shared}
    found = readings.compare([{"left": [8, "exact"], "right": [32, "exact"], "predicted": "+"}], values)
    row = found["exact_8 - as_trained"]
    assert [row[key] for key in ("estimate", "low", "high")] == pytest.approx([0.5] * 3) and row["predicted"] == "+"
