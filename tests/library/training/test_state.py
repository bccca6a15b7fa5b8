"""The saved state: everything in it is taken up again, and a damaged one is refused before anything is written."""

import copy
import json
import math
from collections import OrderedDict

import pytest
import torch

from drn_lib import training
from drn_lib.network import create_model
from drn_lib.training import RunOptions, loop, state
from drn_lib.training.batches import BatchPlan
from drn_lib.training.recipes import ClassificationRecipe

TINY = ClassificationRecipe(
    "tiny", "random", image_size=16, width=0.125, epochs=2, batch_size=4, lr=0.05, crop_padding=2
)
STOPPED = 4
"""Of six steps, three an epoch."""


def train(folder, max_steps=None):
    generator = torch.Generator().manual_seed(1)
    data = torch.randint(0, 256, (10, 3, 16, 16), generator=generator, dtype=torch.uint8), torch.arange(10) % 3
    options = RunOptions(folder, max_steps=max_steps)
    return training.train(TINY, "drn_a_18", 0, data, 3, data, options=options)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped")
    train(folder, STOPPED)
    return torch.load(folder / "state.pt", weights_only=True)


def put(folder, content):
    """A folder as a killed training leaves it, with this state and with the weights of an earlier one."""
    file = folder / "state.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is None:
        file.mkdir()
    else:
        torch.save(content, file)
    (folder / "drn_a_18-s0.safetensors").write_text("kept")
    return file


def changed(saved, path, value):
    """A copy of the state whose entry along the path is the value, or the value's of what it was."""
    made = copy.deepcopy(saved)
    *parents, last = path
    place = made
    for key in parents:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value(place[last]) if callable(value) else value
    return made


def with_nan(tensor):
    tensor.view(-1)[0] = math.nan
    return tensor


MOMENTUM = ("optimizer", "state", 0, "momentum_buffer")
WEIGHT, VARIANCE = ("model", "classifier.weight"), ("model", "stem.norm.running_var")
CHANGES = {
    **{f"without {key}": ((key,), ...) for key in "model optimizer scaler step losses curve seconds run".split()},
    **{f"step {step}": (("step",), step) for step in (10**9, -1, 7, 3, 5, 0, 4.0, True, "4", None, torch.tensor(4))},
    "step nan": (("step",), math.nan),
    "other tensors": (("model",), lambda model: OrderedDict((f"module.{name}", t) for name, t in model.items())),
    "a tensor less": (WEIGHT, ...),
    "a tensor more": (("model", "more"), torch.zeros(1)),
    "a weight of another shape": (WEIGHT, lambda weight: weight[:2]),
    "a weight of another kind": (WEIGHT, lambda weight: weight.half()),
    "a weight that is a list": (WEIGHT, lambda weight: weight.tolist()),
    "a NaN weight": (WEIGHT, with_nan),
    "an infinite weight": (WEIGHT, lambda weight: weight / 0),
    "a negative variance": (VARIANCE, lambda variance: variance - 1e6),
    "a NaN mean": (("model", "stem.norm.running_mean"), with_nan),
    "the model as a list": (("model",), []),
    "no optimizer": (("optimizer",), None),
    "no momentum": (("optimizer", "state"), {}),
    "momentum of one less": (("optimizer", "state", 3), ...),
    "an empty momentum": (MOMENTUM, None),
    "momentum of another shape": (MOMENTUM, lambda buffer: buffer[:1]),
    "NaN momentum": (MOMENTUM, with_nan),
    "infinite momentum": (MOMENTUM, lambda buffer: buffer + math.inf),
    "another momentum": (("optimizer", "param_groups", 0, "momentum"), 0.0),
    "another decay": (("optimizer", "param_groups", 0, "weight_decay"), 0.5),
    "steps uphill": (("optimizer", "param_groups", 0, "maximize"), True),
    "another factor": (("optimizer", "param_groups", 0, "params"), lambda params: params[::-1]),
    "no groups": (("optimizer", "param_groups"), []),
    "two groups": (("optimizer", "param_groups"), lambda groups: groups * 2),
    "a loss more": (("losses",), [1.0, 1.0]),
    "no losses": (("losses",), []),
    "a NaN loss": (("losses",), [math.nan]),
    "a loss that is a text": (("losses",), ["1"]),
    "losses that are one": (("losses",), 1.0),
    "no curve": (("curve",), []),
    "a row more": (("curve",), lambda curve: curve * 2),
    "another epoch": (("curve", 0, "epoch"), 2),
    "a row without a loss": (("curve", 0, "train_loss"), ...),
    "an infinite loss in the curve": (("curve", 0, "train_loss"), math.inf),
    "a score that is a text": (("curve", 0, "tune_top1"), "12"),
    "seconds nan": (("seconds",), math.nan),
    "seconds below zero": (("seconds",), -1.0),
    "a scale that is nan": (("scaler",), {"scale": math.nan}),
    "a scale that is a list": (("scaler",), [1]),
    "another run's name": (("run",), "[]"),
    "no run's name": (("run",), "half {"),
}
OTHER_FILES = {
    "half a file": b"half a file",
    "empty": b"",
    "zip": b"PK\x03\x04" + bytes(100),
    "a folder": None,
    "a list": [1, 2],
    "a tensor": torch.zeros(3),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "an old pickle": b"\x80\x02}q\x00.",
    "code": b"cos\nsystem\n(S'exit 1'\ntR.",
}


