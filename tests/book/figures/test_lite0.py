import IPython.display
import numpy as np
import pytest
import torch
from PIL import Image

from book import ROOT
from book.figures import lite0
from book.photographs import photograph
from drn_lib.checkpoints import load_lite0
from drn_lib.conversion import dilate
from drn_lib.gridding import grid_contrast


@pytest.fixture(scope="module")
def model():
    return load_lite0()


@pytest.fixture(scope="module")
def panels(model):
    """The panels of the opening picture and their titles, read once."""
    return lite0.read_opening(model, "coffee")


@pytest.fixture(autouse=True)
def read_once(panels, monkeypatch):
    monkeypatch.setattr(lite0, "read_opening", lambda *_: panels)


def test_the_opening_picture_shows_one_class_in_three_readings(model):
    figure = lite0.opening(model)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["photograph", "49 cells, as trained", "784 cells, exact", "784 cells, levels"]
    notes = [ax.texts[0].get_text() for ax in figure.axes[1:]]
    assert all(note.startswith("espresso: ") for note in notes)
    probabilities = [int(note.split()[1]) for note in notes]
    assert min(probabilities[:2]) > 90 > 60 > probabilities[2]


def test_the_stored_pictures_are_light_and_what_the_network_draws(model, tmp_path, monkeypatch):
    drawn = lite0.store(model, tmp_path)
    widths = {place: width for place, (_, width) in lite0.STORED.items()} | {lite0.GRID: 720}
    for file, (place, width) in zip(drawn, widths.items(), strict=True):
        assert (ROOT / place).stat().st_size <= 200_000
        old, new = (np.asarray(Image.open(path).convert("RGB"), dtype=float) for path in (ROOT / place, file))
        assert old.shape == new.shape and old.shape[1] == width and np.abs(old - new).mean() < 3
    assert Image.open(drawn[2]).size == (1280, 640)  # what the services that show links ask for
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    lite0.show_opening(None)
    lite0.show_grid(None)
    for picture, name in zip(shown, ("opening", "grid"), strict=True):
        assert picture.data == (ROOT / "data" / "figures" / f"lite0_{name}.png").read_bytes()


@torch.no_grad()
def test_the_dense_map_lies_where_the_coarse_one_does(model):
    """Each coarse cell's middle is a pixel of both maps, and the rule exact keeps its value."""
    image = photograph("coffee", 128)
    coarse, _, cells, index = lite0.class_map(model, image)
    dense, *_ = lite0.class_map(dilate(model), image, index)
    middles = torch.arange(31, 128, 32)
    assert cells == 16 and coarse.shape == dense.shape == (128, 128)
    assert (coarse[middles][:, middles] - dense[middles][:, middles]).abs().max() < 1e-4
    for own, first in ((coarse, 31 - 16), (dense, 31 - 4)):
        assert own[: first - 1].isnan().all() and own[first + 1 :, first + 1 :].isfinite().all()


def test_a_map_lies_on_its_paled_image():
    image, own = torch.full((3, 2, 2), 100).byte(), torch.tensor([[1.0, torch.nan], [3.0, 2.0]])
    assert lite0.laid_on(own, image)[0].tolist() == [[0, round(30 + 0.7 * 255)], [255, 128]]


def test_the_grid_is_drawn_level_by_level(model):
    figure = lite0.grid_in_maps(model)
    assert [ax.get_title() for ax in figure.axes[:4]] == ["level 4", "level 5", "level 6", "espresso"]
    exact, levels = ([ax.images[0].get_array() for ax in figure.axes[start : start + 4]] for start in (0, 4))
    assert {own.shape for own in (*exact, *levels)} == {(28, 28)}
    assert (exact[0] == levels[0]).all()
    for column, period in ((1, 2), (2, 4)):  # levels 5 and 6
        contrasts = [float(grid_contrast(torch.tensor(own[column]), period)) for own in (exact, levels)]
        assert contrasts[0] < 0.01 < contrasts[1]


def test_a_dot_for_each_training_of_the_probe(monkeypatch):
    rows = {
        name: {"miou_present": [place + 1.0, place + 2.0], "miou_thin": [place, place + 1.0]}
        for place, name in enumerate(("as_trained", "exact_16", "exact_8", "levels_8"))
    }
    monkeypatch.setattr(lite0, "stored", lambda part: {"readings": rows})
    left, right = lite0.probed().axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["32", "16", "8", "8, levels"]
    assert [list(line.get_xdata()) for line in left.lines[:2]] == [[1.0, 2.0], [1.5]]
    assert list(right.lines[6].get_xdata()) == [3, 4.0]
