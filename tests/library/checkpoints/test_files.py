"""Files of weights: what is checked before they are read, and what is said where they cannot be had."""

import errno

import pytest
import torch
from safetensors.torch import save_file

from drn_lib import checkpoints
from drn_lib.checkpoints.files import RELEASED, find_weights, read_weights, require_weights, task_of
from drn_lib.cli.commands import main
from drn_lib.datasets import downloads
from drn_lib.datasets.downloads import DownloadError
from drn_lib.network import create_model
from drn_lib.paths import cache_dir
from drn_lib.segmentation import network

FILE = "drn_c_26-ddedf421.pth"


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("DRN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DRN_OFFLINE", raising=False)


def fail_to_download(monkeypatch, sentence, cause):
    def fail(*_, **__):
        raise DownloadError(sentence) from cause

    monkeypatch.setattr(downloads, "download", fail)


@pytest.mark.parametrize("name", RELEASED)
@pytest.mark.parametrize("offline", [False, True])
def test_weights_that_cannot_be_had_are_one_sentence_with_file_and_hash(name, offline, monkeypatch):
    sentence = "http://x cannot be reached: check the network and run this again."
    fail_to_download(monkeypatch, sentence, ConnectionError())
    if offline:
        monkeypatch.setenv("DRN_OFFLINE", "1")
    with pytest.raises(FileNotFoundError) as caught:
        find_weights(name)
    said = str(caught.value)
    assert str(cache_dir() / "weights" / f"{name}-{RELEASED[name]}.pth") in said
    assert f"its SHA-256 begins with {RELEASED[name]}" in said
    assert "run this again" not in said and "\n" not in said
    assert ("DRN_OFFLINE=1" in said) is offline
    if not offline:
        assert str(caught.value.__cause__) == sentence


def test_a_full_disk_is_not_blamed_on_the_host(monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")
    fail_to_download(monkeypatch, "The disk of /x is full: free some space.", full)
    pytest.raises(DownloadError, find_weights, "drn_c_26").match("The disk of /x is full")


@pytest.mark.parametrize(
    "read",
    [
        read_weights,
        checkpoints.load_trained,
        lambda file: checkpoints.load_weights(create_model("drn_c_26", 3, 0.125), file),
        lambda file: network.load_segmentation(file, "drn_c_26"),
    ],
)
def test_a_file_with_a_released_name_is_checked_before_it_is_read(read, tmp_path, monkeypatch):
    file = tmp_path / FILE
    torch.save(create_model("drn_c_26", 3, 0.125).state_dict(), file)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was read"))
    pytest.raises(ValueError, read, file).match(f"{FILE} has SHA-256")


@pytest.mark.parametrize("arch", [[], ["--arch", "drn_c_26"]])
def test_the_commands_check_it_too(arch, tmp_path, capsys):
    (tmp_path / FILE).write_bytes(b"an error page")
    assert main(["evaluate", str(tmp_path / FILE), *arch]) == 1
    assert f"{FILE} has SHA-256" in capsys.readouterr().err


def test_the_task_is_told_by_our_own_files_alone(tmp_path):
    backbone = create_model("drn_d_22", 3, 0.125)
    pixels = network.save_segmentation(network.SegmentationNetwork(backbone, 3), tmp_path / "s.safetensors")
    images = checkpoints.save_weights(backbone, tmp_path / "c.safetensors")
    others = tmp_path / "o.safetensors"
    save_file({"w": torch.zeros(1)}, others)
    (tmp_path / "bad.safetensors").write_bytes(b"<html>")
    (tmp_path / "p.pth").write_bytes(b"")
    assert task_of(pixels) == network.TASK
    assert [task_of(file) for file in (images, others, tmp_path / "bad.safetensors", tmp_path / "p.pth")] == [None] * 4


@pytest.mark.parametrize(("weights", "arch"), [("classification/drn_c_27-s0", None), ("released", "drn_a_18")])
def test_a_name_that_nothing_stands_for_is_refused_before_anything_is_read(weights, arch):
    with pytest.raises(FileNotFoundError, match=arch or "drn_c_26-s0"):
        require_weights(weights, arch)