@pytest.fixture(scope="module")
def run():
    """A run before its first step, with a function that compares it with what it was."""
    own = loop.State(*_parts())
    weights = {name: tensor.clone() for name, tensor in own.result.model.state_dict().items()}

    def is_as_it_was():
        now = own.result.model.state_dict()
        same = all(torch.equal(tensor, now[name]) for name, tensor in weights.items())
        return same and (own.step, own.losses, own.result.curve, own.optimizer.state_dict()["state"]) == (0, [], [], {})

    return own, is_as_it_was


def _parts():
    torch.manual_seed(0)
    model = create_model("drn_a_18", 3, TINY.width)
    optimizer = torch.optim.SGD(model.parameters(), lr=TINY.lr, momentum=0.9, weight_decay=TINY.weight_decay)
    return loop.Trained(model), optimizer, torch.amp.GradScaler("cpu", enabled=False)


def refused(run, file, saved):
    """The sentence by which a run refuses the state; neither the run nor its folder has changed then."""
    own, is_as_it_was = run
    with pytest.raises(ValueError) as caught:
        own.restore(file, json.loads(saved["run"]), BatchPlan(10, 4, 2, 0))
    assert is_as_it_was()
    said = str(caught.value)
    assert str(file) in said and "\n" not in said and "weights_only" not in said and len(said) < 250 + len(str(file))
    assert "()" not in said
    return said


@pytest.mark.parametrize("change", CHANGES)
def test_a_state_that_no_run_can_have_come_to_is_refused(change, run, saved, tmp_path):
    file = put(tmp_path, changed(saved, *CHANGES[change]))
    assert "delete it to start this run again" in refused(run, file, saved)


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_a_file_that_is_no_state_is_refused(kind, run, saved, tmp_path):
    file = put(tmp_path, OTHER_FILES[kind])
    assert "cannot be read" in refused(run, file, saved)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_state_cut_short_is_refused(share, run, saved, tmp_path):
    whole = put(tmp_path, saved).read_bytes()
    file = put(tmp_path, whole[: int(share * len(whole))])
    assert refused(run, file, saved).endswith("it is damaged or no state of a training; " + state.ADVICE)


def test_another_runs_state_says_what_differs(run, saved, tmp_path):
    known = json.loads(saved["run"])
    for other in (known | {"seed": 1}, {key: known[key] for key in known if key != "seed"}):
        file = put(tmp_path, changed(saved, ("run",), json.dumps(other)))
        assert refused(run, file, saved).endswith("another run (different seed); use another folder")


