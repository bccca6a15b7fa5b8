"""What a command answers before torch is imported, and what it says while it works."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from drn_lib import __version__
from drn_lib.cli import commands, options
from drn_lib.cli.outputs import NAMED, counted, written
from drn_lib.datasets import catalog, open_dataset

CHECKED = [  # (arguments, what the sentence says)
    ("data imagent", "did you mean imagenet"),
    ("data shapes foo", "The drawn set shapes has no split 'foo'"),
    ("data pets --partition x", "There is no split 'x'"),
    ("data shapes --device cuda --partition x", "unrecognized arguments: --device cuda"),
    ("train --recipe shapes-live --arch drn_c26", "did you mean drn_c_26"),
    ("train --recipe shapes-liv --arch drn_c_26", "did you mean shapes-live?"),
    ("train --arch drn_c_26 --set foo=3", "there is no field of this recipe 'foo'"),
    ("train --arch drn_c_26 --dilation-rule exakt", "did you mean exact"),
    ("train --arch drn_c_26 --device gpu", "runs on cpu or cuda"),
    ("train --arch drn_c_26 --recipe shapes-live --tensorboard", "are for recipes that read files"),
    (
        "train-segmentation --arch drn_c_26 --weights clssification/drn_c_26-s0",
        "did you mean classification/drn_c_26-s0",
    ),
    ("evaluate classification/drn_c26-s0", "did you mean classification/drn_c_26-s0"),
    ("evaluate classification/drn_c_26-s0 --weights w", "name the weights once: evaluate WEIGHTS, or evaluate"),
    ("evaluate classification/drn_c_26-s0 --dataset shaps", "did you mean shapes?"),
    ("evaluate classification/drn_c_26-s0 --crops 3", "argument --crops: invalid choice: 3 (choose from 1, 10)"),
    ("evaluate --weights released", "needs --arch"),
    ("localize none.png --arch drn_c_26", "none.png is not there: correct the path"),
    ("localize a.png b.png --arch drn_c_26", "all 2 images are not there: correct the path"),
    ("localize none.png --arch drn_c26", "did you mean drn_c_26"),
    ("segment none.png --weights segmentation/drn_c26-s0", "did you mean segmentation/drn_c_26-s0"),
    ("segment none.png --weights segmentation/drn_c_26-s0 --scales a", "is no list of factors"),
    ("score-segmentation --weights segmentation/drn_c26-s0", "did you mean segmentation/drn_c_26-s0"),
    ("score-segmentation", "name the weights once: score-segmentation WEIGHTS"),
    ("export --arch drn_c26 --out a.onnx", "did you mean drn_c_26"),
]
STUDIES = [("no_study", "there is no plan"), ("first_networks --run drn_c26-s0", "did you mean drn_c_26-s0")]
WITHOUT_TORCH = """
import contextlib, io, json, sys
from drn_lib.cli.commands import main
from book.studies.__main__ import main as studies

def said(run, line):
    with contextlib.redirect_stderr(io.StringIO()) as error, contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            code = run(line.split())
        except SystemExit as ended:
            code = ended.code
    return code, out.getvalue(), error.getvalue()

