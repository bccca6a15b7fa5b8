"""What chapter 08 counts, computes by hand and measures is what the names say."""

import json

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from book.cells import layer_times, speed
from book.exercises.exercise import all_exercises
from drn_lib.architecture import architecture
from drn_lib.fast.counts import products
from drn_lib.fast.matrices import F23, F43


@pytest.fixture(scope="module")
def small():
    """A measurement of few rounds on small maps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer_times, "COPIED", 1 << 16)
        patch.setattr(layer_times, "LAYER", layer_times.Convolution("small", 6, 32, 32, 3))
        return layer_times.measure(rounds=1, size=32)


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_sublattices_and_tiles_give_the_dilated_convolution(dilation):
    x, weight = torch.randn(2, 3, 8, 12).double(), torch.randn(5, 3, 3, 3).double()
    exact = conv2d(x, weight, padding=dilation, dilation=dilation)
    torch.testing.assert_close(speed.on_sublattices(x, weight, dilation), exact)
    for scheme in (F23, F43):
        torch.testing.assert_close(speed.filtered(x, weight, dilation, scheme), exact)


def test_the_arrays_give_the_outputs_by_hand():
    BT, G, AT = speed.arrays(F23)
    np.testing.assert_allclose(AT @ ((G @ [2, 4, -2]) * (BT @ [3, 1, 2, 4])), [6, 2])


def test_the_kernels_lines_are_the_matrices_and_their_uses():
    lines = speed.kernel_lines(F23)
    assert [line.split("[")[0] for line in lines[:3]] == ["BT", "G", "AT"]
    assert (
        json.loads(lines[2].split("= ")[1].rstrip(";").replace("{", "[").replace("}", "]"))
        == speed.arrays(F23)[2].tolist()
    )
    assert [f"::{name}" in line for name, line in zip(("BT", "G", "AT"), lines[3:], strict=True)] == [True] * 3


def test_the_exercises_count_as_the_library_does():
    """All products of a network, from one pair of channels of each layer: at a size at which no tile is short."""
    solution = all_exercises()["products"].solution
    for name in ("drn_a_18", "drn_c_26"):
        table, total = architecture(name), 0
        for row, side in speed.map_sides(table, 256):
            pairs = row.in_channels * row.out_channels
            total += pairs * (solution(side, row.dilation) if speed.is_dense(row) else row.kernel**2 * side**2)
        last = [side for _, side in speed.map_sides(table, 256)][-1]
        assert total + table.out_channels * 1000 * last**2 == products(table, 256, 256).winograd


def test_errors_are_relative():
    exact = torch.tensor([3.0, 4.0]).double()
    assert speed.relative_error(exact * 1.5, exact) == pytest.approx(0.5)


def test_only_a_reader_is_told_about_the_machine(monkeypatch, capsys):
    monkeypatch.setenv("DRN_PROGRESS", "0")
    speed.tell("fast")
    monkeypatch.delenv("DRN_PROGRESS")
    speed.tell("slow")
    assert capsys.readouterr().out == "slow\n"


def test_a_measurement_has_what_the_figures_draw(small):
    stored = layer_times.stored()
    assert set(stored) == {*small, "bfloat16"}
    here = {d: set(ways) | {"kernel"} for d, ways in small["layer"].items()}  # no compiler, no kernel
    assert here == {d: set(ways) for d, ways in stored["layer"].items()}
    assert [level["level"] for level in small["levels"]] == [level["level"] for level in stored["levels"]]
    assert all(rate > 0 for ways in small["layer"].values() for rate in ways.values())


def test_every_way_of_the_layer_computes_the_same_map():
    row, side = layer_times.LAYER, 8
    with torch.no_grad():
        ways = layer_times._methods(row, side, 4, layer_times._kernel())
        found = {name: run() for name, run in ways.items()}
    for name, y in found.items():
        assert speed.relative_error(y, found["direct"].double()) < 1e-5, name


def test_intensity_counts_both_maps_and_the_weights():
    row = layer_times.Convolution("one", 1, 2, 3, 3)
    assert layer_times._intensity(row, 5) == 9 * 6 * 25 / (4 * (5 * 25 + 9 * 6))
