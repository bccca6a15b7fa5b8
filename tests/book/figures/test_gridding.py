"""The figures of chapters 03 and 04 show what they are given; the two readings of maps are what they say."""

import json

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from book.figures import gridding as figures
from book.studies import files, results
from drn_lib import gridding

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study `made_up` with one run of DRN-C-26, whose energies are level / 100."""
    energies = {f"lattice_energy.level_{level}": level / 100 for level in range(1, 9)}
    energies |= {"lattice_energy.score_map": 0.001, "lattice_energy_untrained.level_6": 0.5}
    run = {
        "study": "made_up",
        "recipe": "none",
        "architecture": "drn_c_26",
        "seed": 0,
        "dataset": {"name": "none", "counts": {"test": 300}},
        "metrics": energies,
        "curve": [{"epoch": 1, "train_loss": 3.0, "tune_top1": 90.0}, {"epoch": 2, "train_loss": 2.0}],
        "seconds": 1.0,
        "device": "none",
        "torch": "2",
        "commit": None,
    }
    (tmp_path / "made_up").mkdir()
    (tmp_path / "made_up" / "drn_c_26-s0.json").write_text(json.dumps(run))
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)
    return "made_up"


def pictures(figure):
    return [ax.images[0].get_array() for ax in figure.axes if ax.images]


def test_the_strongest_channel_has_the_highest_mean_magnitude():
    maps = torch.zeros(1, 3, 4, 4)
    maps[0, 0, 0, 0] = 15  # the highest single value
    maps[0, 1] = -2  # the highest mean magnitude
    maps[0, 2] = 1
    assert torch.equal(figures.strongest_channel(maps), maps[0, 1])


def test_white_noise_has_three_quarters_of_its_power_above_a_quarter():
    noise = torch.randn(200, 32, 32, generator=torch.manual_seed(0))
    assert figures.high_frequency_share(noise) == pytest.approx(0.75, abs=0.02)


def test_a_slow_wave_has_no_power_there_and_a_fast_one_all():
    cell = torch.arange(32).double()
    slow, fast = (torch.cos(2 * torch.pi * frequency * cell).expand(32, 32) for frequency in (2 / 32, 12 / 32))
    assert figures.high_frequency_share(slow) < 0.01
    assert figures.high_frequency_share(fast) > 0.99


def test_a_tile_is_a_pure_lattice():
    lattice = figures.tile(4, 28)
    assert lattice.shape == (28, 28)
    assert torch.equal(lattice[4:], lattice[:-4])
    assert gridding.lattice_energy(lattice, 4).item() == pytest.approx(1)
    assert lattice.var(correction=0).item() == pytest.approx(1)


def test_combs_write_the_values_that_are_not_zero():
    figure = figures.combs({"input": [0, 1, 0], "output": [2, 0, 3]})
    assert [[text.get_text() for text in ax.texts] for ax in figure.axes] == [["1"], ["2", "3"]]


def test_counts_fill_the_cells_that_are_not_zero():
    values = np.array([[1, 0], [0, 6]])
    (ax,) = figures.counts([values], ["two cells"]).axes
    filled = [patch for patch in ax.patches if matplotlib.colors.to_hex(patch.get_facecolor()) != "#ffffff"]
    assert len(filled) == 2
    assert [text.get_text() for text in ax.texts] == ["1", "6"]


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_a_kernels_taps_all_lie_on_one_sublattice(dilation):
    (ax,) = figures.sublattice_boards([dilation]).axes
    colors = {patch.get_xy(): patch.get_facecolor() for patch in ax.patches if isinstance(patch, Rectangle)}
    assert len(set(colors.values())) == dilation**2
    rings = [(line.get_xdata()[0] - 0.5, line.get_ydata()[0] - 0.5) for line in ax.lines]
    assert len(rings) == 9
    assert len({colors[ring] for ring in rings}) == 1


def test_a_table_of_maps_leaves_places_empty():
    one, two = torch.zeros(4, 4), torch.ones(3, 8, 8).permute(1, 2, 0)
    figure = figures.map_table([[two, one], [None, one]], ["photograph", "map"], ["first", "second"])
    assert [picture.shape for picture in pictures(figure)] == [(8, 8, 3), (4, 4), (4, 4)]
    assert [ax.get_title() for ax in figure.axes] == ["photograph", "map", "", ""]


def test_maps_that_do_not_fit_the_columns_are_an_error():
    with pytest.raises(ValueError):
        figures.map_table([[torch.zeros(4, 4)]], ["one", "two"])


def test_responses_and_spectra_draw_a_curve_each_and_mark_the_lattice():
    nu = torch.linspace(0, 0.5, 11)
    (ax,) = figures.responses({"d = 1": (nu, nu), "d = 2": (nu, -nu)}).axes
    marks, curves = ax.lines[:2], ax.lines[2:]
    assert [mark.get_xdata()[0] for mark in marks] == [0.25, 0.5]
    assert [curve.get_label() for curve in curves] == ["d = 1", "d = 2"]
    assert min(curves[1].get_ydata()) == 0  # gains are drawn as magnitudes

    noise = torch.randn(5, 28, 28, generator=torch.manual_seed(0))
    (ax,) = figures.spectra({"a": noise, "b": 10 * noise}, period=4).axes
    a, b = ax.lines[2:]
    np.testing.assert_allclose(a.get_ydata(), b.get_ydata())  # each as a share of its own power
    assert matplotlib.colors.to_hex(a.get_color()) != matplotlib.colors.to_hex(b.get_color())


def test_energies_come_from_the_results(study):
    assert figures.stored_energies(study, "drn_c_26") == {
        "4": 0.04, "5": 0.05, "6": 0.06, "7": 0.07, "8": 0.08, "score map": 0.001
    }  # fmt: skip
    assert figures.stored_energies(study, "drn_c_26", untrained=True) == {"6": 0.5}
    assert figures.stored_energies(study, "drn_a_18") == {}


def test_energy_by_level_draws_them_with_white_noise(study):
    (ax,) = figures.energy_by_level(study, ["drn_c_26"], 0.02).axes
    noise, trained, untrained = ax.lines
    assert set(noise.get_ydata()) == {0.02}
    np.testing.assert_allclose(trained.get_ydata(), [0.04, 0.05, 0.06, 0.07, 0.08, 0.001])
    assert (list(untrained.get_xdata()), list(untrained.get_ydata())) == ([2], [0.5])
    assert untrained.get_linestyle() == "--"


def test_training_curves_leave_out_what_was_not_measured(study):
    loss, error = figures.training_curves(study, ["drn_c_26"]).axes
    assert list(loss.lines[0].get_ydata()) == [3.0, 2.0]
    np.testing.assert_array_equal(error.lines[0].get_ydata(), [90.0, np.nan])


def test_example_pictures_shows_the_first_ones():
    images = torch.arange(3, dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 8, 8)
    figure = figures.example_pictures(images, ["a", "b", "c"], count=2)
    assert [int(picture[0, 0, 0]) for picture in pictures(figure)] == [0, 1]


def test_the_legend_of_training_curves_names_a_network_once():
    stored = {name: len(results.runs("classification", name)) for name in ("resnet_18", "drn_a_18")}
    loss, _ = figures.training_curves("classification", list(stored)).axes
    assert len(loss.lines) == sum(stored.values()) > 2
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["ResNet-18", "DRN-A-18"]
