"""What a recipe refuses, and what the command line may set in it."""

import json
import re
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from drn_lib.training.fields import LIMITS
from drn_lib.training.recipes import (
    ClassificationRecipe,
    SegmentationRecipe,
    list_recipes,
    recipe,
    with_fields,
)

KINDS = (ClassificationRecipe, SegmentationRecipe)
NEEDED = {"name": "r", "dataset": "d", "width": 1.0, "epochs": 1, "batch_size": 1, "lr": 0.1}


def test_a_crop_is_not_larger_than_what_it_is_cut_out_of():
    with pytest.raises(ValueError, match="image_size must be at most 256, the shorter_side .*, not 300") as caught:
        with_fields(recipe("imagenet"), ["image_size=300"])
    assert "\n" not in str(caught.value)
    both = with_fields(recipe("imagenet"), ["image_size=300", "shorter_side=300"])
    assert (both.image_size, both.shorter_side) == (300, 300)
    assert ClassificationRecipe(image_size=300, **NEEDED).shorter_side is None  # images in memory have one size


def test_one_table_has_the_recipes_of_both_kinds():
    parts = [list_recipes(kind) for kind in (ClassificationRecipe, SegmentationRecipe)]
    assert sum(parts, []) == list_recipes() and len(set(list_recipes())) == len(list_recipes())
    with pytest.raises(ValueError, match="no recipe 'imagenet-relased'; did you mean .*imagenet-released"):
        recipe("imagenet-relased")
    with pytest.raises(ValueError, match="no recipe 'streets-live'; did you mean shapes-live"):
        recipe("streets-live", ClassificationRecipe)
    with pytest.raises(ValueError, match="no segmentation recipe None; choose one of camvid-reduced"):
        recipe(None, SegmentationRecipe)
    assert recipe("shapes-live", epochs=1).epochs == 1


@pytest.mark.parametrize(
    ("plan", "change", "field", "value"),
    [
        (recipe("imagenet"), "drop_every=None", "drop_every", None),
        (recipe("imagenet"), "color=None", "color", None),
        (recipe("imagenet"), "color=1", "color", 1.0),
        (recipe("tiny-imagenet-20-reduced"), "partition=None", "partition", None),
        (recipe("tiny-imagenet-20-reduced"), "partition=mine", "partition", "mine"),
        (recipe("tiny-imagenet-20-reduced"), "drop_every=3", "drop_every", 3),
        (recipe("camvid-reduced"), "head_lr=1", "head_lr", 1.0),
    ],
)
def test_a_field_that_may_be_none_may_be_set_to_it_and_from_it(plan, change, field, value):
    found = getattr(with_fields(plan, [change]), field)
    assert found == value and type(found) is type(value)


def test_without_drops_the_rate_falls_as_a_cosine():
    plan = with_fields(recipe("imagenet"), ["drop_every=None"])
    assert plan.learning_rate(60, 120) == pytest.approx(plan.lr / 2, rel=0.05)


