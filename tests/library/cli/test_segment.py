"""The commands of segmentation: photographs of any size, training, scores, errors in one sentence."""

import numpy as np
import pytest
import torch
from PIL import Image

from drn_lib import datasets, images, segmentation
from drn_lib.cli import segment
from drn_lib.cli.commands import parser
from drn_lib.cli.published import published_iou
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.street_scenes import CLASS_COLORS, TRAIN_ID_OF_ID
from drn_lib.datasets.synthetic.world import CLASSES
from drn_lib.images import read_photograph  # from where the notebooks take it
from drn_lib.network import create_model
from drn_lib.segmentation.inference import predict_labels
from drn_lib.segmentation.network import SegmentationNetwork, load_segmentation, save_segmentation
from drn_lib.segmentation.options import Inference
from drn_lib.training import recipes


def run(*arguments) -> None:
    options = parser().parse_args(list(map(str, arguments)))
    options.function(options)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    model = SegmentationNetwork(create_model("drn_d_22", 3, 0.125), 19)
    torch.nn.init.normal_(model.backbone.classifier.weight, 0.0, 1.0)  # so that classes differ
    return save_segmentation(model, tmp_path_factory.mktemp("weights") / "m.safetensors", list(CLASSES))


def photograph(file, width=50, height=37, **options):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, **options)
    return file


def read(file):
    return np.array(Image.open(file))


def test_every_photograph_gets_labels_colors_and_overlay(weights, tmp_path, capsys):
    photograph(tmp_path / "a.png")
    out = tmp_path / "out"
    run("segment", tmp_path / "a.png", "--weights", weights, "--out", out)
    assert "1 of 1 images segmented" in capsys.readouterr().out
    image = torch.from_numpy(read(tmp_path / "a.png")).permute(2, 0, 1)
    expected = predict_labels(load_segmentation(weights), image).numpy()
    assert len(np.unique(expected)) > 1
    labels, colors, overlay = (read(out / f"a_{kind}.png") for kind in ("labels", "color", "overlay"))
    assert np.array_equal(np.vectorize(TRAIN_ID_OF_ID.get)(labels), expected)
    assert np.array_equal(colors, CLASS_COLORS[expected])
    assert np.abs(overlay.astype(int) - (read(tmp_path / "a.png").astype(int) + colors) / 2).max() <= 0.5


def test_any_size_and_names_do_not_meet(weights, tmp_path):
    for folder, size in (("x", (1, 1)), ("y", (70, 9))):
        (tmp_path / folder).mkdir()
        photograph(tmp_path / folder / "a.jpg", *size)
    (tmp_path / "x" / "notes.txt").write_text("no image")
    out = tmp_path / "out"
    run("segment", tmp_path / "x", tmp_path / "y", "--weights", weights, "--out", out, "--window", 32, "--mirror")
    assert read(out / "a_color.png").shape == (1, 1, 3) and read(out / "a-2_color.png").shape == (9, 70, 3)
    assert len(list(out.iterdir())) == 6


