"""The figures of chapter 07 show what they are given, in Cityscapes' colors."""

from types import SimpleNamespace

import numpy as np
import torch
from matplotlib.colors import to_hex, to_rgb

from book.figures import segmentation as figures
from book.figures.style import ACCENT, INK
from book.studies import results
from drn_lib.segmentation.metrics import grid_ceiling


def test_masks_are_painted_in_their_classes_colors_and_ignored_pixels_white():
    painted = figures.painted(torch.tensor([[0, 18], [255, 5]]))
    assert painted.tolist() == [[[128, 64, 128], [119, 11, 32]], [[255, 255, 255], [153, 153, 153]]]


def test_the_key_has_the_colors_of_the_masks():
    assert (255 * figures.class_colors(["car"])["car"]).tolist() == figures.painted(torch.tensor([[13]]))[0, 0].tolist()


def test_a_pole_lies_on_cells_with_the_ceilings_own_number():
    truth = torch.zeros(64, 64, dtype=torch.bool)
    truth[:, 34:38] = True
    figure = figures.pole_on_cells(torch.zeros(3, 64, 64, dtype=torch.uint8), truth, (32, 8), (0, 0, 64, 64))
    assert [ax.get_title()[-8:] for ax in figure.axes[2:]] == ["IoU 12 %", "IoU 50 %"]
    assert grid_ceiling(truth[None].numpy(), 8)[0] == 50
    shown = figure.axes[3].images[0].get_array()
    assert np.allclose(shown[0, 35], to_rgb(INK), atol=0.01) and (shown[0, 0] == 1).all()
    assert not np.allclose(shown[0, 33], 1)  # of the cell, beside the pole


def test_ceilings_are_bars_by_class_and_cell():
    (ax,) = figures.ceilings({"pole": {32: 12.0, 8: 30.0}, "road": {32: 91.0, 8: 97.0}}).axes
    assert [patch.get_height() for patch in ax.patches] == [12.0, 91.0, 30.0, 97.0]
    assert to_hex(ax.patches[2].get_facecolor()) == to_hex(ACCENT)


def test_errors_near_boundaries_are_dark_and_others_tinted():
    near = torch.tensor([[True, False]])
    figure = figures.band(torch.zeros(3, 1, 2, dtype=torch.uint8), torch.tensor([[3, 4]]), near, torch.ones(1, 2) > 0)
    shown = figure.axes[2].images[0].get_array()
    assert np.allclose(shown[0, 0], to_rgb(INK), atol=0.01) and shown[0, 1, 0] > shown[0, 1, 2]
    assert (figure.axes[1].images[0].get_array()[0, 1] == 255).all()


def test_table_3_has_eight_losses_and_a_tie():
    (ax,) = figures.table3_by_class().axes
    widths = [patch.get_width() for patch in ax.patches]
    assert widths == sorted(widths) and sum(width < 0 for width in widths) == 8 and sum(width == 0 for width in widths)
    assert [to_hex(patch.get_facecolor()) == ACCENT for patch in ax.patches] == [width < 0 for width in widths]
    assert ax.get_yticklabels()[0].get_text() == "motorcycle"


def test_curves_leave_out_what_was_not_measured(monkeypatch):
    curve = [{"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": 1.0, "val_miou_present": 30.0}]
    monkeypatch.setattr(results, "runs", lambda study, name: [SimpleNamespace(curve=curve)] * name.endswith("dilated"))
    left, right = figures.curves("made_up", ["drn_a_18", "resnet_18_dilated"]).axes
    (loss,) = left.lines
    assert list(loss.get_ydata()) == [2.0, 1.0] and loss.get_linestyle() == "--"
    assert right.lines[0].get_xydata().tolist() == [[2, 30]]
