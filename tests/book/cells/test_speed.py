"""What chapter 08 counts and computes by hand is what the names say."""

import json

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from book.cells import speed
from book.exercises.exercise import all_exercises
from book.studies.bench import layers
from drn_lib.architecture import architecture
from drn_lib.costs import map_sides
from drn_lib.fast.counts import products
from drn_lib.fast.matrices import F23, F43


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_tiles_give_the_dilated_convolution(dilation):
    x, weight = torch.randn(2, 3, 8, 12).double(), torch.randn(5, 3, 3, 3).double()
    exact = conv2d(x, weight, padding=dilation, dilation=dilation)
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
        for row, side in map_sides(table, 256):
            pairs = row.in_channels * row.out_channels
            total += pairs * (solution(side, row.dilation) if layers.is_dense(row) else row.kernel**2 * side**2)
        last = [side for _, side in map_sides(table, 256)][-1]
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