lines, plans = json.loads(sys.argv[1])
answers = [said(main, line) for line in lines] + [said(studies, line) for line in plans]
print(json.dumps([answers, sorted({"torch", "torchvision"} & set(sys.modules))]))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What one process answers to all mistakes and to a study's --status: (status, output, errors); torch's modules."""
    asked = [[line for line, _ in CHECKED], [*(line for line, _ in STUDIES), "first_networks --status"]]
    command = [sys.executable, "-c", WITHOUT_TORCH, json.dumps(asked)]
    root = Path(commands.__file__).parents[2]
    folder = tmp_path_factory.mktemp("empty")
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={"PYTHONPATH": str(root)}, check=True)
    said, imported = json.loads(run.stdout)
    assert list(folder.iterdir()) == []
    return said, imported


def test_torch_is_not_imported_for_a_mistake_or_for_a_list(answers):
    assert answers[1] == []
    assert answers[0][-1][0] == 0 and answers[0][-1][1].startswith("drn_c_26-s0")


@pytest.mark.parametrize("number", range(len(CHECKED) + len(STUDIES)))
def test_each_mistake_is_one_sentence(number, answers):
    line, says = [*CHECKED, *STUDIES][number]
    status, out, error = answers[0][number]
    assert status in (1, 2) and says in error and error.count("\n") == 1 and out == "", line


def test_the_sets_with_masks_are_those_whose_classes_have_names_for_them():
    classes = {name: catalog.dataset_class(name) for name in {**catalog.READERS, **catalog.SYNTHETIC}}
    assert sorted(name for name, kind in classes.items() if kind.mask_classes) == list(catalog.WITH_MASKS)


def test_the_version(capsys):
    with pytest.raises(SystemExit) as ended:
        commands.main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"drn-lib {__version__}\n"


@pytest.mark.parametrize(
    ("called", "says"), [("/usr/bin/drn", "drn"), ("C:/x/drn.exe", "drn"), ("-m", "python -m drn_lib")]
)
def test_a_command_is_named_as_it_was_called(called, says, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [called])
    assert commands.main(["data", "imagent"]) == 1
    assert capsys.readouterr().err.startswith(f"{says} data: there is no dataset 'imagent'")


def test_the_first_line_comes_from_the_first_process(capsys, monkeypatch):
    options.begin("opening shapes")
    monkeypatch.setenv("RANK", "1")
    options.begin("opening shapes")
    assert capsys.readouterr().out == "opening shapes ...\n"


def test_what_was_written_is_named_or_counted():
    files = [Path("out", f"{number}.png") for number in range(NAMED + 1)]
    assert written([]) == "nothing was written"
    assert written(files[:2]) == f"wrote {files[0]}, {files[1]}"
    assert written(files) == f"wrote {files[0]} and {NAMED} more files beside it"
    assert [counted(1, "box"), counted(2, "box"), counted(0, "image")] == ["1 box", "2 boxes", "0 images"]


@pytest.mark.parametrize(("progress", "bars"), [("1", 1), ("0", 0)])
def test_drawing_many_images_shows_how_far_it_is(progress, bars, monkeypatch):
    from drn_lib.datasets import base

    shown = []

    def bar(names, *_, disable, delay, **__):
        shown.extend([delay] if not disable else [])
        return names

    monkeypatch.setattr(base, "tqdm", bar)
    monkeypatch.setenv("DRN_PROGRESS", progress)
    open_dataset("shapes", "train", count=2).arrays()
    assert shown == [1] * bars  # and none for what is done within a second


BEGINS = {  # a command, what its module prints before it imports torch
    "data shapes train": ("data", "opening shapes train"),
    "evaluate --arch drn_c_26 --weights classification/drn_c_26-s0 --dataset shapes": ("evaluate", "evaluating"),
    "export --arch drn_c_26 --out x.onnx": ("export", "exporting classification/drn_c_26-s0"),
    "localize --arch drn_c_26 {image}": ("localize", "looking for objects in 1 image by classification/drn_c_26-s0"),
    "segment --weights segmentation/drn_c_26-s0 {image}": ("segment", "segmenting 1 image by segmentation/drn_c_26-s0"),
    "train --arch drn_c_26 --recipe shapes-live --out {out}": (
        "train",
        "training drn_c_26 by the recipe",
    ),
}


@pytest.mark.parametrize("line", BEGINS)
def test_a_command_says_what_begins(line, monkeypatch, tmp_path, capsys):
    """Before torch is imported, and once all names are right; the first of what it does afterwards ends the test."""
    module, says = BEGINS[line]
    said = []

    def begin(text):
        said.append(text)
        raise KeyboardInterrupt

    monkeypatch.setattr(f"drn_lib.cli.{module}.begin", begin)
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    names = {"image": tmp_path / "a.png", "out": tmp_path / "out"}
    try:
        commands.main([word.format(**names) for word in line.split()])
    except KeyboardInterrupt:
        pass
    assert [text.startswith(says) for text in said] == [True], capsys.readouterr().err
