"""Losses, errors and times are drawn as they were stored."""

import numpy as np
import pytest

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


def test_losses_are_drawn_with_their_spread_and_every_seed_is_a_dot():
    curves, losses, errors = figures.training_and_test("classification", ["resnet_18", "drn_a_18"]).axes
    runs = results.runs("classification", "drn_a_18")
    band_a, mean_a = curves.collections[1], curves.lines[1]
    ends = [run.curve[-1]["train_loss"] for run in runs]
    assert mean_a.get_ydata()[-1] == pytest.approx(np.mean(ends))
    edges = band_a.get_paths()[0].vertices
    assert {edges[:, 1][edges[:, 0] == 45].min(), edges[:, 1][edges[:, 0] == 45].max()} == {min(ends), max(ends)}
    for ax, key in ((losses, "final.test.loss"), (errors, "final.test.top1")):
        dots = ax.lines[2].get_ydata()
        np.testing.assert_array_equal(dots, results.metric("classification", "drn_a_18", key).values)
        assert ax.lines[3].get_ydata()[0] == pytest.approx(np.mean(dots))


def test_a_network_without_runs_is_left_out_of_the_losses():
    curves, losses, _ = figures.training_and_test("classification", ["drn_c_42", "drn_a_18"]).axes
    assert len(curves.lines) == 1 and len(losses.lines) == 2


def test_errors_stand_at_the_measured_time():
    times = {"resnet_18": {"plain": 1.0, "fast": 1.1}, "drn_a_18": {"plain": 2.0, "fast": 1.5}}
    (ax,) = figures.error_against_time("classification", times).axes
    lines = [(list(line.get_xdata()), line.get_ydata()[0]) for line in ax.lines[3:6]]
    error = results.metric("classification", "drn_a_18", "final.test.top1").mean
    assert lines == [([1.5, 2.0], error), ([2.0], error), ([1.5], error)]
    assert [text.get_text() for text in ax.texts] == ["R-18", "A-18"]


def test_labels_at_line_ends_do_not_lie_on_each_other():
    assert figures.apart([0.72, 0.54, 0.42, 0.25], 0.2) == pytest.approx([0.85, 0.65, 0.45, 0.25])
    assert figures.apart([0.25, 1.0], 0.2) == [0.25, 1.0] and figures.apart([], 0.2) == []
