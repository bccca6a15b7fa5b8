"""The figures of chapter 06 show what they are given."""

import pytest
import torch

from book.cells.localization import pointing_steps
from book.figures import localization as figures
from book.figures.style import network_color
from book.studies import results


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
    (ax,) = figures.overlap_curves({"drn_a_18": ([0.0, 1.0], [0.3, 0.6])}, "t").axes
    assert ax.lines[0].get_ydata().tolist() == [0.3, 0.6] and ax.lines[0].get_color() == network_color("drn_a_18")
    assert ax.get_xlabel() == "t"


def test_the_waterfall_goes_from_one_network_to_the_other():
    steps, beside = pointing_steps()
    names, errors = zip(*steps)
    assert errors[0] > errors[1] > errors[2] > errors[3] == errors[4]
    key = "clutter.pointing_error_off_middle"
    assert errors[0] == results.metric("classification", "resnet_18", key).mean
    assert errors[-1] == results.metric("classification", "drn_a_18", key).mean
    assert beside[0][1] == results.metric("classification", "resnet_18_large", key).mean
    (ax,) = figures.pointing_waterfall(steps, beside).axes
    bars = [(patch.get_y(), patch.get_y() + patch.get_height()) for patch in ax.patches]
    assert bars[0] == (0, errors[0]) and bars[4] == (0, errors[-1]) and len(bars) == 7
    for (low, high), before, after in zip(bars[1:4], errors, errors[1:]):
        assert low == after and high == pytest.approx(before)
    drops = [float(text.get_text().replace("−", "-")) for text in ax.texts[1:4]]
    assert sum(drops) == pytest.approx(errors[-1] - errors[0], abs=0.2)
