"""The command line: every command once, and errors in one sentence."""

import builtins
import functools
import os
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from drn_lib import checkpoints, datasets, distributed, paths, segmentation, training
from drn_lib.cli import localize
from drn_lib.cli.commands import RESUMABLE, main, parser
from drn_lib.cli.options import PATIENCE, RECIPES
from drn_lib.segmentation import training as segmentation_training
from drn_lib.training import recipes


@pytest.fixture
def small_shapes(monkeypatch):
    """`open_dataset` that draws 64 images a part, so that a training takes a second."""
    monkeypatch.setattr(datasets, "open_dataset", functools.partial(datasets.open_dataset, count=64))


def help_of(capsys, *command):
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_help_names_the_commands(capsys):
    said = help_of(capsys)
    assert all(command in said for command in ("data", "train", "evaluate", "segment", "localize", "export"))
    for command in ("segment", "train-segmentation", "score-segmentation"):
        assert "--" in help_of(capsys, command)
    assert "boxes.json" in help_of(capsys, "localize")


def test_data_says_what_it_holds(capsys, small_shapes):
    assert main(["data", "shapes", "tune"]) == 0
    assert "shapes tune: 64 images, 10 classes" in capsys.readouterr().out


def test_help_names_every_set_and_every_recipe(capsys):
    said = help_of(capsys, "data")
    assert [name for name in datasets.list_datasets() if name not in said] == []
    assert RECIPES.replace(" or ", ", ").split(", ") == recipes.list_recipes(recipes.ClassificationRecipe)
    assert RECIPES.endswith("shapes-live, imagenet or imagenet-released")
    names, said = recipes.list_recipes(recipes.SegmentationRecipe), help_of(capsys, "train-segmentation")
    assert [name for name in names if name not in said] == []


class Opened(BaseException):
    """Stops a command where it opens its data set."""


@pytest.fixture
def asked(monkeypatch):
    """What the command after it asked of `open_dataset`: (name, split, options)."""
    calls = []

    def note(name, split, root=None, **options):
        calls.append((name, split, options))
        raise Opened

    monkeypatch.setattr(datasets, "open_dataset", note)
    return calls


WEIGHTS = "first_networks/resnet_18-s0"
BOOK = {"partition": "tiny-imagenet-20"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["data", "tiny-imagenet"], ("tiny-imagenet", "train", {})),
        (["data", "tiny-imagenet", "val", "--partition", ""], ("tiny-imagenet", "val", {"partition": None})),
        (["data", "pets"], ("pets", "trainval", {})),
        (["data", "pets", "--partition", ""], ("pets", "trainval", {"partition": None})),
        (["data", "pets", "--partition", "pets-3"], ("pets", "train", {"partition": "pets-3"})),
        (["data", "shapes", "--partition", ""], ("shapes", "train", {})),
        (["evaluate", WEIGHTS], ("tiny-imagenet", "tune", BOOK)),
        (["evaluate", WEIGHTS, "--partition", ""], ("tiny-imagenet", "val", {"partition": None})),
        (
            ["evaluate", WEIGHTS, "--partition", "tiny-imagenet-clutter"],
            ("tiny-imagenet", "tune", {"partition": "tiny-imagenet-clutter"}),
        ),
        (["evaluate", WEIGHTS, "--dataset", "pets"], ("pets", "tune", {"partition": "pets-3"})),
        (["evaluate", WEIGHTS, "--dataset", "clutter"], ("clutter", "tune", {})),
        (["evaluate", WEIGHTS, "--recipe", "tiny-imagenet-20-reduced"], ("tiny-imagenet", "tune", BOOK)),
        (["evaluate", WEIGHTS, "--recipe", "imagenet"], ("imagenet", "val", {})),
        (["train", "--recipe", "imagenet", "--arch", "drn_c_26"], ("imagenet", "train", {})),
    ],
)
def test_which_images_a_command_reads(arguments, expected, asked):
    with pytest.raises(Opened):
        main(arguments)
    assert asked == [expected]


