"""The figures of chapter 06 show what they are given, and say where nothing was measured."""

import json

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from book.figures import localization as figures
from book.figures.localization import Panel
from book.figures.style import ACCENT, network_color
from book.studies import files
from book.studies.localization import U

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study `made_up` with two seeds of DRN-C-26 and their curves in clutter, lowest at threshold 12."""
    (tmp_path / "made_up").mkdir()
    for seed in (0, 1):
        run = {
            "study": "made_up",
            "recipe": "none",
            "architecture": "drn_c_26",
            "seed": seed,
            "dataset": {"name": "none", "counts": {"test": 300}},
            "metrics": {"clutter.gt_known_50": 50.0},
            "curve": [],
            "seconds": 1.0,
            "device": "none",
            "torch": "2",
            "commit": None,
        }
        (tmp_path / "made_up" / f"drn_c_26-s{seed}.json").write_text(json.dumps(run))
        error = 40 + np.abs(np.arange(41) - 12.0) + seed
        curve = np.stack([error, 1 - error / 100, error + 5, 1 - error / 100], axis=1).astype(np.float32)
        np.savez(tmp_path / "made_up" / f"drn_c_26-s{seed}.npz", **{"clutter.curve": curve})
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)
    return "made_up"


def boxes(ax, color):
    """The boxes of a color on an axis, as (x0, y0, x1, y1)."""
    found = [p for p in ax.patches if isinstance(p, Rectangle) and to_hex(p.get_edgecolor()) == to_hex(color)]
    return [(*p.get_xy(), p.get_x() + p.get_width(), p.get_y() + p.get_height()) for p in found]


def test_a_panel_shows_picture_boxes_and_point_in_the_pictures_pixels():
    picture = torch.arange(3 * 20 * 30, dtype=torch.uint8).view(3, 20, 30)
    box, nothing = (2.0, 4.0, 12.0, 16.0), torch.full((4,), torch.nan)
    panel = Panel(picture, found=[box, nothing], true=torch.tensor([[1.0, 1, 5, 5]]), point=(7, 8), note="below")
    figure = figures.panels([[panel, None]], ["one", "two"], ["row"])
    ax = figure.axes[0]
    assert np.array_equal(ax.images[0].get_array(), picture.permute(1, 2, 0))
    assert boxes(ax, ACCENT) == [box]  # the box of NaN is left out
    assert (1, 1, 5, 5) in boxes(ax, "white")
    assert ax.lines[0].get_xydata().tolist() == [[7, 8]]
    assert {"below", "row"} <= {text.get_text() for text in ax.texts}
    assert ax.get_xlim() == (0, 30) and ax.get_ylim() == (20, 0)
    assert not figure.axes[1].images and figure.axes[1].get_title() == "two"


def test_a_map_lies_over_the_picture_that_it_belongs_to():
    values = torch.arange(12.0).view(3, 4)
    figure = figures.panels([[Panel(values, (24, 32), found=[(8, 0, 16, 24)])]], ["map"])
    shown = figure.axes[0].images[0]
    assert np.array_equal(shown.get_array(), values) and shown.get_extent() == [0, 32, 24, 0]
    assert shown.get_interpolation() == "nearest" and boxes(figure.axes[0], ACCENT) == [(8, 0, 16, 24)]
    plain = figures.panels([[Panel(values)]], ["map"]).axes[0]
    assert plain.images[0].get_extent() == [0, 4, 3, 0]  # its own cells


def test_rows_need_as_many_panels_as_columns():
    with pytest.raises(ValueError):
        figures.panels([[Panel(torch.zeros(2, 2))]], ["one", "two"])


def test_the_two_heads_share_map_and_classifier():
    texts = [text.get_text() for text in figures.two_heads().axes[0].texts]
    assert texts.count("K") == 2 and texts.count("mean") == 1
    assert "one answer" in texts and "one map per class" in texts


def test_ceilings_are_shares_of_objects_above_each_level():
    overlaps = torch.tensor([0.2, 0.4, 0.6, 0.8])
    (line,) = [line for line in figures.ceilings({7: overlaps}).axes[0].lines if line.get_label().startswith("7")]
    share = dict(zip(line.get_xdata().round(3), line.get_ydata(), strict=True))
    assert (share[0.0], share[0.5], share[0.7], share[1.0]) == (100.0, 50.0, 25.0, 0.0)


def test_overlap_curves_draw_what_they_are_given():
    figure = figures.overlap_curves({"drn_a_18": ([0.0, 1.0], [0.3, 0.6])}, "t")
    line = figure.axes[0].lines[0]
    assert line.get_ydata().tolist() == [0.3, 0.6] and line.get_color() == network_color("drn_a_18")
    assert figure.axes[0].get_xlabel() == "t"


def test_stored_curves_come_seed_by_seed(study):
    found = figures.stored_curves(study, "drn_c_26", "clutter")
    assert found.shape == (2, 41, 4) and found[1, 12].tolist() == pytest.approx([41, 0.59, 46, 0.59])
    assert figures.stored_curves(study, "drn_c_26", "localization.native") is None
    assert figures.stored_curves(study, "drn_a_18", "clutter") is None
    assert figures.stored_curves("no_such_study", "drn_a_18", "clutter") is None


def test_threshold_curves_mark_what_the_tune_part_chose_and_say_what_is_missing(study):
    settings = {"clutter": "in clutter", "localization.native": "plain"}
    measured, missing = figures.threshold_curves(study, ["drn_a_18", "drn_c_26"], settings).axes
    lines = [line for line in measured.lines if len(line.get_xdata()) == 41]
    dots = [line.get_xydata()[0].tolist() for line in measured.lines if len(line.get_xdata()) == 1]
    assert len(lines) == 2 and lines[0].get_ydata()[12] == 45.0  # of the test part
    assert dots == [pytest.approx([U[12].item(), 45.0]), pytest.approx([U[12].item(), 46.0])]
    assert measured.get_legend_handles_labels()[1] == ["DRN-C-26"]
    assert [text.get_text() for text in missing.texts] == ["not yet measured"] and not missing.lines
