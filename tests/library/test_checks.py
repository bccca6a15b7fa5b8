"""Names, whole numbers and finite values at the doors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from drn_lib import checks

NETWORKS = ["resnet_18", "drn_a_18", "drn_c_26", "drn_c_42"]


def test_a_known_name_comes_back():
    assert checks.one_of("network", "drn_c_26", NETWORKS) == "drn_c_26"


@pytest.mark.parametrize("typed", ["drn_c_27", "DRN_C_26", "drn-c-26", "drnc26"])
def test_a_typing_mistake_is_answered_with_the_nearest_names(typed):
    with pytest.raises(checks.UnknownName, match="did you mean .*drn_c_26"):
        checks.one_of("network", typed, NETWORKS)


@pytest.mark.parametrize("typed", ["zzz", "", None, 7, ["drn_c_26"]])
def test_what_resembles_nothing_gets_a_short_list(typed):
    with pytest.raises(checks.UnknownName, match=r"there is no network .*; choose one of resnet_18, .*"):
        checks.one_of("network", typed, NETWORKS)
    with pytest.raises(checks.UnknownName, match="number 11 and 8 more$"):
        checks.one_of("network", typed, [f"number {n}" for n in range(20)])


def test_whole_numbers():
    assert checks.whole_number("seed", np.int64(3), 0) == 3
    assert checks.whole_number("seed", 0, 0, 5) == 0 and checks.whole_number("seed", 5, 0, 5) == 5
    for wrong in (-1, 6, 1.0, True, "3", None, float("nan")):
        with pytest.raises(ValueError, match="seed must be a whole number from 0 to 5, not"):
            checks.whole_number("seed", wrong, 0, 5)
    with pytest.raises(ValueError, match="of 1 or more, not 0"):
        checks.whole_number("width", 0, 1)


def test_real_numbers():
    assert checks.real_number("lr", np.float32(0.5), 0, 1) == 0.5 and type(checks.real_number("lr", 1, 0, 1)) is float
    for wrong in (-0.1, 1.1, float("nan"), float("inf"), True, "0.5", None, 1j):
        with pytest.raises(ValueError, match="lr must be a number from 0 to 1, not"):
            checks.real_number("lr", wrong, 0, 1)


@pytest.mark.parametrize("make", [torch.tensor, np.array], ids=["torch", "numpy"])
def test_class_numbers(make):
    for right in (
        make([0, 2]),
        make([0, 2]).astype("uint8") if make is np.array else make([0, 2]).byte(),
        make([0])[:0],
    ):
        checks.require_class_numbers(right, 3, "the labels")
    for wrong, says in (([0, 3], "lie in 0..2; found 0..3"), ([-1, 0], "lie in 0..2; found -1..0")):
        with pytest.raises(ValueError, match=f"^the labels must {says}$"):
            checks.require_class_numbers(make(wrong), 3, "the labels")
    for wrong in ([0.0], [float("nan")], [True], [1j]):
        with pytest.raises(ValueError, match="^the labels must be whole numbers, not "):
            checks.require_class_numbers(make(wrong), 3, "the labels")


@pytest.mark.parametrize("make", [torch.tensor, np.array], ids=["torch", "numpy"])
def test_finite_values_pass_and_others_are_named(make):
    checks.require_finite(make([0.0, 1e30]), "the map")
    for wrong in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(ValueError, match="the map holds values that are not finite"):
            checks.require_finite(make([0.0, wrong]), "the map")


@pytest.mark.parametrize("make", [torch.tensor, np.array], ids=["torch", "numpy"])
def test_weights_are_finite_and_variances_not_negative(make):
    checks.require_finite_weights({"a.weight": make([-1.0]), "a.running_var": make([0.0])}, "net.pth")
    with pytest.raises(ValueError, match="b.weight of net.pth holds values that are not finite"):
        checks.require_finite_weights({"a.weight": make([1.0]), "b.weight": make([float("inf")])}, "net.pth")
    with pytest.raises(ValueError, match="a.running_var of net.pth holds a variance below zero"):
        checks.require_finite_weights({"a.running_var": make([1.0, -1e-9])}, "net.pth")


@pytest.mark.parametrize("wrong", [list(range(99)), np.zeros((40, 40)), {"a": "b" * 99}], ids=["list", "array", "dict"])
def test_a_long_value_is_shown_on_one_line_and_not_whole(wrong):
    for call in (
        lambda: checks.whole_number("seed", wrong, 0),
        lambda: checks.real_number("lr", wrong, 0, 1),
        lambda: checks.one_of("network", wrong, NETWORKS),
        lambda: checks.path_of("root", wrong),
    ):
        with pytest.raises(ValueError) as caught:
            call()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 220 and "…" in str(caught.value)


def test_a_value_of_eighty_letters_is_shown_whole():
    for text, shown in (("x" * 78, f"'{'x' * 78}'"), ("x" * 79, f"'{'x' * 79}…")):
        with pytest.raises(ValueError, match=f"not {shown}$"):
            checks.whole_number("seed", text, 0)


def test_paths():
    assert checks.path_of("root", "a/b") == checks.path_of("root", Path("a", "b")) == Path("a/b")
    for wrong in (3, 2.5, None, True, ["a"], b"a"):
        with pytest.raises(ValueError, match="root must be a path, not"):
            checks.path_of("root", wrong)


def test_types():
    checks.require_type(torch.zeros(1), torch.Tensor, "the labels")
    for wrong in ([0], np.zeros(1), None, 3, "a"):
        with pytest.raises(ValueError, match=f"^the labels must be of type Tensor, not {type(wrong).__name__}$"):
            checks.require_type(wrong, torch.Tensor, "the labels")
