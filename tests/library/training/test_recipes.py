"""What a recipe refuses, and what the command line may set in it."""

import json
import math
import re
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from drn_lib.training.fields import LIMITS, checked
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


MANY, SIDE, RATE = (1, 100_000), (8, 8192), (0, 1e38)
RANGES = {"width": (0.01, 8), "epochs": MANY, "batch_size": MANY, "lr": RATE, "momentum": (0, 0.9999)}
RANGES |= {"weight_decay": (0, 1), "drop_every": MANY, "image_size": SIDE, "warmup": (0, 1), "crop_padding": (0, 4096)}
RANGES |= {"shorter_side": SIDE, "smallest_area": (0.001, 1), "color": (0, 1), "crop": SIDE, "head_lr": RATE}
RANGES |= {"scale": (1, 16), "rotation": (0, 180), "size": SIDE, "enlarge": (1, 16)}


@pytest.mark.parametrize("field", LIMITS)
def test_a_number_may_be_at_its_limits_and_not_beyond(field):
    kind = next(kind for kind in KINDS if field in [known.name for known in fields(kind)])
    low, high = RANGES[field]
    for value in (low, high):
        assert checked(kind, field, value) == value
    step = 1 if isinstance(low, int) and isinstance(high, int) and high > 200 else 0.0005
    for value in (low - step, high + step if high < 1e38 else 2e38):
        with pytest.raises(ValueError, match=f"^{field} must be a"):
            checked(kind, field, value)


def test_the_cosine_by_hand():
    """Four steps up, then half a cosine over the 16 that are left."""
    plan = recipe("shapes-live", warmup=0.2, lr=0.8)
    expected = {
        0: 0.2,
        1: 0.4,
        3: 0.8,
        4: 0.8,
        8: 0.4 * (1 + 0.5**0.5),
        12: 0.4,
        19: 0.4 * (1 - math.cos(math.pi / 16)),
    }
    assert {step: plan.learning_rate(step, 20) for step in expected} == pytest.approx(expected)
    at_once = recipe("shapes-live", warmup=0.0, lr=0.8)
    assert [at_once.learning_rate(step, 3) for step in range(3)] == pytest.approx([0.8, 0.8, 0.4])
    assert at_once.learning_rate(0, 1) == 0.8


def test_an_epochs_last_batch_may_be_smaller():
    plan = recipe("shapes-live", batch_size=4)
    assert [plan.steps_per_epoch(images) for images in (1, 4, 5, 8)] == [1, 1, 2, 2]


def test_the_recipes_of_the_papers_code_have_its_numbers():
    """fyu/drn: classify.py and the paper's section 4.1; the commands for DRN-D-22 and DRN-D-105 in its README."""
    common = {"width": 1.0, "momentum": 0.9, "weight_decay": 1e-4, "mirror": True, "reduced": False}
    photographs = {"image_size": 224, "shorter_side": 256, "smallest_area": 0.08, "warmup": 0.0, "crop_padding": 0}
    imagenet = {**common, **photographs, "epochs": 120, "batch_size": 256, "lr": 0.1, "drop_every": 30, "color": 0.4}
    assert asdict(recipe("imagenet")) == {"name": "imagenet", "dataset": "imagenet", "partition": None, **imagenet}
    released = {**asdict(recipe("imagenet")), "name": "imagenet-released", "color": None}
    assert asdict(recipe("imagenet-released")) == released
    streets = {**common, "dataset": "cityscapes", "lr": 0.01, "colors": "cityscapes"}
    streets |= dict.fromkeys(("head_lr", "size", "enlarge"))
    first = {"crop": 896, "epochs": 250, "batch_size": 32, "schedule": "step", "drop_every": 100}
    assert asdict(recipe("cityscapes")) == {**streets, **first, "name": "cityscapes", "scale": 1.0, "rotation": 0.0}
    second = {"crop": 840, "epochs": 500, "batch_size": 16, "schedule": "poly-epochs", "drop_every": None}
    turned = {"name": "cityscapes-poly", "scale": 2.0, "rotation": 10.0}
    assert asdict(recipe("cityscapes-poly")) == {**streets, **second, **turned}


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        (
            "shapes-live",
            {"image_size": 64, "width": 0.125, "epochs": 8, "batch_size": 16, "lr": 0.05, "crop_padding": 4},
        ),
        ("streets-live", {"crop": 96, "width": 0.125, "epochs": 10, "batch_size": 8, "lr": 0.1, "size": None}),
        ("streets-reduced", {"crop": 128, "width": 0.25, "epochs": 14, "batch_size": 4, "lr": 0.1, "size": 256}),
        ("camvid-reduced", {"crop": 224, "width": 0.25, "epochs": 100, "batch_size": 8, "lr": 0.1, "size": None}),
        (
            "clutter-reduced",
            {"image_size": 128, "width": 0.25, "epochs": 5, "batch_size": 32, "lr": 0.02, "warmup": 0.15},
        ),
        (
            "pets-reduced",
            {"image_size": 224, "width": 0.25, "epochs": 20, "batch_size": 16, "lr": 0.02, "crop_padding": 28},
        ),
    ],
)
def test_the_books_recipes_are_those_that_its_weights_were_trained_by(name, numbers):
    found = asdict(recipe(name))
    common = {"momentum": 0.9, "weight_decay": 5e-4, "mirror": True, "reduced": True, "drop_every": None}
    assert {field: found[field] for field in (*numbers, *common)} == {**numbers, **common}


def test_what_a_recipe_asks_of_its_data_set_and_what_it_reads():
    assert recipe("tiny-imagenet-20-reduced").dataset_options == {"partition": "tiny-imagenet-20"}
    assert recipe("streets-reduced").dataset_options == {"size": 256} and recipe("streets-live").dataset_options == {}
    assert recipe("imagenet").reads_files and not recipe("pets-reduced").reads_files
    assert recipe("camvid-reduced").head_factor == 1.0 and recipe("camvid-reduced", head_lr=0.05).head_factor == 0.5
    assert recipe("imagenet").schedule == "step" and recipe("shapes-live").schedule == "cosine"
    with pytest.raises(ValueError, match="lr must be above zero where head_lr is set"):
        recipe("camvid-reduced", lr=0, head_lr=0.1)
    assert recipe("camvid-reduced", lr=0).lr == 0.0


def test_a_run_from_before_a_field_is_still_the_same_run():
    assert "enlarge" not in recipe("camvid-reduced").as_dict() and "size" in recipe("camvid-reduced").as_dict()
    assert recipe("camvid-reduced", enlarge=2).as_dict()["enlarge"] == 2
    assert recipe("shapes-live").as_dict()["partition"] is None and "color" not in recipe("shapes-live").as_dict()