def test_a_photograph_stands_as_its_camera_noted_and_at_the_size_that_was_asked_for(weights, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # turn by a quarter
    photograph(tmp_path / "a.jpg", 80, 40, exif=turned)
    run("segment", tmp_path / "a.jpg", "--weights", weights, "--out", tmp_path, "--shorter-side", 20)
    assert read(tmp_path / "a_labels.png").shape == (40, 20)


def test_what_cannot_be_read_is_listed_at_the_end_and_stops_nothing(weights, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    whole = photograph(tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    photograph(tmp_path / "good.png")
    files = [tmp_path / name for name in ("bad.jpg", "missing.jpg", "cut.png", "good.png")]
    with pytest.raises(DataError) as caught:
        run("segment", *files, "--weights", weights, "--out", tmp_path / "out")
    sentence = str(caught.value)
    assert sentence.startswith("3 could not be read: ") and "\n" not in sentence
    assert "bad.jpg (not an image" in sentence and "missing.jpg (no such file)" in sentence and "cut.png" in sentence
    assert "1 of 4 images segmented" in capsys.readouterr().out
    assert (tmp_path / "out" / "good_overlay.png").exists()


def test_wrong_arguments_are_one_sentence(weights, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there is no image in"):
        run("segment", tmp_path / "empty", "--weights", weights, "--out", tmp_path / "out")
    with pytest.raises(ValueError, match="--scales a,b is no list of factors"):
        run("segment", photograph(tmp_path / "a.png"), "--weights", weights, "--out", tmp_path, "--scales", "a,b")
    with pytest.raises(FileNotFoundError, match="there is no file .*none.safetensors"):
        run("segment", tmp_path / "a.png", "--weights", tmp_path / "none.safetensors", "--out", tmp_path)


@pytest.fixture
def never_loaded(monkeypatch):
    monkeypatch.setattr(segmentation, "load_segmentation", lambda *_: pytest.fail("a network was loaded"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        *(
            (f"w --scales={text}", "scales must be positive factors of at most 16, not")
            for text in ("inf", "1,nan", "0", "-1,1", "1,16.5", "1e300")
        ),
        ("w --window=1000000", "--window must be a whole number from 0 to 16384"),
        ("w --window=-8", "--window must be a whole number from 0 to 16384, not -8"),
        ("released --arch=drn_d_22", "no segmentation weights can be fetched by name: give a file of them"),
    ],
)
@pytest.mark.parametrize("command", ["segment a.png --out=OUT --weights", "score-segmentation --predictions=OUT"])
def test_options_are_refused_before_a_network_is_loaded(command, options, says, tmp_path, monkeypatch, never_loaded):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=says) as caught:
        run(*command.split(), *options.split())
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (f"score-segmentation w --predictions {__file__}", "--predictions .* is a file: name a folder"),
        ("segment a.png --weights w --shorter-side=0", "--shorter-side must be a whole number from 1 to 16384, not 0"),
        (
            "segment a.png --weights w --shorter-side=99999",
            "--shorter-side must be a whole number from 1 to 16384, not",
        ),
        ("score-segmentation w --dataset camvit", "there is no dataset with masks 'camvit'; did you mean camvid"),
        ("score-segmentation w --dataset imagenet", "there is no dataset with masks 'imagenet'"),
        ("score-segmentation w --dataset camvid --split tets", "camvid itself has no split 'tets'"),
        ("score-segmentation w --dataset streets --split val", "The drawn set streets has no split 'val'"),
    ],
)
def test_files_for_folders_and_sizes_without_pixels_are_refused(arguments, says, tmp_path, monkeypatch, never_loaded):
    monkeypatch.chdir(tmp_path)
    pytest.raises(ValueError, run, *arguments.split()).match(says)


def test_a_window_is_a_multiple_of_the_networks_step(weights, tmp_path):
    file = photograph(tmp_path / "a.png")
    for size in (20, 7):
        with pytest.raises(ValueError, match="--window is a multiple of the network's output stride, 8, or 0"):
            run("segment", file, "--weights", weights, "--out", tmp_path / "out", "--window", size)
    assert list(tmp_path.iterdir()) == [file]


def test_a_photograph_does_not_grow_beyond_the_memory(weights, tmp_path, capsys):
    photograph(tmp_path / "narrow.png", 9000, 2)
    photograph(tmp_path / "plain.png")
    with pytest.raises(DataError, match="9000x2 px would grow to 18 million pixels by a shorter side of 64.*pieces"):
        run("segment", tmp_path, "--weights", weights, "--out", tmp_path / "out", "--shorter-side", 64)
    assert "1 of 2 images segmented" in capsys.readouterr().out


def test_a_large_photograph_may_keep_its_size_and_be_made_smaller(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MOST_PIXELS", 100)
    file = photograph(tmp_path / "a.png", 50, 37)
    for side, size in ((None, (37, 50)), (37, (37, 50)), (30, (30, 40))):
        assert read_photograph(file, side).shape[1:] == size
    pytest.raises(DataError, read_photograph, file, 38).match("50x37 px would grow")


def test_large_images_are_read_by_windows_of_their_own_accord():
    def how(size, *more):
        options = parser().parse_args(["segment", "a.jpg", "--weights", "w", *more])
        return segment._inference(options, size, 8)

    assert how((1024, 2048)).window is None and how((1025, 2048)).window == 1024
    assert how((1024, 2048), "--scales", "1,1.5").window == 1024
    assert how((5000, 5000), "--window", "0").window is None
    assert (how((50, 50), "--window", "520").window, how((50, 50), "--window", "520").overlap) == (520, 128)
    assert how((50, 50), "--log-average", "--mirror").average == "log"


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_scales_are_finite_factors(scale):
    pytest.raises(ValueError, Inference, scales=(1.0, scale)).match("scales must be positive factors")


def test_other_classes_have_their_own_numbers_and_colors(tmp_path):
    labels = torch.tensor([[0, 1], [2, 1]])
    files = segment.write_pictures(tmp_path, "a", torch.zeros(3, 2, 2, dtype=torch.uint8), labels, 3)
    assert read(files[0]).tolist() == labels.tolist()
    assert len({tuple(color) for color in read(files[1]).reshape(4, 3)}) == 3


def test_train_then_score_what_was_written(tmp_path, monkeypatch, capsys):
    opened = datasets.open_dataset
    small = {"count": 4, "size": 64}
    monkeypatch.setattr(datasets, "open_dataset", lambda name, split, root=None: opened(name, split, root, **small))
    changes = "--epochs 1 --set crop=32 --set width=0.125 --set batch_size=2 --set head_lr=0.2".split()
    changes += ["--workers", 0, "--device", "cpu"]
    run("train-segmentation", "--recipe", "streets-live", "--arch", "drn_d_22", "--out", tmp_path, *changes)
    assert "mean IoU on validation images after epoch 1:" in capsys.readouterr().out
    weights = tmp_path / "drn_d_22-s0.safetensors"
    assert load_segmentation(weights).classes == list(CLASSES)
    arguments = ["--dataset", "streets", "--predictions", tmp_path / "predictions", "--device", "cpu"]
    run("score-segmentation", weights, *arguments)
    said = capsys.readouterr().out
    assert "streets tune, 4 images, 1 views an image" in said and "mean, official" in said and "specks an image" in said
    assert len(list((tmp_path / "predictions").iterdir())) == 4
    assert f"predictions for the official evaluator in {tmp_path / 'predictions'}" in said


@pytest.mark.parametrize(("recipe", "size"), [("streets-reduced", None), ("streets-reduced", 512)])
def test_the_recipe_says_how_its_sets_are_opened(recipe, size, tmp_path, monkeypatch):
    asked = []

    def note(name, split, root=None, **options):
        asked.append((name, split, options))
        if split == "tune":
            raise DataError("enough")

    monkeypatch.setattr(datasets, "open_dataset", note)
    changes = [] if size is None else ["--set", f"size={size}"]
    command = ["train-segmentation", "--recipe", recipe, "--arch", "drn_d_22", "--out", tmp_path, *changes]
    pytest.raises(DataError, run, *command, "--device", "cpu").match("enough")
    options = {"size": size or recipes.recipe(recipe).size}
    assert asked == [("streets", "train", options), ("streets", "tune", options)]


DEFAULT_SPLITS = [("camvid", "val"), ("cityscapes", "val"), ("streets", "tune"), ("shapes", "tune")]


@pytest.mark.parametrize(("name", "split"), DEFAULT_SPLITS)
def test_the_test_images_are_not_scored_unless_asked_for(weights, name, split, monkeypatch):
    asked = []

    def note(*arguments):
        asked.append(arguments)
        raise DataError("enough")

    monkeypatch.setattr(datasets, "open_dataset", note)
    for more in ([], ["--split", "test"]):
        pytest.raises(DataError, run, "score-segmentation", weights, "--dataset", name, *more).match("enough")
    assert asked == [(name, split, None), (name, "test", None)]


def test_table_3_stands_beside_what_it_prints():
    assert published_iou("drn_c_26")["traffic_light"] == "63.8"
    assert published_iou("resnet_18") == {}


@pytest.mark.parametrize(("classes", "dtype"), [(200, np.uint8), (256, np.uint8), (257, np.uint16), (300, np.uint16)])
def test_label_files_hold_every_class(classes, dtype, tmp_path):
    labels = torch.arange(classes, dtype=torch.int16)[None]
    files = segment.write_pictures(tmp_path, "a", torch.zeros(3, 1, classes, dtype=torch.uint8), labels, classes)
    found = read(files[0])
    assert found.dtype == dtype and np.array_equal(found, labels.numpy())
    assert read(files[1]).shape == (1, classes, 3)
    with pytest.raises(ValueError, match="labels from 0 to .* and the network has 5 classes"):
        segment.write_pictures(tmp_path, "b", torch.zeros(3, 1, classes, dtype=torch.uint8), labels, 5)
