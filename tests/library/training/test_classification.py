"""The training loop: exact resume, purity of order and augmentation, half precision, errors."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from drn_lib import training
from drn_lib.checkpoints.weights import save_weights
from drn_lib.distributed import Group
from drn_lib.network import create_model
from drn_lib.training import Init, RunOptions, augmentation, loop
from drn_lib.training.batches import BatchPlan, check_images
from drn_lib.training.recipes import ClassificationRecipe, recipe
from drn_lib.training.state import State, Trained
from tests.checks import gpu_check
from tests.library import run_check, same_weights

TINY = ClassificationRecipe(
    "tiny", "random", image_size=16, width=0.125, epochs=2, batch_size=4, lr=0.05, crop_padding=2
)


def random_set(count=10):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, 16, 16), generator=generator, dtype=torch.uint8), torch.arange(count) % 3


KILLS = 200 if os.environ.get("DRN_WEEKLY") else 20


@pytest.mark.slow
def test_killed_at_20_random_moments_ends_bit_identical(tmp_path):
    assert f"killed {KILLS} times" in run_check("kill_and_resume", tmp_path / "run", KILLS, 7)


def test_same_seed_same_weights_other_seed_others():
    data = random_set()
    first, again, other = (training.train(TINY, "drn_a_18", seed, data, 3).model for seed in (0, 0, 1))
    assert same_weights(first, again)
    assert not same_weights(first, other)


def test_a_finished_run_is_not_trained_again(tmp_path):
    data = random_set()
    first = training.train(TINY, "drn_a_18", 0, data, 3, data, options=RunOptions(tmp_path))
    before = (tmp_path / "state.pt").stat().st_mtime_ns
    again = training.train(TINY, "drn_a_18", 0, data, 3, data, options=RunOptions(tmp_path))
    assert same_weights(first.model, again.model) and again.curve == first.curve
    assert (tmp_path / "state.pt").stat().st_mtime_ns == before
    assert [row["epoch"] for row in first.curve] == [1, 2]
    assert not list(tmp_path.glob(".*tmp"))


def test_a_saved_state_names_its_run_as_ever_and_another_run_is_refused(tmp_path):
    images, labels = random_set()
    training.train(TINY, "drn_a_18", 0, (images, labels), 3, options=RunOptions(tmp_path))
    run = json.loads(torch.load(tmp_path / "state.pt", weights_only=True)["run"])
    assert len(run.pop("data")) == 64
    assert run == {"recipe": TINY.as_dict(), "architecture": "drn_a_18", "seed": 0, "rule": "exact", "images": 10}
    with pytest.raises(ValueError, match="another run .different seed"):
        training.train(TINY, "drn_a_18", 1, (images, labels), 3, options=RunOptions(tmp_path))
    images[0, 0, 0, 0] ^= 1
    with pytest.raises(ValueError, match="another run .different data"):
        training.train(TINY, "drn_a_18", 0, (images, labels), 3, options=RunOptions(tmp_path))


def test_a_saved_state_gives_back_all_that_a_run_changes(tmp_path):
    def fresh():
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
        return State(Trained(model), optimizer, torch.amp.GradScaler("cpu", enabled=False))

    def step(state, value):
        state.update(state.result.model(torch.full((1, 3), value)).sum(), 0.1)

    begun, again = fresh(), fresh()
    for _ in range(3):
        step(begun, 1.0)
    begun.losses, begun.result.seconds = [0.25], 3.5
    begun.result.curve = [{"epoch": 1, "train_loss": 0.5}]
    begun.save(tmp_path / "run" / "state.pt", {"seed": 0})
    again.restore(tmp_path / "run" / "state.pt", {"seed": 0}, BatchPlan(4, 2, 2, 0))
    assert (again.step, again.losses) == (3, [0.25])
    assert (again.result.seconds, again.result.curve) == (3.5, [{"epoch": 1, "train_loss": 0.5}])
    for state in (begun, again):
        step(state, 2.0)  # the momentum of the first steps shows in the next one
    assert same_weights(begun.result.model, again.result.model)


IMAGES, LABELS = random_set()
WRONG_SETS = {
    "a label too large": (IMAGES, LABELS + 1, "training labels must lie in 0..2; found 1..3"),
    "a label below zero": (IMAGES, LABELS - 1, "training labels must lie in 0..2; found -1..1"),
    "fewer labels": (IMAGES, LABELS[:-1], "there are 10 training images for 9 labels"),
    "more labels": (IMAGES[:-1], LABELS, "there are 9 training images for 10 labels"),
    "float labels": (IMAGES, LABELS.float(), "training labels must be whole numbers, not torch.float32"),
    "labels that are NaN": (IMAGES, LABELS / 0, "training labels must be whole numbers"),
    "truth values": (IMAGES, LABELS > 1, "training labels must be whole numbers, not torch.bool"),
    "one-hot labels": (IMAGES, torch.eye(3, dtype=torch.int64)[LABELS], "one number an image (N,), not (10, 3)"),
    "a list of labels": (IMAGES, LABELS.tolist(), "training labels must be of type Tensor, not list"),
    "an array of labels": (IMAGES, LABELS.numpy(), "training labels must be of type Tensor, not ndarray"),
    "a word for labels": (IMAGES, "labels", "training labels must be of type Tensor, not str"),
    "one label": (IMAGES[:1], torch.tensor(0), "one number an image (N,), not ()"),
    "no images": (IMAGES[:0], LABELS[:0], "there are no training images"),
    "float images": (IMAGES / 255, LABELS, "must be uint8 (N, 3, H, W), not torch.float32 (10, 3, 16, 16)"),
    "NaN images": (IMAGES / 0, LABELS, "must be uint8 (N, 3, H, W), not torch.float32"),
    "signed images": (IMAGES.to(torch.int8), LABELS, "must be uint8 (N, 3, H, W), not torch.int8"),
    "grey images": (IMAGES[:, :1], LABELS, "not torch.uint8 (10, 1, 16, 16)"),
    "colors last": (IMAGES.permute(0, 2, 3, 1), LABELS, "not torch.uint8 (10, 16, 16, 3)"),
    "one image": (IMAGES[0], LABELS[:1], "not torch.uint8 (3, 16, 16)"),
    "an array": (IMAGES.numpy(), LABELS, "not ndarray"),
    "images smaller than their shift": (IMAGES[..., :2, :], LABELS, "below the images' shorter side, 2, not 2"),
}


@pytest.mark.parametrize("what", WRONG_SETS)
def test_a_set_of_another_form_is_refused_before_anything_is_trained(what, monkeypatch, tmp_path):
    monkeypatch.setattr(loop, "run", lambda *_: pytest.fail("trained"))
    images, labels, says = WRONG_SETS[what]
    with pytest.raises(ValueError) as caught:
        training.train(TINY, "drn_a_18", 0, (images, labels), 3, options=RunOptions(tmp_path))
    assert says in str(caught.value) and "\n" not in str(caught.value)
    if "shift" not in what:
        with pytest.raises(ValueError, match="validation"):
            training.train(TINY, "drn_a_18", 0, random_set(), 3, (images, labels), options=RunOptions(tmp_path))


@pytest.mark.parametrize(
    "wrong", [3, IMAGES, "shapes", (IMAGES,), (IMAGES, LABELS, LABELS)], ids=lambda v: type(v).__name__
)
def test_a_set_is_images_and_labels(wrong):
    says = "must be of type tuple or list, not|must be images and labels, not [13] values"
    with pytest.raises(ValueError, match=f"^train_set ({says})"):
        training.train(TINY, "drn_a_18", 0, wrong, 3)
    with pytest.raises(ValueError, match=f"^val_set ({says})"):
        training.train(TINY, "drn_a_18", 0, (IMAGES, LABELS), 3, wrong)


@pytest.mark.parametrize("wrong", ["shapes-live", None, {"epochs": 1}, recipe("camvid-reduced")], ids=repr)
def test_a_recipe_is_one_of_classification(wrong):
    says = f"the recipe must be of type ClassificationRecipe, not {type(wrong).__name__}"
    for call in (
        lambda: training.train(wrong, "drn_a_18", 0, random_set(), 3),
        lambda: training.train_from_files(wrong, "drn_a_18", 0, None),
    ):
        with pytest.raises(ValueError, match=says):
            call()


@pytest.mark.parametrize("what", ["fewer labels", "float images", "grey images", "images smaller than their shift"])
def test_images_rendered_for_an_epoch_are_looked_at_too(what):
    images, labels, says = WRONG_SETS[what]
    with pytest.raises(ValueError) as caught:
        training.train(TINY, "drn_a_18", 0, (lambda epoch: images, labels), 3)
    assert says.replace("training images", "epoch 1's images") in str(caught.value)


@pytest.mark.parametrize("seed", [-1, 2**64, 10**20, 0.5, True, "1", None, float("nan")])
def test_a_seed_is_a_whole_number_that_torch_takes(seed):
    with pytest.raises(ValueError, match="seed must be a whole number from 0"):
        training.train(TINY, "drn_a_18", seed, random_set(), 3)


@pytest.mark.parametrize("classes", [0, -3, 2.5, True, None])
def test_a_number_of_classes_is_a_whole_number(classes):
    with pytest.raises(ValueError, match="num_classes must be a whole number"):
        training.train(TINY, "drn_a_18", 0, random_set(), classes)


def test_numbers_of_numpy_are_taken_and_the_largest_seed_trains(tmp_path):
    once = replace(TINY, epochs=1)
    training.train(once, "drn_a_18", np.uint64(2**64 - 1), random_set(), np.int64(3), options=RunOptions(tmp_path))
    assert json.loads(torch.load(tmp_path / "state.pt", weights_only=True)["run"])["seed"] == 2**64 - 1


def test_order_is_a_permutation_and_a_pure_function():
    order = augmentation.epoch_order(5, 2, 100)
    assert sorted(order.tolist()) == list(range(100))
    assert torch.equal(order, augmentation.epoch_order(5, 2, 100))
    assert not torch.equal(order, augmentation.epoch_order(5, 3, 100))


def test_augmentation_depends_on_seed_epoch_and_index_alone():
    images = random_set(6)[0]
    indices = torch.tensor([4, 9, 2, 7, 11, 30])
    whole = augmentation.augment(images, indices, 0, 3, TINY)
    alone = augmentation.augment(images[2:3], indices[2:3], 0, 3, TINY)
    assert torch.equal(whole[2:3], alone)
    assert not torch.equal(whole, augmentation.augment(images, indices, 0, 4, TINY))
    assert whole.shape == images.shape and whole.dtype == torch.uint8


def test_augmentation_only_shifts_and_mirrors():
    # An image whose left half is dark: whatever the shift by at most 2 and the mirroring, columns stay constant.
    image = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    image[..., 8:] = 200
    seen = set()
    for index in range(60):
        out = augmentation.augment(image, torch.tensor([index]), 0, 0, TINY)[0, 0]
        assert (out == out[:1]).all()
        seen.add((int(out[0, 0] > 0), int((out[0] > 0).sum())))
    assert {side for side, _ in seen} == {0, 1}  # both the image and its mirror occur
    assert {count for _, count in seen} == {6, 7, 8, 9, 10}  # every shift occurs


def test_learning_rate_rises_then_falls_to_zero():
    schedule = [TINY.learning_rate(step, 200) for step in range(200)]
    peak = schedule.index(max(schedule))
    assert max(schedule) == pytest.approx(TINY.lr)
    assert peak in (29, 30)  # 15 % of 200 steps
    assert schedule[:30] == sorted(schedule[:30]) and schedule[30:] == sorted(schedule[30:], reverse=True)
    assert schedule[-1] < 0.001 * TINY.lr


def test_the_reduced_recipe_is_stored_as_it_was_before_recipes_had_more_fields():
    """Saved states carry it: one more entry, and no run that was begun before could be resumed."""
    fields = dict(name="tiny-imagenet-20-reduced", dataset="tiny-imagenet", partition="tiny-imagenet-20", image_size=64)
    fields |= dict(width=0.25, epochs=30, batch_size=32, lr=0.05, momentum=0.9, weight_decay=0.0005, warmup=0.15)
    fields |= dict(crop_padding=8, mirror=True, reduced=True)
    assert recipe("tiny-imagenet-20-reduced").as_dict() == fields
    live, paper = recipe("shapes-live").as_dict(), recipe("imagenet").as_dict()
    assert live["partition"] is None and "drop_every" not in live
    assert set(paper) - set(live) == {"drop_every", "shorter_side", "smallest_area", "color"}
    assert json.loads(json.dumps(paper)) == paper  # as a saved state is compared


def test_a_training_that_diverges_stops_before_its_weights_are_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "STATE_EVERY_SECONDS", 0.0)
    wild = replace(TINY, lr=1e38, warmup=0.0)
    with pytest.raises(ValueError, match=r"of step 1 holds .*, at a learning rate of 1e\+38: .* diverged") as caught:
        training.train(wild, "drn_a_18", 0, random_set(), 3, options=RunOptions(tmp_path))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "state.pt").exists()


@pytest.mark.parametrize("loss", [float("inf"), float("-inf"), float("nan")])
def test_every_loss_that_is_no_finite_number_stops_a_training(loss):
    loop.check_finite(1e30, 7, 0.1)
    with pytest.raises(ValueError, match=f"the loss of step 7 is {loss}, at a learning rate of 0.1"):
        loop.check_finite(loss, 7, 0.1)


def test_processes_that_find_different_states_do_not_begin(tmp_path, monkeypatch):
    monkeypatch.setattr(Group, "sum", lambda group, value: value + 1)
    with pytest.raises(ValueError, match="not all processes find the same state"):
        training.train(TINY, "drn_a_18", 0, random_set(), 3, options=RunOptions(tmp_path))


def test_in_half_precision_the_loss_is_nearly_the_same():
    """The code path that a GPU takes, in the bfloat16 that a CPU emulates; what a GPU computes is not tested here."""
    images, labels = random_set()
    torch.manual_seed(0)
    model = create_model("drn_a_18", 3, 0.125)
    cpu = torch.device("cpu")
    whole, half = (gpu_check.one_loss(model, images, labels, kind, cpu) for kind in (None, torch.bfloat16))
    assert half.dtype == torch.float32 and half.item() != whole.item()
    assert half.item() == pytest.approx(whole.item(), rel=0.1)
    half.backward()
    assert all(p.grad.isfinite().all() and p.grad.dtype == torch.float32 for p in model.parameters())
    assert loop.half_precision(cpu) is None  # a CPU never trains so


def test_a_training_may_start_from_weights_also_those_of_the_twin(tmp_path):
    """With a learning rate of zero the weights stay: a trained ResNet's, in its dilated twin."""
    data = random_set()
    resnet = training.train(TINY, "resnet_18", 0, data, 3).model
    file = save_weights(resnet, tmp_path / "resnet_18-s0.safetensors")
    still = replace(TINY, lr=0.0, epochs=1)
    options = RunOptions(tmp_path / "run")
    trained = training.train(still, "drn_a_18", 1, data, 3, init=Init(weights=file), options=options).model
    for (name, left), right in zip(resnet.named_parameters(), trained.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-3, msg=name)  # stored in 16 bits
    with pytest.raises(ValueError, match="another run .different start"):
        training.train(still, "drn_a_18", 1, data, 3, options=options)
    with pytest.raises(ValueError, match="holds a resnet_18, not a drn_c_26"):
        training.train(still, "drn_c_26", 1, data, 3, init=Init(weights=file))


