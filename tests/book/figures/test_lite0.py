import IPython.display
import numpy as np
import pytest
import torch
from PIL import Image

from book.cells.photographs import photograph
from book.figures import lite0
from drn_lib.checkpoints import load_lite0
from drn_lib.conversion import dilate


@pytest.fixture(scope="module")
def model():
    return load_lite0()


def test_the_opening_picture_shows_one_class_in_three_readings(model):
    figure = lite0.opening(model)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["photograph", "49 cells, as trained", "784 cells, exact", "784 cells, levels"]
    notes = [ax.texts[0].get_text() for ax in figure.axes[1:]]
    assert all(note.startswith("espresso: ") for note in notes)
    probabilities = [int(note.split()[1]) for note in notes]
    assert min(probabilities[:2]) > 90 > 60 > probabilities[2]


def test_the_stored_picture_is_light_and_what_the_network_draws(model, tmp_path, monkeypatch):
    assert lite0.stored_opening().stat().st_size <= 150_000
    files = lite0.stored_opening(), lite0.store_opening(model, tmp_path / "opening.png")
    old, new = (np.asarray(Image.open(file).convert("RGB"), dtype=float) for file in files)
    assert old.shape == new.shape and np.abs(old - new).mean() < 3
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    lite0.show_opening(None)
    assert shown[0].data == files[0].read_bytes()


@torch.no_grad()
def test_the_dense_map_lies_where_the_coarse_one_does(model):
    """Each coarse cell's middle is a pixel of both maps, and the rule exact keeps its value."""
    image = photograph("coffee", 128)
    coarse, _, cells, index = lite0.class_map(model, image)
    dense, *_ = lite0.class_map(dilate(model), image, index)
    middles = torch.arange(31, 128, 32)
    assert cells == 16 and coarse.shape == dense.shape == (128, 128)
    assert (coarse[middles][:, middles] - dense[middles][:, middles]).abs().max() < 1e-4
