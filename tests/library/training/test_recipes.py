"""What a recipe refuses, and what the command line may set in it."""

import pytest

from drn_lib.training.recipes import ClassificationRecipe, SegmentationRecipe, list_recipes, recipe, with_fields

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
    with pytest.raises(ValueError, match="no recipe is called .*imagenet-released, camvid-reduced"):
        recipe("imagenet-tomorrow")
    with pytest.raises(ValueError, match="no recipe is called 'camvid-reduced'; .* imagenet-released$"):
        recipe("camvid-reduced", ClassificationRecipe)
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


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("drop_every=1.5", "drop_every is an int or None, for instance 30"),
        ("drop_every=never", "drop_every is an int or None"),
        ("epochs=None", "epochs is an int, for instance 120"),
        ("epochs=True", "epochs is an int"),
        ("lr=None", "lr is a float, for instance 0.1"),
        ("color=strong", "color is a float or None"),
        ("mirror=1", "mirror is a bool"),
    ],
)
def test_other_values_are_one_sentence(change, says):
    with pytest.raises(ValueError, match=says) as caught:
        with_fields(recipe("imagenet"), [change])
    assert "\n" not in str(caught.value)
