"""Images on their way into a network: which files, how large, how resized."""

import numpy as np
import pytest
import torch
from PIL import Image

from drn_lib import evaluation, images
from drn_lib.datasets.contract import DataError
from drn_lib.distributed import Group
from drn_lib.evaluation import classification
from tests.library.test_evaluation import Mean, Squares, one_color


def picture(file, width, height, color=(10, 20, 30)):
    Image.new("RGB", (width, height), color).save(file)
    return file


def test_a_folder_stands_for_its_images_in_order_and_a_file_for_itself(tmp_path):
    for name in ("b.PNG", "a.jpg", "c.jpeg", "d.bmp", "e.webp", "f.tif", "g.TIFF", "h.gif", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    inside = [tmp_path / name for name in ("a.jpg", "b.PNG", "c.jpeg", "d.bmp", "e.webp", "f.tif", "g.TIFF")]
    notes = tmp_path / "notes.txt"
    assert images.list_images([notes, tmp_path]) == [notes, *inside]
    with pytest.raises(DataError, match="there is no image in .*empty: name files"):
        images.list_images([tmp_path / "empty"])


@pytest.mark.parametrize(("side", "size"), [(None, (40, 60)), (20, (20, 30)), (80, (80, 120)), (40, (40, 60))])
def test_a_photographs_shorter_side_is_brought_to_a_length(tmp_path, side, size):
    image = images.read_photograph(picture(tmp_path / "a.png", 60, 40), side)
    assert image.dtype == torch.uint8 and image.shape == (3, *size) and image.is_contiguous()
    assert image.amax((1, 2)).tolist() == image.amin((1, 2)).tolist() == [10, 20, 30]


def test_a_photograph_grows_to_four_million_pixels_and_no_further(tmp_path):
    narrow = picture(tmp_path / "a.png", 400, 1)
    assert images.read_photograph(narrow, 100).shape == (3, 100, 40_000)
    with pytest.raises(DataError, match=r"a.png \(400x1 px would grow to 4 million pixels by a shorter side of 101:"):
        images.read_photograph(narrow, 101)


def test_a_large_photograph_may_stay_as_large_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MOST_PIXELS", 100)
    file = picture(tmp_path / "a.png", 20, 10)
    assert images.read_photograph(file, 10).shape == (3, 10, 20)
    with pytest.raises(DataError, match="would grow"):
        images.read_photograph(file, 11)


def test_enlarging_is_bilinear_between_the_middles_of_pixels():
    bytes_ = torch.tensor([[0, 100], [200, 60]], dtype=torch.uint8).expand(1, 3, 2, 2)
    large = images.enlarge(bytes_, 4)
    assert large.dtype == torch.uint8 and large[0, 0, 0].tolist() == [0, 25, 75, 100]
    assert large[0, 0, :, 0].tolist() == [0, 50, 150, 200]
    for same in (None, 2):
        assert images.enlarge(bytes_, same) is bytes_
    assert images.enlarge(torch.zeros(1, 3, 2, 4, dtype=torch.uint8), 4).shape == (1, 3, 4, 4)


def test_normalization_takes_other_colors_and_other_images_are_refused():
    grey = torch.full((2, 3, 1, 1), 51, dtype=torch.uint8)  # a fifth
    found = images.normalize(grey, (0.2, 0.1, 0.0), (1.0, 0.5, 0.25))
    assert found.dtype == torch.float32 and found[1].flatten().tolist() == pytest.approx([0.0, 0.2, 0.8], abs=1e-6)
    mean, std = images.NORMALIZATION["cityscapes"]
    assert mean == (0.290101, 0.328081, 0.286964) and std == (0.182954, 0.186566, 0.184475)
    assert images.NORMALIZATION["imagenet"] == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    for wrong in (grey[0], grey[:, :1], grey.float()):
        with pytest.raises(ValueError, match=r"expected uint8 images \(N, 3, H, W\), got"):
            images.normalize(wrong)


def test_images_are_scored_at_the_size_that_is_asked_for():
    shapes = []

    class Sized(Mean):
        def forward(self, x):
            shapes.append(tuple(x.shape))
            return super().forward(x)

    evaluation.evaluate(Sized(), one_color([0, 1, 2]), torch.tensor([0, 1, 2]), 8)
    evaluation.predict(Sized(), one_color([0, 1, 2]), batch_size=2)
    evaluation.evaluate_files(Sized(), Squares(one_color([0, 1]), [0, 1]), 4, 4, crops=10)
    assert shapes == [(3, 3, 8, 8), (2, 3, 4, 4), (1, 3, 4, 4), (20, 3, 4, 4)]


def test_processes_share_the_images_and_add_up_their_scores():
    added = []

    class Two(Group):
        def sum(self, value):
            added.append(value.tolist())
            return value + torch.tensor([1.0, 100.0, 0.0, 2.0])  # of the other's one image, which is wrong

    data = Squares(one_color([0, 1, 2, 0, 1]), [0, 0, 2, 0, 1])
    for rank, own in ((0, [0, 2, 1]), (1, [1, 0])):
        metrics, outcomes = evaluation.evaluate_files(Mean(), data, 4, 4, group=Two(rank, 2, torch.device("cpu")))
        count = len(own)
        assert outcomes["prediction"].tolist() == own and added[-1][0] == count
        wrong = (outcomes["prediction"] != outcomes["label"]).sum()
        assert metrics["top1"] == pytest.approx(100 * (wrong + 1) / (count + 1)) and metrics["top5"] == 0.0
        assert metrics["loss"] == pytest.approx((outcomes["loss"].sum() + 2) / (count + 1))
    with pytest.raises(ValueError, match="5 images cannot be shared by 6 processes: use fewer"):
        evaluation.evaluate_files(Mean(), data, 4, 4, group=Group(5, 6, torch.device("cpu")))


def test_what_is_stored_of_each_image():
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 0.0]])
    metrics, outcomes = classification._score(logits, torch.tensor([1, 1]))
    assert {name: str(values.dtype) for name, values in outcomes.items()} == {
        "label": "int16", "prediction": "int16", "correct": "bool", "top5_correct": "bool", "loss": "float32"
    }  # fmt: skip
    losses = [np.log(1 + np.e + np.exp(-1)), np.log(1 + 2 * np.exp(-3))]
    assert outcomes["loss"] == pytest.approx(losses, rel=1e-6) and metrics["loss"] == pytest.approx(np.mean(losses))
    assert (metrics["top1"], metrics["top5"]) == (50.0, 0.0)
    assert outcomes["label"].tolist() == [1, 1] and outcomes["prediction"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("rows", "labels", "k", "says"),
    [
        (0, [], 1, r"an image or more.*got \(0,\) and \(0, 3\)"),
        (2, [0], 1, r"got \(1,\) and \(2, 3\)"),
        (2, [0, 2], 0, "k must be a whole number from 1 to 3, not 0"),
        (2, [0, 2], 4, "k must be a whole number from 1 to 3, not 4"),
        (2, [0, 3], 1, r"labels must lie in 0\.\.2; found 0\.\.3"),
        (2, [-1, 2], 1, r"found -1\.\.2"),
    ],
)
def test_an_error_needs_its_labels(rows, labels, k, says):
    with pytest.raises(ValueError, match=says):
        evaluation.topk_error(torch.zeros(rows, 3), torch.tensor(labels, dtype=torch.long), k)


@pytest.mark.parametrize(
    "wrong", [3, None, [[0]], np.zeros((1, 3, 4, 4), np.uint8), "a.png"], ids=lambda v: type(v).__name__
)
def test_images_are_a_tensor(wrong):
    for call in (
        lambda: images.normalize(wrong),
        lambda: images.enlarge(wrong, 8),
        lambda: images.enlarge(wrong, None),
    ):
        with pytest.raises(ValueError, match=f"the images must be of type Tensor, not {type(wrong).__name__}"):
            call()