def test_train_then_evaluate_what_was_written(capsys, tmp_path, small_shapes):
    train = ["train", "--recipe", "shapes-live", "--arch", "drn_a_18", "--epochs", "1", "--device", "cpu"]
    assert main([*train, "--out", str(tmp_path)]) == 0
    trained = capsys.readouterr().out
    weights = tmp_path / "drn_a_18-s0.safetensors"
    assert weights.exists() and "top-1 error on the tune part" in trained
    assert main(["evaluate", str(weights), "--dataset", "shapes", "--partition", ""]) == 0
    assert "64 images: top-1 error" in capsys.readouterr().out


TRAIN = ["train", "--out", "unused", "--arch"]
PIXELS = ["train-segmentation", "--out", "unused", "--arch", "drn_d_22"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["data", "no-such-set"], "no dataset 'no-such-set'"),
        (["evaluate", "", "--arch", "resnet_18"], "the name of the weights is empty"),
        (["localize", "a.jpg", "--arch", "resnet_18", "--weights", ""], "the name of the weights is empty"),
        (["data", "cityscapes", "--root", "no-such-folder"], "cityscapes"),
        ([*TRAIN, "drn_x", "--recipe", "shapes-live", "--epochs", "1"], "drn_x"),
        ([*TRAIN, "drn_c_26", "--recipe", "none"], "there is no recipe 'none'"),
        ([*TRAIN, "drn_c_26", "--recipe", "shapes-live", "--epochs", "0"], "epochs must be"),
        ([*TRAIN, "drn_c_26", "--set", "batch_size=0"], "batch_size must be a whole number from 1"),
        ([*TRAIN, "drn_c_26", "--recipe", "cityscapes"], "there is no"),
        ([*PIXELS, "--recipe", "imagenet"], "there is no"),
        ([*PIXELS, "--epochs", "0"], "epochs must be a whole number from 1"),
        ([*PIXELS, "--set", "crops=2"], "did you mean crop?"),
        ([*PIXELS, "--recipe", "streets-live", "--score-every", "0"], "--score-every must be a whole number from 1"),
        (["evaluate", "no-such-file.safetensors"], "there is no file no-such-file.safetensors"),
        (
            ["evaluate", WEIGHTS, "--dataset", "clutter", "--partition", "tiny-imagenet-clutter"],
            "clutter has none: leave it out",
        ),
        (["data", "camvid", "--partition", "tiny-imagenet-clutter"], "--partition is for tiny-imagenet and pets"),
        (["evaluate", WEIGHTS, "--recipe", "shapes-live", "--partition", ""], "the recipe shapes-live has its own"),
        (["evaluate", WEIGHTS, "--device", "gpu"], "device 'gpu': the book's code runs on cpu or cuda"),
    ],
)
def test_errors_are_one_sentence(arguments, says, capsys, monkeypatch, tmp_path, small_shapes):
    monkeypatch.setenv("DRN_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert says in message and message.count("\n") == 1
    assert not (tmp_path / "unused").exists()  # nothing is left behind by a command that could not start


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--output-stride", "16"], "cannot build this resnet_18 again"),
        (["--set", "enlarge=2"], "enlarges its images 2 times cannot be saved"),
    ],
)
def test_a_network_that_no_file_can_hold_is_not_trained(more, says, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("drn_lib.segmentation.train_segmentation", lambda *_: pytest.fail("it was trained"))
    command = ["train-segmentation", "--recipe", "streets-live", "--arch", "resnet_18", "--epochs", "1"]
    assert main([*command, *more, "--out", str(tmp_path / "run")]) == 1
    assert says in capsys.readouterr().err


@pytest.fixture
def folders(tmp_path):
    """Makes a set of photographs with these classes in its two parts; gives the command that trains on it."""

    def make(train, val):
        for part, names in (("train", train), ("val", val)):
            for name in names:
                folder = tmp_path / "set" / part / name
                folder.mkdir(parents=True)
                Image.new("RGB", (64, 64)).save(folder / "one.png")
        command = ["train", "--recipe", "shapes-live", "--set", "dataset=imagenet", "--root", str(tmp_path / "set")]
        return [*command, "--arch", "resnet_18", "--epochs", "1", "--out", str(tmp_path / "run")]

    return make


def test_other_classes_in_the_validation_folder_are_refused_before_training(folders, monkeypatch, capsys):
    monkeypatch.setattr("drn_lib.training.train", lambda *_: pytest.fail("it was trained"))
    assert main(folders("ab", "ac")) == 1
    assert "different classes" in capsys.readouterr().err


def test_a_recipe_for_arrays_on_a_folder_of_classes_says_its_error(folders, capsys):
    assert main(folders("ab", "ab")) == 0
    assert "top-1 error on the val part after epoch 1: " in capsys.readouterr().out


OUTS = [
    ["train", "--arch", "drn_d_22", "--recipe", "shapes-live"],
    ["train-segmentation", "--arch", "drn_d_22", "--recipe", "streets-live"],
    ["localize", "a.jpg", "--arch", "resnet_18"],
    ["segment", "a.jpg", "--weights", "first_streets/resnet_18-s0"],
]
NO_OUTS = [["evaluate", WEIGHTS], ["score-segmentation", "first_streets/resnet_18-s0"]]


@pytest.mark.parametrize("arguments", OUTS + NO_OUTS)
def test_a_gpu_that_is_not_there_is_one_sentence(arguments, capsys, monkeypatch, tmp_path, asked):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").touch()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([*arguments, "--device", "cuda"]) == 1
    said = capsys.readouterr().err
    assert said.endswith(": device 'cuda': torch sees no CUDA GPU here; leave the device out for the CPU\n")
    assert distributed.device_of(None) == "cpu"


@pytest.mark.parametrize("command", OUTS)
@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("file", "--out file is a file: name a folder"),
        ("file/deep/er", "--out file/deep/er lies below file, which is a file: name a folder"),
        ("/proc/x", "--out /proc/x cannot be made or written (No such file or directory): name another folder"),
    ],
)
def test_a_folder_that_cannot_be_is_refused_before_any_work(command, out, says, capsys, monkeypatch, tmp_path, asked):
    if out.startswith("/proc") and not os.path.isdir("/proc/self"):
        pytest.skip("no /proc here")
    for module, loader in ((checkpoints, "load_any"), (segmentation, "load_segmentation")):
        monkeypatch.setattr(module, loader, lambda *_: pytest.fail("a network was loaded"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("kept")
    assert main([*command, "--out", out]) == 1 and asked == []
    assert capsys.readouterr().err == f"python -m drn_lib {command[0]}: {says}\n"
    assert [file.name for file in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "kept"


def test_a_folder_may_be_there_already_or_not_and_nothing_is_left_in_it(tmp_path):
    for place in (tmp_path, tmp_path / "new", tmp_path / "new" / "er"):
        assert paths.output_folder(place, "--out") == place
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        (["train", "--recipe", "shapes-live", "--seed", "3"], "runs/shapes-live/drn_d_22-s3"),
        (["train-segmentation", "--recipe", "streets-live"], "runs/streets-live/drn_d_22-s0"),
    ],
)
def test_a_training_has_a_folder_of_its_own(command, folder, monkeypatch, tmp_path, small_shapes, capsys):
    folders = []

    def note(*arguments, **options):
        given = (*arguments, *options.values())
        folders.extend(value.folder for value in given if isinstance(value, training.RunOptions))
        raise ValueError("enough")

    monkeypatch.setattr(training, "train", note)
    monkeypatch.setattr(segmentation_training, "train_segmentation", note)
    monkeypatch.chdir(tmp_path)
    for out, expected in (([], Path(folder)), (["--out", "mine"], Path("mine"))):
        assert main([*command, "--arch", "drn_d_22", "--device", "cpu", *out]) == 1
        assert folders.pop() == expected
    assert "(default runs/<recipe>/<arch>-s<seed> in this folder)" in help_of(capsys, command[0])


# Under torchrun


@pytest.fixture
def as_process(monkeypatch):
    """main(arguments) as one of two processes of a machine; what it waits is noted, not waited."""
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)

    def run(arguments, number, torchrun=True):
        environment = {"WORLD_SIZE": "2", "RANK": str(number), "LOCAL_RANK": str(number)}
        environment.update({"TORCHELASTIC_RUN_ID": "none"} if torchrun else {})
        monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert main(arguments) == 1
        return waited

    return run