WRONG = [
    ("shapes-live", "lr", value, "lr must be a number from 0 to 1e+38, not")
    for value in ("high", "0.1", float("nan"), float("inf"), -0.1, None, True, [0.1], 10**400, 1j)
]
WRONG += [("shapes-live", "epochs", value, "epochs must be a whole number from 1") for value in (0, -1, 1.5, "3", True)]
WRONG += [
    ("shapes-live", field, value, f"{field} must be ")
    for field, value in [
        ("width", float("nan")),
        ("width", 1e6),
        ("width", 0.0),
        ("batch_size", 0),
        ("batch_size", None),
        ("momentum", 1.5),
        ("momentum", 1),
        ("momentum", -0.1),
        ("weight_decay", -1e-4),
        ("weight_decay", 2.0),
        ("warmup", 2.0),
        ("warmup", -0.1),
        ("crop_padding", -4),
        ("crop_padding", 1000),
        ("crop_padding", 64),
        ("image_size", 1),
        ("image_size", 10**6),
        ("drop_every", 0),
        ("drop_every", -1),
        ("drop_every", 2.5),
        ("drop_every", False),
        ("shorter_side", 0),
        ("smallest_area", 0),
        ("smallest_area", 1.5),
        ("color", -0.4),
        ("color", 4),
        ("mirror", 1),
        ("mirror", "no"),
        ("reduced", None),
        ("partition", 3),
        ("partition", ""),
        ("dataset", ["shapes"]),
    ]
]
WRONG += [
    ("camvid-reduced", "scale", 0.5, "scale must be a number from 1 to 16"),
    ("camvid-reduced", "rotation", -1, "rotation must be a number from 0 to 180"),
    ("camvid-reduced", "rotation", 720.0, "rotation must be "),
    ("camvid-reduced", "head_lr", -1, "head_lr must be "),
    ("camvid-reduced", "crop", 1, "crop must be "),
    ("camvid-reduced", "size", -8, "size must be "),
    ("camvid-reduced", "schedule", "pooly", "no schedule 'pooly'; did you mean poly"),
    ("camvid-reduced", "schedule", None, "schedule must be text"),
    ("camvid-reduced", "schedule", "step", "drop_every belongs to the schedule"),
    ("camvid-reduced", "colors", "citscapes", "did you mean cityscapes"),
    ("camvid-reduced", "drop_every", 3, "drop_every belongs to the schedule"),
    ("shapes-live", "lrr", 0.1, "no field of this recipe 'lrr'; did you mean lr"),
    ("shapes-live", "crop", 64, "no field of this recipe 'crop'"),
    ("shapes-live", "_", 1, "no field of this recipe '_'"),
]


@pytest.mark.parametrize(("name", "field", "value", "says"), WRONG)
def test_a_wrong_value_is_one_sentence_from_python_and_from_a_command(name, field, value, says):
    doors = [lambda: recipe(name, **{field: value})]
    if value == value and not isinstance(value, float):  # Python writes nan and 1e6 as names and floats
        doors.append(lambda: with_fields(recipe(name), [f"{field}={value!r}"]))
    if value != "0.1" and field not in ("lrr", "_", "crop"):
        doors.append(lambda: replace(recipe(name), **{field: value}))
    for door in doors:
        with pytest.raises(ValueError, match=re.escape(says)) as caught:
            door()
        assert "\n" not in str(caught.value)


def test_every_number_of_a_recipe_has_limits_that_all_recipes_keep():
    numbers = set()
    for name in list_recipes():
        for field, value in asdict(recipe(name)).items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                numbers.add(field)
                assert LIMITS[field][0] <= value <= LIMITS[field][1]
    assert numbers <= set(LIMITS) <= {field.name for kind in KINDS for field in fields(kind)}


def test_numbers_are_stored_as_their_fields_type():
    plan = recipe("shapes-live", lr=1, epochs=np.int64(3), width=np.float32(0.5))
    assert [type(value) for value in (plan.lr, plan.epochs, plan.width)] == [float, int, float]
    assert json.loads(json.dumps(plan.as_dict()))["epochs"] == 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["lr"], "--set lr is not FIELD=VALUE, for instance lr=0.05"),
        (["lr="], "--set lr= is not FIELD=VALUE"),
        (["lr=0.1", "lr=0.2"], "--set lr=0.2: lr is set twice; leave one out"),
        (["lr=" + "(" * 5000], "lr must be a number"),
        (["lr=__import__('os')"], "lr must be a number"),
        (["lr=nan"], "lr must be a number"),
        (["width=1e6"], "--set width=1e6: width must be a number from 0.01 to 8, not 1000000.0"),
        (["epochs=01"], "epochs must be a whole number"),
    ],
)
def test_changes_of_a_command_are_one_sentence(changes, says):
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        with_fields(recipe("shapes-live"), changes)
    assert "\n" not in str(caught.value)