def test_the_state_itself_is_taken_up_where_it_is(saved, tmp_path):
    whole = train(None)
    put(tmp_path, saved)
    resumed = train(tmp_path)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    assert resumed.curve == whole.curve and resumed.seconds > saved["seconds"]


def test_a_training_that_refuses_a_state_leaves_its_folder_as_it_was(saved, tmp_path):
    put(tmp_path, changed(saved, ("step",), 10**9))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="its step must be a whole number from 0 to 6, not 1000000000"):
        train(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


# By itself


PLAN = BatchPlan(10, 2, 1, 0)


def fresh(enabled=False):
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return loop.State(loop.Trained(model), optimizer, torch.amp.GradScaler("cpu", enabled=enabled))


def test_a_state_without_a_scale_is_taken_up_where_half_precision_needs_one(tmp_path):
    before, after, file = fresh(), fresh(enabled=True), tmp_path / "state.pt"
    before.step, before.losses = 3, [0.5, 0.25, 0.125]
    before.save(file, {"seed": 0})
    after.restore(file, {"seed": 0}, PLAN)
    assert (after.step, after.losses) == (3, [0.5, 0.25, 0.125])


def test_the_scale_of_the_loss_is_taken_up(tmp_path):
    before, after, file = fresh(enabled=True), fresh(enabled=True), tmp_path / "state.pt"
    before.scaler.load_state_dict({**before.scaler.state_dict(), "scale": 1024.0, "_growth_tracker": 7})
    before.save(file, {})
    after.restore(file, {}, PLAN)
    assert after.scaler.state_dict() == before.scaler.state_dict()
    for entry in ("scale", "growth_factor", "_growth_tracker"):
        other = torch.load(file, weights_only=True)
        del other["scaler"][entry]
        torch.save(other, tmp_path / "other.pt")
        with pytest.raises(ValueError, match="its scale of the loss is incomplete"):
            fresh(enabled=True).restore(tmp_path / "other.pt", {}, PLAN)


@pytest.mark.parametrize("loss", [math.inf, -math.inf, math.nan])
def test_a_loss_that_is_no_number_ends_the_run(loss):
    loop.check_finite(1e30, 3, 0.1)
    with pytest.raises(ValueError, match=f"the loss of step 3 is {loss}, at a learning rate of 0.1"):
        loop.check_finite(loss, 3, 0.1)


@pytest.mark.parametrize("loss", [math.inf, math.nan])
def test_the_last_good_state_outlives_a_loss_that_is_no_number(loss, saved, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "STATE_EVERY_SECONDS", 0.0)
    file = put(tmp_path, saved)
    before, batch_loss = file.read_bytes(), loop.batch_loss
    monkeypatch.setattr(loop, "batch_loss", lambda *given: batch_loss(*given) * 0 + loss)
    with pytest.raises(ValueError, match=f"the loss of step 5 is {loss}"):
        train(tmp_path)
    assert file.read_bytes() == before


@pytest.mark.parametrize("folder", [True, False])
def test_weights_that_are_no_numbers_are_neither_saved_nor_given(folder, saved, tmp_path, monkeypatch):
    """The loss of a step is computed before the step that spoils the weights."""
    monkeypatch.setattr(loop, "STATE_EVERY_SECONDS", 0.0)
    file = put(tmp_path, saved)
    before, update = file.read_bytes(), loop.State.update

    def spoil(self, loss, rate):
        update(self, loss, rate)
        if self.step == 6:
            with_nan(self.result.model.classifier.weight.data)

    monkeypatch.setattr(loop.State, "update", spoil)
    monkeypatch.setattr(loop.State, "save", lambda self, *_: pytest.fail("saved") if self.step == 6 else None)
    with pytest.raises(ValueError, match="classifier.weight of step 6 holds values that are not finite .*diverged"):
        train(tmp_path if folder else None)
    assert file.read_bytes() == before
