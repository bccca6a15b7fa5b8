"""Commands over many photographs: one that fails stops nothing, and a user's files are neither lost nor left out."""

import argparse
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from drn_lib.checkpoints.weights import save_weights
from drn_lib.cli.commands import main
from drn_lib.cli.options import for_each
from drn_lib.cli.outputs import free_name, is_ours, save_picture
from drn_lib.datasets.contract import DataError
from drn_lib.datasets.synthetic.world import CLASSES
from drn_lib.network import create_model
from drn_lib.segmentation.network import SegmentationNetwork, save_segmentation
from tests.library.datasets.test_pictures import ODD_EXIF


def photograph(file, seed=0, height=20, width=30):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)).save(file)
    return file


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """Both commands with small weights, without images and folder."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    boxes = save_weights(create_model("drn_d_22", 3, 0.125), folder / "b.safetensors", ["cat", "dog", "bird"])
    model = SegmentationNetwork(create_model("drn_d_22", 3, 0.125), 19)
    pixels = save_segmentation(model, folder / "s.safetensors", list(CLASSES))
    localize = ["localize", "--weights", str(boxes), "--size", "32", "--empty", "image"]
    return {"localize": localize, "segment": ["segment", "--weights", str(pixels)]}


ERRORS = [struct_like(1) for struct_like in (TypeError, KeyError, ZeroDivisionError, OverflowError, RecursionError)]
ERRORS += [MemoryError(), RuntimeError("CUDA out of memory.\nTried to"), PermissionError(13, "no"), EOFError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_one_photograph_that_fails_stops_nothing(error, tmp_path, capsys):
    files, done = [tmp_path / f"{name}.png" for name in "abc"], []

    def work(file):
        if file.stem == "b":
            raise error
        done.append(file.stem)

    options = argparse.Namespace(images=files, out=tmp_path / "out")
    with pytest.raises(DataError) as caught:
        for_each(options, work, lambda count: f"{len(done)} of {count} done")
    sentence = str(caught.value)
    assert sentence.startswith("1 could not be processed: ") and "b.png" in sentence and "\n" not in sentence
    assert done == ["a", "c"] and "2 of 3 done" in capsys.readouterr().out
    assert caught.value.__cause__ is error


def test_an_interruption_ends_the_work(tmp_path):
    def work(file):
        raise KeyboardInterrupt

    options = argparse.Namespace(images=[tmp_path / "a.png"], out=tmp_path / "out")
    pytest.raises(KeyboardInterrupt, for_each, options, work, str)


@pytest.mark.parametrize("command", ["localize", "segment"])
def test_odd_photographs_in_a_folder_are_read_or_named(command, commands, tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    photograph(folder / "a.jpg")
    Image.new("RGB", (30, 20)).save(folder / "b.jpg", exif=ODD_EXIF["text for a number"])
    (folder / "c.png").write_bytes(b"")
    (folder / "d.png").mkdir()
    os.symlink(folder / "e.png", folder / "e.png")
    photograph(folder / "z.png")
    assert main([*commands[command], str(folder), "--out", str(out)]) == 1
    printed = capsys.readouterr()
    assert "3 of 6 images" in printed.out and "3 could not be read" in printed.err
    assert all(name in printed.err for name in ("c.png", "d.png", "e.png")) and printed.err.count("\n") == 1


@pytest.mark.parametrize("command", ["localize", "segment"])
def test_the_folder_of_the_images_may_be_the_one_of_the_answers(command, commands, tmp_path, capsys):
    for name in ("a.png", "b.jpg"):
        photograph(tmp_path / name)
    arguments = [*commands[command], str(tmp_path), "--out", str(tmp_path)]
    assert main(arguments) == 0 and "2 of 2 images" in capsys.readouterr().out
    there = sorted(os.listdir(tmp_path))
    globbed = map(str, sorted(tmp_path.glob("*.png")))  # as *.png in a shell
    for again in (arguments, [*commands[command], str(tmp_path / "b.jpg"), *globbed, "--out", str(tmp_path)]):
        assert main(again) == 0
        printed = capsys.readouterr().out
        assert "of an earlier run" in printed and "are left out: " in printed
        assert "2 of 2 images" in printed
    if command == "localize":
        assert {image["file_name"] for image in json.loads((tmp_path / "boxes.json").read_text())["images"]} == {
            str(tmp_path / name) for name in ("a.png", "b.jpg")
        }
    assert set(there) <= set(os.listdir(tmp_path))


def test_each_command_leaves_out_what_the_other_one_wrote(commands, tmp_path, capsys):
    photograph(tmp_path / "a.png")
    for command in ("localize", "segment"):
        assert main([*commands[command], str(tmp_path), "--out", str(tmp_path)]) == 0
        assert "1 of 1 images" in capsys.readouterr().out
    (tmp_path / "a.png").unlink()
    assert main([*commands["segment"], str(tmp_path), "--out", str(tmp_path)]) == 1
    assert "all images that were named are pictures that an earlier run wrote" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["localize", "segment"])
def test_a_users_own_file_of_such_a_name_is_read_and_kept(command, commands, tmp_path, capsys):
    own = "0001_a.png" if command == "localize" else "a_color.png"
    photograph(tmp_path / "a.png")
    kept = photograph(tmp_path / own, seed=1).read_bytes()
    assert main([*commands[command], str(tmp_path / "a.png"), "--out", str(tmp_path)]) == 0
    assert (tmp_path / own).read_bytes() == kept
    assert main([*commands[command], str(tmp_path), "--out", str(tmp_path)]) == 0
    assert "2 of 2 images" in capsys.readouterr().out and (tmp_path / own).read_bytes() == kept


@pytest.mark.parametrize("text", ["[]", "{}", "null", "no json", '{"info": {"description": "Mine."}}', '{"info": 1}'])
def test_a_users_own_boxes_are_not_replaced(text, commands, tmp_path, capsys):
    photograph(tmp_path / "a.png")
    (tmp_path / "boxes.json").write_text(text)
    assert main([*commands["localize"], str(tmp_path / "a.png"), "--out", str(tmp_path)]) == 1
    assert "boxes.json is a file that this command did not write: move it away" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["a.png", "boxes.json"] and (tmp_path / "boxes.json").read_text() == text


def test_files_of_one_name_in_several_folders_do_not_meet(commands, tmp_path):
    files = [photograph(tmp_path / place) for place in ("x/a.png", "y/a.jpg", "z/A.png", "z/a-2.png")]
    for command, count in (("localize", 5), ("segment", 12)):
        out = tmp_path / command
        assert main([*commands[command], *map(str, files), "--out", str(out)]) == 0
        assert len({name.lower() for name in os.listdir(out)}) == count


def test_the_mark_survives_and_is_no_name(tmp_path):
    save_picture(np.zeros((2, 2, 3), np.uint8), tmp_path / "own.png")
    photograph(tmp_path / "0001_a.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG")
    assert [is_ours(tmp_path / name) for name in ("own.png", "0001_a.png", "bad.png", "no.png")] == [True, *[False] * 3]
    taken = set()
    names = [free_name(tmp_path, "own", [".png"], taken), free_name(tmp_path, "0001_a", [".png"], taken)]
    assert [*names, free_name(tmp_path, "OWN", [".png"], taken)] == ["own", "0001_a-2", "OWN-2"]


def test_a_picture_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    file, pixels = tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8)
    save_picture(pixels, file)
    before = file.read_bytes()

    def full(self, path, **_):
        path.write_bytes(before[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="a.png could not be written"):
        save_picture(pixels + 255, file)
    assert file.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["a.png"]
