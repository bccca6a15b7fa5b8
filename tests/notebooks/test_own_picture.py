"""The cell of chapter 06 that takes a reader's own photograph: with the real network, and without its package."""

import json

import pytest
from matplotlib import pyplot as plt

from book import ROOT
from book.photographs import photograph
from drn_lib.checkpoints import load_trained


@pytest.fixture(scope="module")
def cells() -> list[str]:
    notebook = json.loads((ROOT / "notebooks" / "06_localization.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(cells: list[str], *changes: tuple[str, str], **names) -> dict:
    """What the cell leaves behind, after the chapter's imports, with some of its text replaced."""
    imports = next(cell for cell in cells if "use_style()" in cell)
    own = next(cell for cell in cells if cell.startswith("PICTURE = None"))
    for old, new in changes:
        assert old in own
        own = own.replace(old, new)
    space = {"c26": load_trained("classification/drn_c_26-s0")}
    exec(imports, space)
    space.update(names)
    exec(own, space)
    plt.close("all")
    return space


def test_a_photograph_of_its_own_shape_gets_a_box_in_its_own_pixels(cells, tmp_path, capsys):
    from PIL import Image

    cup = Image.fromarray(photograph("coffee", 224).permute(1, 2, 0).numpy()).crop((0, 0, 224, 180))
    cup.resize((448, 360)).save(tmp_path / "mine.jpg")
    space = run(cells, ("PICTURE = None", f"PICTURE = {str(tmp_path / 'mine.jpg')!r}"))
    x0, y0, x1, y1 = space["yours"].box
    assert 0 <= x0 < 200 < x1 <= 448 and 0 <= y0 < 150 < y1 <= 360
    assert space["yours"].laid_out().shape == (224, 279) and len(space["real"].classes) == 1000
    assert capsys.readouterr().out.startswith("espresso, probability 0.")


def test_without_its_package_our_own_network_answers(cells, capsys):
    space = run(cells, lite0=lambda: print("The package is missing."))
    assert space["net"] is space["c26"] and space["yours"].laid_out().shape == (128, 128)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "The package is missing." and said[1].startswith("projectile, probability ")


def test_a_class_that_is_mistyped_is_answered_with_the_nearest(cells):
    with pytest.raises(ValueError, match="espresso"):
        run(cells, ("CLASS = None", 'CLASS = "espreso cup"'))
