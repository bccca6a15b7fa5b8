"""The curves of training runs show what was stored."""

import numpy as np

from book.figures import classification as figures
from book.studies import results


def test_training_curves_leave_out_what_was_not_measured(store_run):
    store_run({}, [{"epoch": 1, "train_loss": 3.0, "tune_top1": 90.0}, {"epoch": 2, "train_loss": 2.0}])
    loss, error = figures.training_curves("made_up", ["drn_c_26"]).axes
    assert list(loss.lines[0].get_ydata()) == [3.0, 2.0]
    np.testing.assert_array_equal(error.lines[0].get_ydata(), [90.0, np.nan])


def test_the_legend_of_training_curves_names_a_network_once():
    loss, _ = figures.training_curves("classification", ["resnet_18", "drn_a_18"]).axes
    assert len(loss.lines) == sum(len(results.runs("classification", name)) for name in ("resnet_18", "drn_a_18")) > 2
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["ResNet-18", "DRN-A-18"]
