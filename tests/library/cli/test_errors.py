"""Every error of a command is one sentence: on standard error, exit status 1, a traceback under DRN_DEBUG=1 alone."""

import argparse
import errno
import os
import pickle
import subprocess
import sys

import pytest
import torch

from drn_lib import datasets, locks
from drn_lib.cli import options
from drn_lib.cli.commands import main
from drn_lib.cli.errors import sentence_of
from tests import ROOT


class Mute(Exception):
    def __str__(self):
        raise ValueError("no words")


def unsafe_advice(folder):
    """What torch says of a file that holds more than tensors."""
    with (folder / "code.pt").open("wb") as file:
        pickle.dump(print, file)
    with pytest.raises(Exception, match="weights_only") as caught:
        torch.load(folder / "code.pt", weights_only=True)
    return caught.value


DEBUG = "; set DRN_DEBUG=1 to see where"
SENTENCES = [
    (ValueError("it is so"), "it is so"),
    (ValueError("it is so\n  and more"), "it is so"),
    (RuntimeError("\n\n  it is so  \nDebug with CUDA_LAUNCH_BLOCKING=1"), "it is so"),
    (KeyError("weight"), "KeyError: 'weight'" + DEBUG),
    (KeyError(), "KeyError" + DEBUG),
    (IndexError("list index out of range"), "IndexError: list index out of range" + DEBUG),
    (AssertionError(), "AssertionError" + DEBUG),
    (TypeError("a\nb"), "TypeError: a" + DEBUG),
    (AttributeError("None has no attribute 'x'"), "AttributeError: None has no attribute 'x'" + DEBUG),
    (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero" + DEBUG),
    (StopIteration(), "StopIteration" + DEBUG),
    (EOFError(), "EOFError" + DEBUG),
    (NotImplementedError(), "NotImplementedError" + DEBUG),
    (RecursionError("maximum recursion depth exceeded"), "RecursionError: maximum recursion depth exceeded" + DEBUG),
    (MemoryError(), "there is not enough memory"),
    (ValueError(), "ValueError" + DEBUG),
    (RuntimeError("  \n "), "RuntimeError" + DEBUG),
    (Mute(), "Mute" + DEBUG),
    (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    (OSError(errno.EACCES, "Permission denied", "a/b"), "a/b: Permission denied"),
    (FileNotFoundError("there is no file a"), "there is no file a"),
    (UnicodeError("no such letter"), "UnicodeError: no such letter" + DEBUG),
    (ValueError("a.pt cannot be read (Weights only load failed. This file can be loaded)"), "a.pt cannot be read"),
    (ValueError("a.pt: re-run `torch.load` with `weights_only` set to `False`"), "a.pt"),
    (FileNotFoundError("there is no file weights_only.pt"), "there is no file weights_only.pt"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "sentence"), SENTENCES, ids=range(len(SENTENCES)))
def test_an_error_is_one_sentence(error, sentence):
    assert sentence_of(error) == sentence


def test_torchs_advice_is_never_repeated(tmp_path):
    raised = unsafe_advice(tmp_path)
    said = sentence_of(raised)
    assert said.startswith("UnpicklingError: a file is damaged, or holds more than tensors")
    for error in (ValueError(str(raised)), RuntimeError(f"x.pt: {raised}"), ValueError(f"x.pt is damaged ({raised})")):
        said = sentence_of(error)
        assert "weights_only" not in said and "still be loaded" not in said and "\n" not in said


def parser_of(function):
    made = argparse.ArgumentParser(prog="program")
    made.set_defaults(function=function)
    return made


def raises(error):
    def function(_):
        raise error

    return function


def deep(value):
    return deep(value)


def no_memory(_):
    return bytearray(2**62)


def all_the_ways():
    return [raises(error) for error, _ in SENTENCES] + [deep, no_memory, raises(BlockingIOError()), raises(Exception())]


def test_whatever_a_command_raises_it_says_one_line_and_ends_with_1(capsys, monkeypatch):
    monkeypatch.delenv("DRN_DEBUG", raising=False)
    for function in all_the_ways():
        assert options.run(parser_of(function), []) == 1
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("program: ") and err.count("\n") == 1 and len(err) > 12, err


def test_a_traceback_is_there_for_who_asks_for_it(capsys, monkeypatch):
    monkeypatch.setenv("DRN_DEBUG", "1")
    assert options.run(parser_of(raises(KeyError("weight"))), []) == 1
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said and "in function" in said
    assert said.splitlines()[-1] == "program: KeyError: 'weight'" + DEBUG


def in_a_process(code, redirected, unbuffered=""):
    """Runs Python code whose output goes elsewhere: (its exit status, what it said on standard error)."""
    command = f'set -o pipefail; {sys.executable} -c "$CODE" {redirected}'
    environment = {**os.environ, "CODE": code, "PYTHONUNBUFFERED": unbuffered}
    ran = subprocess.run(["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True)
    return ran.returncode, ran.stderr


RUN = """
import argparse, sys
from drn_lib.cli import options
parser = argparse.ArgumentParser(prog="p")
parser.set_defaults(function={})
sys.exit(options.run(parser, {}))
"""


PRINTS = "lambda _: print('x')", "lambda _: [print('x' * 99) for _ in range(9999)]"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("function", "arguments"), [(PRINTS[0], "[]"), (PRINTS[1], "[]"), (PRINTS[0], "['--help']")])
def test_a_reader_that_goes_early_is_no_error(function, arguments, unbuffered):
    status, said = in_a_process(RUN.format(function, arguments), "| head -c 0", unbuffered)
    assert said == "" and status in (0, 1)


@pytest.mark.parametrize("function", PRINTS)
def test_an_output_on_a_full_disk_is_one_sentence(function):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    assert in_a_process(RUN.format(function, "[]"), "> /dev/full") == (1, "p: No space left on device\n")


def test_a_broken_pipe_of_another_kind_is_told(capsys):
    assert options.run(parser_of(raises(BrokenPipeError(errno.EPIPE, "Broken pipe"))), []) == 1
    assert capsys.readouterr().err == "program: Broken pipe\n"


# Flags


TRAIN = ["train", "--arch", "drn_d_22", "--recipe", "shapes-live", "--out", "unused"]
PIXELS = ["train-segmentation", "--arch", "drn_d_22", "--recipe", "streets-live", "--out", "unused"]
WEIGHTS = "first_networks/resnet_18-s0"
FLAGS = [
    *(
        [*command, "--seed", seed]
        for command in (TRAIN, PIXELS)
        for seed in ("-1", "99999999999999999999", "-0" + "9" * 30)
    ),
    *([*TRAIN, "--workers", many] for many in ("-1", "257", "1000000")),
    [*PIXELS, "--workers", "-1"],
    ["evaluate", WEIGHTS, "--workers", "-1"],
    *([*command, "--epochs", many] for command in (TRAIN, PIXELS) for many in ("0", "-3", "100001", "9" * 40)),
    *([*PIXELS, "--score-every", many] for many in ("0", "-1", "9" * 30)),
]
NAMES = [
    ([*TRAIN, "--arch", "drn_c_27"], "there is no network 'drn_c_27'; did you mean drn_"),
    ([*PIXELS, "--arch", "drn-d-22"], "did you mean drn_d_22"),
    ([*TRAIN, "--arch", "DRN_D_22"], "did you mean drn_d_22"),
    ([*TRAIN, "--arch", ""], "there is no network ''"),
    ([*TRAIN, "--dilation-rule", "exakt"], "did you mean exact"),
    ([*TRAIN, "--recipe", "shapes-life"], "did you mean shapes-live"),
    ([*PIXELS, "--recipe", "camvid"], "did you mean camvid-reduced"),
    ([*PIXELS, "--weights", "first_network/drn_d_22-s0"], "did you mean first_networks/"),
    ([*PIXELS, "--weights", "nothing.safetensors"], "nothing.safetensors"),
    ([*PIXELS, "--output-stride", "8"], "drn_d_22"),
    ([*TRAIN, "--set", "wdth=1"], "did you mean width"),
    ([*TRAIN, "--set", "width=1e6"], "width must be a number from"),
    ([*TRAIN, "--set", "lr=nan"], "lr must be a number from"),
    ([*TRAIN, "--set", "crop_padding=-4"], "crop_padding must be a whole number from 0"),
    ([*TRAIN, "--set", "image_size=1"], "image_size must be a whole number from"),
    ([*TRAIN, "--device", "cuba"], "device 'cuba': the book's code runs on cpu or cuda"),
    ([*TRAIN, "--device", ""], "device '': the book's code runs on cpu or cuda"),
    ([*TRAIN, "--device", "mps"], "device 'mps': the book's code runs on cpu or cuda"),
    (["evaluate", WEIGHTS, "--dataset", "pet"], "there is no dataset 'pet'; did you mean pets?"),
    (["evaluate", WEIGHTS, "--dataset", "shape"], "did you mean shapes?"),
    (["evaluate", WEIGHTS, "--recipe", "imagnet"], "did you mean imagenet"),
    (["evaluate", WEIGHTS, "--partition", "nothing"], "There is no split 'nothing' in"),
    (["evaluate", WEIGHTS, "--split", "tets"], "The partition tiny-imagenet-20 has no split 'tets'"),
    (["evaluate", WEIGHTS, "--dataset", "pets", "--partition", "", "--split", "val"], "pets itself has no split 'val'"),
    (["evaluate", WEIGHTS, "--dataset", "shapes", "--split", "val"], "The drawn set shapes has no split 'val'"),
    (["evaluate", WEIGHTS, "--dataset", "clutter", "--split", "val"], "The drawn set clutter has no split 'val'"),
    (["evaluate", "first_networks/resnet_18-s1"], "first_networks/resnet_18-s"),
    (["export", "--arch", "resnet_81", "--out", "x.onnx"], "did you mean resnet_18"),
    (["export", "--arch", "resnet_18", "--out", "x.pt"], "--out is a file whose name ends in .onnx, not x.pt"),
]  # fmt: skip


@pytest.fixture
def refused(capsys, monkeypatch, tmp_path):
    """What a command says on standard error that is refused before a data set is opened; nothing is left behind."""
    monkeypatch.setattr(datasets, "open_dataset", lambda *_, **__: pytest.fail("a data set was opened"))
    monkeypatch.setenv("DRN_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)

    def run(arguments):
        before = sorted(path.name for path in tmp_path.iterdir())
        assert main(arguments) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"python -m drn_lib {arguments[0]}: ") and said.count("\n") == 1 and len(said) < 500
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        return said

    return run


@pytest.mark.parametrize("arguments", FLAGS, ids=" ".join)
def test_a_number_out_of_range_is_one_sentence_that_names_the_flag(arguments, refused):
    assert f"{arguments[-2]} must be a whole number from " in refused(arguments)


@pytest.mark.parametrize(("arguments", "says"), NAMES, ids=[" ".join(arguments) for arguments, _ in NAMES])
def test_names_and_values_are_checked_before_data_are_opened(arguments, says, refused):
    assert says in refused(arguments)


def test_a_gpu_of_a_number_that_is_not_there(refused, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert "device 'cuda:2': torch sees 2 GPUs here, numbered from 0" in refused([*TRAIN, "--device", "cuda:2"])


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("folder.onnx", "--out folder.onnx is a folder: name a file"),
        ("file/x.onnx", "--out file/x.onnx lies below file, which is a file: name a folder"),
        ("n" * 300 + ".onnx", "cannot be made or written (File name too long): name another file"),
    ],
)
def test_an_export_to_what_is_no_file_is_refused_before_the_network_is_loaded(
    out, says, refused, tmp_path, monkeypatch
):
    from drn_lib import checkpoints

    monkeypatch.setattr(checkpoints, "load_any", lambda *_: pytest.fail("a network was loaded"))
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").write_text("kept")
    assert says in refused(["export", "--arch", "resnet_18", "--out", out])


@pytest.mark.parametrize("flag", [["--seed", "1.5"], ["--epochs", "many"], ["--workers", "nan"], ["--sead", "1"]])
def test_flags_that_cannot_be_read_are_one_line_too(flag, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*TRAIN, *flag])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.count("\n") == 1 and flag[0] in said and said.endswith("; see --help\n")


# One training in a folder


def training_that(ends, monkeypatch):
    """Opening data is the first thing that a training does in its folder: it ends there."""
    monkeypatch.setattr(datasets, "open_dataset", ends)


@pytest.mark.parametrize("command", [TRAIN, PIXELS, [*TRAIN, "--seed", "5"], [*TRAIN[:-1], "unused/"]])
def test_a_second_training_in_a_folder_is_refused_at_once(command, refused, tmp_path):
    (tmp_path / "unused").mkdir()
    with locks.only_one(tmp_path / "unused", "a training"):
        said = refused(command)
    assert "another process is at the training in unused: " in said and f"{os.getpid()} on " in said
    assert not (tmp_path / "unused" / locks.OWNER).exists()


@pytest.mark.parametrize("command", [TRAIN, PIXELS])
def test_a_training_holds_the_lock_while_it_works_and_not_afterwards(command, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    found = []

    def open_dataset(*_, **__):
        with pytest.raises(locks.Busy), locks.only_one(tmp_path / "unused", "another"):
            pass
        found.append(sorted(path.name for path in (tmp_path / "unused").iterdir()))
        raise ValueError("enough")

    training_that(open_dataset, monkeypatch)
    for _ in range(2):
        assert main(command) == 1
        assert capsys.readouterr().err.endswith(": enough\n")
    assert found == [["lock", locks.OWNER]] * 2
    assert list(tmp_path.iterdir()) == []  # it never began


def test_a_training_that_wrote_something_keeps_its_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def open_dataset(*_, **__):
        (tmp_path / "unused" / "state.pt").write_text("kept")
        raise ValueError("enough")

    training_that(open_dataset, monkeypatch)
    assert main(TRAIN) == 1
    assert (tmp_path / "unused" / "state.pt").read_text() == "kept"


def test_a_folder_that_was_there_stays(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unused").mkdir()
    training_that(raises_anything := lambda *_, **__: (_ for _ in ()).throw(KeyError("x")), monkeypatch)
    assert main(TRAIN) == 1 and raises_anything and (tmp_path / "unused").is_dir()


def test_of_several_processes_the_leading_one_holds_the_lock(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unused").mkdir()
    training_that(lambda *_, **__: (_ for _ in ()).throw(RuntimeError("opened")), monkeypatch)
    for name, value in {"WORLD_SIZE": "2", "LOCAL_RANK": "1", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    with locks.only_one(tmp_path / "unused", "a training"):
        assert main(TRAIN) == 1
        assert capsys.readouterr().err == "python -m drn_lib train (process 1): opened\n"
        monkeypatch.setenv("RANK", "0")
        assert main(TRAIN) == 1
        assert "(process 0): another process is at the training" in capsys.readouterr().err
