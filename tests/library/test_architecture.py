"""The tables of the networks: Figs. 1 and 5, names, rules, widths."""

import csv
import math
import re
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from drn_lib.architecture import (
    DILATION_RULES,
    architecture,
    convolutions,
    dilation_rules,
    first_dilation,
    list_ablations,
    list_models,
    list_networks,
    list_remedies,
    scale_width,
)
from drn_lib.paths import paper_dir

NETWORKS = list_models()
NAN = math.nan


def published() -> dict[str, dict[str, str]]:
    with open(paper_dir() / "architectures.csv", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def first_blocks(name: str, rule: str | None = None) -> dict[int, tuple[int, int]]:
    return {level.number: level.first_dilation for level in architecture(name, rule).levels if level.number in (5, 6)}


def test_all_networks_are_listed_in_the_order_of_the_book():
    assert NETWORKS == list(published())
    assert list_models("drn_c_*") == ["drn_c_26", "drn_c_42", "drn_c_58"]
    assert list_models("*_18") == ["resnet_18", "drn_a_18"] and list_models("vgg*") == []
    assert list_networks() == [*list_models(), *list_ablations(), *list_remedies()]


@pytest.mark.parametrize("name", NETWORKS + list_ablations())
def test_the_depth_in_the_name_is_the_tables_depth(name):
    assert architecture(name).depth == int(re.search(r"_(\d+)", name).group(1))


def differences(left: str, right: str, right_rule: str | None = None) -> set[str]:
    """What tells two networks apart: "front" (stem, pooling, levels 1 and 2), "rule", or fields of levels 7 and 8."""
    first, second = architecture(left), architecture(right, right_rule)
    tails = [{level.number: asdict(level) for level in table.levels if level.number > 6} for table in (first, second)]
    found = {"tail"} if tails[0].keys() != tails[1].keys() else set()
    for number in tails[0].keys() & tails[1].keys():
        one, other = tails[0][number], tails[1][number]
        found |= {field for field in one if one[field] != other[field]} - {"first_dilation"}
    found |= {"front"} if first.stem != second.stem else set()
    found |= {"rule"} if first.dilation_rule != second.dilation_rule else set()
    for number in (4, 5, 6):  # the body is one and the same but for the rule's first layers
        rows = [replace(table.level(number), first_dilation=(1, 1)) for table in (first, second)]
        assert rows[0] == rows[1]
    return found


def test_each_rung_of_the_ladder_changes_one_thing():
    assert differences("drn_a_18", "ladder_a_22") == {"tail"}
    assert differences("ladder_a_22", "ladder_a_22_falling") == {"dilation"}
    assert differences("ladder_a_22_falling", "ladder_a_22_unlinked") == {"residual"}
    # The new front comes with the reading of Fig. 5; DRN-A-18 trained under both rules says what that alone is worth.
    assert differences("ladder_a_22_falling", "drn_b_26") == {"front", "rule"}
    assert differences("ladder_a_22_unlinked", "drn_c_26") == {"front", "rule"}
    assert differences("drn_b_26", "drn_c_26") == {"residual"}
    assert differences("ladder_front_22", "drn_c_26") == {"tail"}
    assert differences("ladder_front_22", "drn_a_18", right_rule="levels") == {"front"}
    assert differences("ladder_c_26_constant", "drn_c_26") == {"dilation"}


@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_kind_and_output_stride_are_the_papers(name):
    row, table = published()[name], architecture(name)
    blocks = {level.number: str(level.blocks) for level in table.levels}
    assert " ".join(blocks.get(number, "-") for number in range(1, 9)) == row["blocks_levels_1_to_8"]
    assert {level.kind for level in table.levels if 3 <= level.number <= 6} == {row["kind_levels_3_to_6"]}
    assert table.output_stride == int(row["output_stride"])


@pytest.mark.parametrize("name", [name for name in NETWORKS if name.startswith("drn")])
def test_figure_5_one_stride_between_levels_and_one_dilation_per_level(name):
    table = architecture(name)
    assert all(level.dilation == (1, 1, 1, 1, 2, 4, 2, 1)[level.number - 1] for level in table.levels)
    halving = {level.number for level in table.levels if level.stride == 2 or level.pool}
    halving |= {table.stem_level} if table.stem.stride == 2 else set()
    assert halving == {2, 3, 4}
    assert all(level.channels == (16, 32, 64, 128, 256, 512, 512, 512)[level.number - 1] for level in table.levels)


def test_what_a_b_c_and_d_differ_in():
    a, b, c, d = (architecture(name) for name in ("drn_a_18", "drn_b_26", "drn_c_26", "drn_d_22"))
    assert (a.stem.channels, a.stem.stride, a.stem_level) == (64, 2, 2)
    assert (c.stem.channels, c.stem.stride, c.stem_level) == (16, 1, None)
    assert [level.number for level in a.levels] == [3, 4, 5, 6]
    assert a.level(3).pool and not any(level.pool for level in (*b.levels, *c.levels, *d.levels))
    assert all(b.level(number) == c.level(number) for number in range(1, 7))
    for number in (7, 8):
        assert b.level(number).residual and not c.level(number).residual
        assert b.level(number).kind == c.level(number).kind == "basic"
    assert [level.number for level in d.levels if level.kind == "plain"] == [1, 2, 7, 8]
    assert architecture("drn_d_24").level(7).blocks == architecture("drn_d_24").level(8).blocks == 2


def test_the_three_readings_of_the_first_blocks():
    assert first_blocks("drn_a_18", "exact") == {5: (1, 2), 6: (2, 4)}
    assert first_blocks("drn_a_18", "levels") == {5: (2, 2), 6: (4, 4)}
    assert first_blocks("drn_a_18", "released") == {5: (1, 1), 6: (1, 1)}
    for name in ("drn_c_26", "drn_d_22"):  # what was released there is Fig. 5
        assert first_blocks(name, "released") == first_blocks(name, "levels") == {5: (2, 2), 6: (4, 4)}
        assert first_blocks(name, "exact") == {5: (1, 2), 6: (2, 4)}
    rows = [row for row in convolutions(architecture("drn_a_18")) if row.level == 6 and not row.shortcut]
    assert [row.dilation for row in rows] == [2, 4, 4, 4]


def test_each_family_has_its_default_rule():
    assert dilation_rules("resnet_18") == ()
    assert dilation_rules("drn_a_50") == ("exact", "levels", "released")
    assert dilation_rules("drn_b_26") == ("levels", "exact")
    assert dilation_rules("drn_c_26") == dilation_rules("drn_d_105") == ("levels", "exact", "released")
    for name in NETWORKS:
        default = next(iter(dilation_rules(name)), None)
        assert architecture(name).dilation_rule == default and architecture(name) == architecture(name, default)


@pytest.mark.parametrize(
    ("name", "rule", "says"),
    [
        ("drn_c_27", None, "there is no network 'drn_c_27'; did you mean .*drn_c_26"),
        ("resnet_18", "exact", "resnet_18 has no dilation.*leave it out"),
        ("drn_c_26", "fig5", "there is no dilation rule 'fig5'; choose one of exact, levels, released"),
        ("drn_c_26", "level", "there is no dilation rule 'level'; did you mean levels"),
        ("ladder_front_22", "exact", "there is no dilation rule 'exact'; choose one of levels"),
        ("drn_c_26", 3, "there is no dilation rule 3"),
        ("drn_c_26", ["exact"], r"there is no dilation rule \['exact'\]"),
        (None, None, "there is no network None; choose one of resnet_18"),
        (["drn_c_26"], None, r"there is no network \['drn_c_26'\]"),
        ("DRN-C-26", None, "did you mean .*drn_c_26"),
        ("drn_b_26", "released", "drn_b_26 was never released.*choose one of exact, levels"),
    ],
)
def test_a_name_or_rule_that_does_not_exist_is_one_sentence(name, rule, says):
    with pytest.raises(ValueError, match=says) as caught:
        architecture(name, rule)
    assert "\n" not in str(caught.value)


def test_the_other_errors():
    with pytest.raises(ValueError, match="there is no network 'vgg'"):
        dilation_rules("vgg")
    with pytest.raises(
        ValueError, match="there is no dilation rule 'half'; choose one of " + ", ".join(DILATION_RULES)
    ):
        first_dilation("half", 1, 2)
    with pytest.raises(KeyError, match=r"drn_a_18 has levels \[3, 4, 5, 6\], not 7"):
        architecture("drn_a_18").level(7)
    for width in (0, -0.5, NAN, math.inf, 17, 1e308, True, "0.25", None, [0.25], 1j):
        with pytest.raises(ValueError, match="width must be a number above 0 and at most 16, not"):
            scale_width(architecture("drn_a_18"), width)


@pytest.mark.parametrize("width", [0.01, 0.1, 0.25, 0.3, 0.5, 0.77, 1.0, 1.5, 2])
def test_channels_are_multiples_of_4_and_at_least_8(width):
    for name in NETWORKS:
        wide, table = architecture(name), scale_width(architecture(name), width)
        for scaled, original in [(table.stem, wide.stem), *zip(table.levels, wide.levels, strict=True)]:
            assert scaled.channels % 4 == 0 and scaled.channels >= 8
            assert scaled.channels == 8 or abs(scaled.channels - width * original.channels) <= 2
        assert table.depth == wide.depth


def test_width_1_changes_nothing_and_a_quarter_keeps_eight_channels():
    for name in NETWORKS:
        assert scale_width(architecture(name), 1.0) == architecture(name)
    quarter = scale_width(architecture("drn_c_26"), 0.25)
    assert [level.channels for level in quarter.levels] == [8, 8, 16, 32, 64, 128, 128, 128]
    assert scale_width(architecture("drn_c_58"), 0.25).level(6).out_channels == 512


def test_tables_and_the_package_import_without_torch():
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import drn_lib, drn_lib.architecture, drn_lib.checkpoints.naming\n"
        "assert drn_lib.list_models('drn_a_18') == ['drn_a_18']\n"
        "assert drn_lib.architecture.architecture('drn_a_18').depth == 18\n"
        "assert 'load_weights' in dir(drn_lib) and not hasattr(drn_lib, 'no_such_name')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_public_names_are_the_functions():
    import drn_lib
    from drn_lib import checkpoints, conversion, datasets, network

    assert drn_lib.create_model is network.create_model
    assert drn_lib.load_weights is checkpoints.load_weights
    assert drn_lib.load_trained is checkpoints.load_trained
    assert drn_lib.open_dataset is datasets.open_dataset
    assert drn_lib.list_models is list_models
    assert drn_lib.conversion is conversion
    assert re.fullmatch(r"\d+\.\d+\.\d+", drn_lib.__version__)
