"""What each command takes where its flags are left out, and how flags reach the functions behind them."""

import argparse
import math
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch

from drn_lib.cli import commands, options, segment, train
from drn_lib.datasets import DataError
from drn_lib.segmentation.options import Inference
from drn_lib.training.recipes import ClassificationRecipe, recipe

READING = {"arch": None, "device": None, "window": None, "scales": "1", "mirror": False, "log_average": False}
TRAINING = {"dilation_rule": None, "seed": 0, "epochs": None, "set": [], "root": None, "device": None, "out": None}
TRAINING |= {"workers": 4, "sync_batch_norm": False, "tensorboard": False, "arch": "drn_c_26", "engine": "plain"}
COMMANDS = {
    "data shapes": {"name": "shapes", "split": None, "root": None, "partition": None},
    "train --arch drn_c_26": {"recipe": "tiny-imagenet-20-reduced", **TRAINING},
    "train-segmentation --arch drn_c_26": {"recipe": "camvid-reduced", **TRAINING}
    | {"weights": None, "output_stride": None, "score_every": 10},
    "evaluate": {"file": None, "weights": None, "arch": None, "recipe": None, "crops": 1, "dataset": "tiny-imagenet"}
    | {"partition": None, "split": None, "root": None, "device": None, "workers": 4},
    "localize a.png": {"images": [Path("a.png")], "arch": None, "weights": None, "wanted": None, "size": None}
    | {"threshold": -math.inf, "scores": "logits", "crop": "none", "class_from": "whole", "cell_edges": None}
    | {"empty": "none", "one_cell": "box", "device": None, "out": Path("localized")}
    | {"output_stride": None, "dilation_rule": None},
    "segment a.png --weights w": {"images": [Path("a.png")], "weights": "w", "shorter_side": None, **READING}
    | {"out": Path("segmented")},
    "score-segmentation w": {
        "file": "w",
        "weights": None,
        "dataset": "camvid",
        "split": None,
        "root": None,
        "predictions": None,
    }
    | READING,
    "export --out a.onnx": {"arch": None, "weights": None, "out": Path("a.onnx"), "storage": "float16"},
}


def parsed(line):
    return commands.parser().parse_args(line.split())


@pytest.mark.parametrize("line", COMMANDS)
def test_what_a_command_takes_where_nothing_is_said(line):
    found = vars(parsed(line))
    assert {name: value for name, value in found.items() if name not in ("command", "function")} == COMMANDS[line]


def test_every_command_is_there():
    assert {line.split()[0] for line in COMMANDS} == {
        *("data", "train", "train-segmentation", "evaluate", "localize", "segment", "score-segmentation", "export")
    }


@pytest.mark.parametrize("line", ["segment a.png", "train", "export", "localize", "data", "segmented a.png"])
def test_what_is_left_out_and_needed_is_one_line_and_status_2(line, capsys):
    with pytest.raises(SystemExit) as ended:
        parsed(line)
    said = capsys.readouterr()
    assert (
        ended.value.code == 2 and said.out == "" and said.err.count("\n") == 1 and said.err.endswith("; see --help\n")
    )


@pytest.mark.parametrize(
    ("flags", "size", "expected"),
    [
        ("", (1024, 2048), Inference(None, 0, (1.0,))),
        ("", (1024, 2049), Inference(1024, 256, (1.0,))),
        ("--scales 1,2", (512, 1024), Inference(None, 0, (1.0, 2.0))),
        ("--scales 2,1", (513, 1024), Inference(1024, 256, (2.0, 1.0))),
        ("--window 0", (4000, 4000), Inference(None, 0, (1.0,))),
        ("--window 88", (90, 90), Inference(88, 16, (1.0,))),
        ("--window 64 --mirror", (90, 90), Inference(64, 16, (1.0,), True)),
        ("--log-average --scales 0.5", (90, 90), Inference(None, 0, (0.5,), False, "log")),
    ],
)
def test_how_an_image_is_read_follows_from_flags_and_its_size(flags, size, expected):
    assert segment._inference(parsed(f"segment a.png --weights w {flags}"), size, 8) == expected


@pytest.mark.parametrize("text", ["0", "1,0", "-1", "inf", "1,nan", "1,,2", "one", ""])
def test_what_is_no_list_of_scales_is_one_sentence(text):
    with pytest.raises(ValueError, match=f"scales (must be positive factors|{text} is no list of factors)"):
        segment._inference(parsed(f"segment a.png --weights w --scales={text}"), (90, 90), 8)


def test_how_a_training_is_carried_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", mock.Mock())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    line = "train --arch drn_c_26 --recipe imagenet --set lr=0.02 --set batch_size=8"
    plan, how = train._start(
        parsed(f"{line} --seed 3 --epochs 5 --workers 2 --tensorboard --device cpu"), ClassificationRecipe
    )
    assert plan == recipe("imagenet", lr=0.02, batch_size=8, epochs=5)
    assert how.folder == Path("runs/imagenet/drn_c_26-s3") and (how.device, how.workers) == ("cpu", 2)
    assert (how.sync_batch_norm, how.tensorboard, how.full_precision, how.max_steps) == (False, True, False, None)
    plan, how = train._start(parsed(f"{line} --out here --sync-batch-norm --device cuda:0"), ClassificationRecipe)
    assert (how.folder, how.sync_batch_norm, how.tensorboard, how.workers) == (Path("here"), True, False, 4)
    assert plan.epochs == recipe("imagenet").epochs and how.device == "cuda:0"


def test_images_that_fail_are_named_at_the_end_and_the_others_are_done(tmp_path, capsys, monkeypatch):
    files = [tmp_path / f"{name}.png" for name in "abcd"]
    for file in files:
        file.write_bytes(b"")
    done = []

    def work(file):
        if file.stem == "b":
            raise DataError(f"{file} is damaged\nand more")
        if file.stem == "c":
            raise failure
        done.append(file.stem)

    asked = argparse.Namespace(images=files, out=tmp_path / "new" / "out")
    for failure, verb, says in [
        (DataError(""), "read", "c.png (DataError)"),
        (KeyError("x"), "processed", "c.png ('x')"),
    ]:
        with pytest.raises(DataError) as caught:
            options.for_each(asked, work, lambda count: f"{len(done)} of {count}")
        assert str(caught.value) == f"2 could not be {verb}: {files[1]} is damaged; {tmp_path / says}"
        assert caught.value.__cause__ is (failure if verb == "processed" else None)
    assert capsys.readouterr().out == "2 of 4\n4 of 4\n" and asked.out.is_dir() and done == ["a", "d"] * 2
