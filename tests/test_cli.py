"""The command line: every command once, and errors in one sentence."""

import functools

import pytest

from drn_lib import datasets
from drn_lib.__main__ import main


@pytest.fixture
def small_shapes(monkeypatch):
    """`open_dataset` that draws 64 images a part, so that a training takes a second."""
    monkeypatch.setattr(datasets, "open_dataset", functools.partial(datasets.open_dataset, count=64))


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert all(command in text for command in ("data", "train", "evaluate", "study"))


def test_data_says_what_it_holds(capsys, small_shapes):
    assert main(["data", "shapes", "tune"]) == 0
    assert "shapes tune: 64 images, 10 classes" in capsys.readouterr().out


def test_train_then_evaluate_what_was_written(capsys, tmp_path, small_shapes):
    train = ["train", "--recipe", "shapes-live", "--arch", "drn_a_18", "--epochs", "1", "--device", "cpu"]
    assert main([*train, "--out", str(tmp_path)]) == 0
    trained = capsys.readouterr().out
    weights = tmp_path / "drn_a_18-s0.safetensors"
    assert weights.exists() and "top-1 error on the tune part" in trained
    assert main(["evaluate", str(weights), "--dataset", "shapes", "--partition", ""]) == 0
    assert "64 images: top-1 error" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["data", "no-such-set"], "no dataset 'no-such-set'"),
        (["data", "cityscapes", "--root", "no-such-folder"], "cityscapes"),
        (["train", "--arch", "drn_x", "--recipe", "shapes-live", "--epochs", "1", "--out", "unused"], "drn_x"),
        (["train", "--arch", "drn_c_26", "--recipe", "none", "--out", "unused"], "no recipe is called"),
        (
            ["train", "--arch", "drn_c_26", "--recipe", "shapes-live", "--epochs", "0", "--out", "unused"],
            "epochs must be",
        ),
        (["train", "--arch", "drn_c_26", "--set", "batch_size=0", "--out", "unused"], "batch_size must be above zero"),
        (["train-segmentation", "--arch", "drn_d_22", "--epochs", "0", "--out", "unused"], "epochs must be above zero"),
        (["train-segmentation", "--arch", "drn_d_22", "--set", "crops=2", "--out", "unused"], "the fields are name"),
        (
            ["train-segmentation", "--recipe", "streets-live", "--arch", "drn_d_22", "--score-every", "0"]
            + ["--out", "unused"],
            "every 1 epochs or more, not 0",
        ),
        (["study", "first_networks", "--workers", "0"], "1 worker or more, not 0"),
        (["evaluate", "no-such-file.safetensors"], "no-such-file"),
    ],
)
def test_errors_are_one_sentence(arguments, says, capsys, monkeypatch, tmp_path, small_shapes):
    monkeypatch.setenv("DRN_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert says in message and message.count("\n") == 1
    assert not (tmp_path / "unused").exists()  # nothing is left behind by a command that could not start
