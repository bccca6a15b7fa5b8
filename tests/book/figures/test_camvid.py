"""The figures of chapter 07 with real frames: what is stored is of today's weights, and shown where the data is not."""

import matplotlib.pyplot as plt
import pytest
import torch
from PIL import Image

from book.figures import camvid
from drn_lib.datasets.synthetic.world import CLASSES
from drn_lib.segmentation.network import SegmentationNetwork, make_backbone


@pytest.fixture
def frames(monkeypatch):
    """Frames of noise in place of CamVid's, and one small network that answers for all."""
    torch.manual_seed(0)
    image = torch.randint(0, 256, (3, 360, 480), dtype=torch.uint8)
    frame = {"image": image, "mask": torch.randint(0, len(CLASSES), (360, 480))}
    network = SegmentationNetwork(make_backbone("resnet_18", 0.125), len(CLASSES))
    monkeypatch.setattr(camvid, "open_dataset", lambda name, part: dict.fromkeys(range(233), frame))
    monkeypatch.setattr(camvid, "load_segmentation", lambda name: network)


@pytest.mark.parametrize("name", camvid.NETWORKS)
def test_a_stored_figure_shows_the_weights_that_are_shipped(name):
    with Image.open(camvid.stored(name)) as picture:
        assert picture.text[camvid.WEIGHTS] == camvid.weights_of(name), "run DRN_DATA=… python -m book.figures.camvid"
        assert max(picture.size) <= 800


@pytest.mark.parametrize(("name", "pictures"), [("street", 4), ("specks", 12)])
def test_a_figure_has_a_picture_and_a_note_for_each_answer(frames, name, pictures):
    axes = camvid.draw(name).axes
    assert len(axes) == pictures and all(ax.images for ax in axes)
    notes = [text.get_text() for ax in axes for text in ax.texts] + [ax.get_xlabel() for ax in axes]
    assert any("ResNet-18" in note or "specks: " in note for note in notes)


@pytest.mark.parametrize("folder", [None, "other data"])
def test_without_data_the_stored_picture_is_shown_and_nothing_drawn(monkeypatch, tmp_path, folder):
    shown = []
    monkeypatch.delenv("DRN_DATA", raising=False)
    monkeypatch.setenv("DRN_CACHE", str(tmp_path / "cache"))
    if folder:  # somebody has Cityscapes, not CamVid
        monkeypatch.setenv("DRN_DATA", str(tmp_path))
    monkeypatch.setattr(camvid, "draw", lambda name: pytest.fail("there is no data to draw from"))
    monkeypatch.setattr("IPython.display.display", shown.append)
    camvid.show("street")
    assert shown[0].data == camvid.stored("street").read_bytes()


def test_with_data_it_is_drawn(frames, monkeypatch, tmp_path):
    for folder in ("leftImg8bit", "gtFine"):
        (tmp_path / "camvid" / folder).mkdir(parents=True)
    monkeypatch.setenv("DRN_DATA", str(tmp_path))
    monkeypatch.setattr("IPython.display.display", lambda picture: pytest.fail("the stored picture was shown"))
    camvid.show("specks")
    assert plt.get_fignums()