def test_a_training_on_other_classes_begins_with_a_classifier_of_zeros(tmp_path):
    data = random_set()
    file = save_weights(training.train(TINY, "resnet_18", 0, data, 3).model, tmp_path / "three.safetensors")
    still = replace(TINY, lr=0.0, epochs=1)
    with pytest.raises(ValueError, match="has 3 classes and the model 5"):
        training.train(still, "resnet_18", 1, data, 5, init=Init(weights=file))
    moved = training.train(still, "resnet_18", 1, data, 5, init=Init(weights=file, head="drop")).model
    assert not moved.classifier.weight.any() and not moved.classifier.bias.any()  # the first loss is that of chance
    assert not torch.equal(moved.stem.conv.weight, create_model("resnet_18", 5, TINY.width).stem.conv.weight)
    learned = training.train(TINY, "resnet_18", 1, data, 5, init=Init(weights=file, head="drop")).model
    assert learned.classifier.weight.any()


def test_images_rendered_again_for_every_epoch_are_those_of_the_epoch(tmp_path):
    images, labels = random_set()
    asked = []

    def flipped(epoch):
        asked.append(epoch)
        return images.flip(0) if epoch else images

    sources = flipped, lambda epoch: images, images
    whole, fixed, plain = (training.train(TINY, "resnet_18", 0, (source, labels), 3) for source in sources)
    assert asked == list(range(TINY.epochs))
    assert fixed.curve == plain.curve and whole.curve[0] == plain.curve[0] and whole.curve[-1] != plain.curve[-1]


def test_weights_that_changed_under_the_same_name_are_another_run(tmp_path):
    def begin(seed):
        torch.manual_seed(seed)
        init = Init(weights=save_weights(create_model("resnet_18", 3, TINY.width), tmp_path / "begin.safetensors"))
        training.train(TINY, "resnet_18", 0, random_set(), 3, init=init, options=RunOptions(tmp_path / "run"))

    begin(0)
    with pytest.raises(ValueError, match="another run .different beginning"):
        begin(1)


def test_only_images_that_are_cropped_must_be_larger_than_their_padding():
    images = torch.zeros(2, 3, 1, 5, dtype=torch.uint8)
    check_images(images, 2, "validation")
    with pytest.raises(ValueError, match="below the images' shorter side, 1, not 1"):
        check_images(images, 2, "training", 1)
