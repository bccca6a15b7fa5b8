"""The paper's recipe on the command line, on a tiny ImageNet made of generated JPEGs in the public layout."""

from __future__ import annotations

import sys

import pytest
import torch

from drn_lib.checkpoints import files, weights
from drn_lib.checkpoints.weights import load_trained, released_state_dict, save_weights
from drn_lib.cli.commands import main
from drn_lib.cli.published import paper_table
from drn_lib.network import create_model
from drn_lib.paths import cache_dir
from drn_lib.training import recipes
from tests.library import fake_imagenet

pytestmark = pytest.mark.usefixtures("nowhere")


@pytest.fixture
def root(tmp_path):
    return fake_imagenet.make(tmp_path / "data")


@pytest.fixture
def small(monkeypatch):
    """The recipe called imagenet for thumbnails: `evaluate` takes no --set, for its numbers belong to the recipe."""
    monkeypatch.setattr(recipes, "recipe", lambda *_: fake_imagenet.small_recipe())


def test_train_then_evaluate_beside_the_papers_numbers(root, tmp_path, capsys, small):
    train = ["train", "--recipe", "imagenet", "--arch", "drn_c_26", "--root", str(root), "--device", "cpu"]
    assert main([*train, "--workers", "1", "--epochs", "1", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "top-1 error on the val part after epoch 1" in said and "top-5 error" in said
    trained = tmp_path / "out" / "drn_c_26-s0.safetensors"
    assert load_trained(trained).classes == list(fake_imagenet.WNIDS)
    assert (tmp_path / "out" / "log.csv").exists()
    row = paper_table("table1_classification")["DRN-C-26"]
    evaluate = ["evaluate", "--recipe", "imagenet", "--arch", "drn_c_26", "--weights", str(trained)]
    for crops in ("1", "10"):
        assert main([*evaluate, "--root", str(root), "--crops", crops, "--workers", "0"]) == 0
        begun, *lines = capsys.readouterr().out.splitlines()
        assert begun.startswith(f"evaluating {trained} on imagenet val")
        assert lines[0].startswith(f"imagenet val, 6 images, {crops} crop")
        assert lines[1].startswith("measured:  top-1 error")
        top1, top5 = (float(row[f"top{k}_err_{crops}crop_pct"]) for k in (1, 5))
        assert lines[2] == f"published: top-1 error {top1:5.2f} %, top-5 error {top5:5.2f} %   (Table 1)"
        assert lines[3].startswith("The two do not compare")  # six images are not ImageNet


def test_the_authors_form_of_a_file_needs_the_networks_name(root, tmp_path, capsys, small, monkeypatch):
    file = tmp_path / "theirs.pth"
    torch.save(released_state_dict(create_model("drn_d_22", 3, 0.125)), file)
    # A released network has 1000 classes and full width.
    monkeypatch.setattr(weights, "create_model", lambda name: create_model(name, 3, 0.125))
    common = ["evaluate", "--recipe", "imagenet", "--root", str(root), "--workers", "0", "--weights", str(file)]
    assert main([*common, "--arch", "drn_d_22"]) == 0
    assert "README of the released code" in capsys.readouterr().out
    assert main(common) == 1
    assert "does not say which network it holds" in capsys.readouterr().err


def test_unreachable_released_weights_are_one_sentence_with_file_and_hash(root, capsys):
    command = ["evaluate", "--recipe", "imagenet", "--arch", "drn_c_26", "--weights", "released", "--root", str(root)]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(cache_dir() / "weights" / "drn_c_26-ddedf421.pth") in said


def test_a_wrong_file_under_a_released_name_is_refused_by_its_hash(root, capsys):
    file = cache_dir() / "weights" / f"drn_c_26-{files.RELEASED['drn_c_26']}.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"an error page")
    assert main(["evaluate", "--recipe", "imagenet", "--arch", "drn_c_26", "--weights", "released"]) == 1
    assert "has SHA-256" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("evaluate --recipe imagenet --weights released", "needs --arch"),
        ("evaluate --recipe imagenet --arch drn_a_18 --weights released", "no weights were published for drn_a_18"),
        ("evaluate --recipe imagenet --arch drn_c_26", "name the weights once"),
        ("evaluate one.safetensors --weights two.safetensors", "name the weights once"),
        ("evaluate --weights FILE --crops 10", "10 for a recipe that reads files"),
        ("evaluate --recipe imagenet --weights FILE --arch drn_c_26", "holds a drn_a_18, not a drn_c_26"),
        ("evaluate --recipe imagenet --weights FILE --root NOWHERE", "is not in"),
        ("evaluate --recipe imagenet --weights FILE --root EMPTY", "no split 'val'"),
        ("evaluate --recipe imagenet --weights FILE --root ROOT", "knows 2 classes, not 3 of imagenet"),
        ("train --recipe imagenet --arch drn_a_18 --out OUT --root NOWHERE", "The dataset imagenet is not in"),
        ("train --recipe imagenet --arch drn_a_18 --out OUT --root ROOT --set lrr=1", "did you mean lr?"),
        ("train --recipe imagenet --arch drn_a_18 --out OUT --root ROOT --set lr=fast", "lr must be a number"),
        ("train --recipe shapes-live --arch drn_a_18 --out OUT --tensorboard", "for recipes that read files"),
        ("train --recipe shapes-live --arch drn_a_18 --out OUT --sync-batch-norm", "for recipes that read files"),
        # said before the data are looked for
        ("train --recipe imagenet --arch drn_a_18 --out OUT --root NOWHERE --sync-batch-norm --device cpu", "on GPUs"),
        ("train --recipe imagenet --arch drn_a_18 --out OUT --root NOWHERE --tensorboard", "pip install tensorboard"),
        ("train-segmentation --arch drn_a_18 --out OUT --root NOWHERE --sync-batch-norm --device cpu", "on GPUs"),
        ("train-segmentation --arch drn_a_18 --out OUT --root NOWHERE --tensorboard", "pip install tensorboard"),
    ],
)
def test_errors_are_one_sentence(command, says, root, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    (tmp_path / "empty" / "imagenet" / "train").mkdir(parents=True)
    monkeypatch.setenv("DRN_DATA", str(root))  # what --root lacks is not taken from there
    file = save_weights(create_model("drn_a_18", 2, 0.125), tmp_path / "two.safetensors", ["a", "b"])
    places = {"FILE": file, "ROOT": root, "NOWHERE": "no-such-folder", "EMPTY": tmp_path / "empty", "OUT": "unused"}
    assert main([str(places.get(word, word)) for word in command.split()]) == 1
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1
    assert not (tmp_path / "unused").exists()  # nothing is left behind by a command that could not start