WRONG = ["train", "--arch", "drn_c_26", "--recipe", "none"]
SENTENCE = "python -m drn_lib train{}: there is no recipe 'none'; choose one of "


def test_what_is_wrong_for_all_processes_is_said_by_the_first(as_process, capsys):
    assert as_process(WRONG, 0) == []
    said = capsys.readouterr().err
    assert said.startswith(SENTENCE.format("")) and said.count("\n") == 1
    as_process(WRONG, 1, torchrun=False)
    assert capsys.readouterr().err == ""


def test_torchrun_does_not_end_the_first_process_unheard(as_process, capsys):
    assert as_process(WRONG, 1) == [PATIENCE]  # by then torchrun has ended it, since the first one has spoken
    assert capsys.readouterr().err.startswith(SENTENCE.format(" (process 1)"))  # or the first one had nothing to say


def test_once_they_have_joined_each_process_says_its_own(as_process, capsys, monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    assert as_process(WRONG, 1) == []
    assert capsys.readouterr().err.startswith(SENTENCE.format(" (process 1)"))

    def silently(*_):
        error = ValueError("another one says it")
        error.silent = True
        raise error

    monkeypatch.setattr(recipes, "recipe", silently)
    as_process(WRONG, 1)
    assert capsys.readouterr().err == ""


def test_a_gpu_that_one_process_lacks_is_said_by_it(as_process, capsys, monkeypatch):
    def no_gpu(_):
        raise RuntimeError("invalid device ordinal")

    monkeypatch.setattr(distributed, "device_of", no_gpu)
    as_process(["train", "--arch", "drn_c_26"], 1)
    assert capsys.readouterr().err == "python -m drn_lib train (process 1): invalid device ordinal\n"


@pytest.mark.parametrize("in_checkout", [True, False])
def test_without_torch_a_sentence_says_how_to_get_it(in_checkout, capsys, monkeypatch, tmp_path):
    imported = builtins.__import__

    def without_torch(name, *others):
        if name == "drn_lib.datasets":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return imported(name, *others)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    if not in_checkout:
        monkeypatch.setattr(paths, "_CHECKOUT", tmp_path)
    assert main(["data", "shapes"]) == 1
    said = capsys.readouterr().err
    lab = "run `make lab` once, then use .venv/bin/python -m drn_lib …"
    advice = lab if in_checkout else "install torch and torchvision"
    assert said == f"python -m drn_lib data: No module named 'torch'; {advice}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["data", "shapes"], "goes on from here"),
        (["evaluate", WEIGHTS], "starts again"),
        (["localize", "a.jpg", "--arch", "resnet_18"], "starts again"),
    ],
)
def test_an_interruption_says_whether_anything_is_kept(arguments, says, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").touch()

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "open_dataset", interrupt)
    monkeypatch.setattr(localize, "class_index", interrupt)
    assert main([*arguments, *(["--class", "0"] if arguments[0] == "localize" else [])]) == 130
    assert capsys.readouterr().err == f"stopped; the same command {says}\n"


def test_the_commands_that_go_on_are_commands():
    (commands,) = (action for action in parser()._actions if action.dest == "command")
    assert set(RESUMABLE) < set(commands.choices)
