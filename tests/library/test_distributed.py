"""Several processes: equal to one that accumulates, one's end is everyone's, and the same under torchrun."""

from __future__ import annotations

import socket
import sys

import pytest
import torch

from drn_lib import distributed
from drn_lib.training.batches import BatchPlan
from tests import ROOT
from tests.library import fake_imagenet, run, run_check


@pytest.mark.slow
def test_two_processes_equal_one_that_accumulates_their_shares(tmp_path):
    said = run_check("two_processes", tmp_path, "equal", "uneven")
    assert "the loss fell by" in said
    assert said.count("a batch of 1 images for 2 processes") == 2  # each refuses, before anything is trained
    assert not (tmp_path / "state.pt").exists()


@pytest.mark.slow
def test_a_killed_process_ends_all_and_the_resumed_run_ends_the_same(tmp_path):
    said = run_check("two_processes", tmp_path, "killed").splitlines()
    assert said[0].startswith("process 0: ProcessEnded: another process of this training ended")
    assert str(tmp_path / "disturbed" / "state.pt") in said[0]
    assert "belongs to another run (different processes)" in said[-1]


SCRIPT = """
import os, signal, sys
sys.path.insert(0, {root!r})
from drn_lib import distributed
from drn_lib.cli import main
from drn_lib.training import loop
loop.STATE_EVERY_SECONDS = 0.0
mean = distributed.Group.mean
steps = 0
def mean_or_die(group, value):
    global steps
    steps += 1
    if group.rank == 1 and steps == int(os.environ.get("DIE_AT_STEP", "0")):
        os.kill(os.getpid(), signal.SIGKILL)
    return mean(group, value)
distributed.Group.mean = mean_or_die
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_the_command_under_torchrun_killed_in_mid_epoch_and_resumed(tmp_path):
    """The files' path: two processes with a reader each, killed at the fifth of six steps, then resumed."""
    root, out = fake_imagenet.make(tmp_path / "data"), tmp_path / "out"
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(root=str(ROOT)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}"]
    command += [str(script), "train", *fake_imagenet.arguments(), "--arch", "drn_a_18", "--device", "cpu"]
    command += ["--root", str(root), "--workers", "1", "--out", str(out)]
    killed = run(*command, DIE_AT_STEP="5")
    assert killed.returncode != 0
    assert killed.stderr.count("another process of this training ended") == 1, killed.stderr
    assert torch.load(out / "state.pt", weights_only=True)["step"] == 4
    assert not (out / "drn_a_18-s0.safetensors").exists()

    resumed = run(*command)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.count("top-1 error on the val part after epoch 2") == 1  # one process speaks
    assert torch.load(out / "state.pt", weights_only=True)["step"] == 6
    assert (out / "drn_a_18-s0.safetensors").exists()
    assert [line.split(",")[0] for line in (out / "log.csv").read_text().splitlines()] == ["epoch", "1", "2"]


def test_without_torchrun_a_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    group = distributed.join("cpu")
    assert (group.rank, group.world, group.leads) == (0, 1, True)
    assert group.mean(torch.tensor(3.0)).item() == 3.0
    distributed.leave()  # nothing to leave


def test_the_shares_of_a_batch_are_the_batch():
    whole = list(BatchPlan(23, 8, 2, seed=1))
    shares = [list(BatchPlan(23, 8, 2, 1, rank, world=3)) for rank in range(3)]
    assert len(whole) == 6
    for step, (epoch, batch) in enumerate(whole):
        parts = [share[step][1].tolist() for share in shares]
        assert [share[step][0] for share in shares] == [epoch] * 3
        assert sorted(sum(parts, [])) == sorted(batch.tolist())
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert len(batch) == BatchPlan(23, 8, 2, 1).size(step)


@pytest.mark.parametrize("first_step", [1, 3, 4])
def test_a_resumed_plan_is_the_rest_of_the_whole(first_step):
    whole = list(BatchPlan(23, 8, 2, seed=1))
    rest = list(BatchPlan(23, 8, 2, 1, first_step=first_step))
    assert len(rest) == 6 - first_step
    for (epoch, batch), (rest_epoch, rest_batch) in zip(whole[first_step:], rest, strict=True):
        assert epoch == rest_epoch and torch.equal(batch, rest_batch)


def test_other_errors_are_not_taken_for_a_lost_process(tmp_path):
    group = distributed.Group(0, 2, torch.device("cpu"))
    with pytest.raises(RuntimeError, match="out of memory"):
        with distributed.abort_all_on_failure(group, tmp_path, None):
            raise RuntimeError("out of memory")
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:1")
    told = []
    for rank in (0, 1, 2):
        with pytest.raises(distributed.ProcessEnded, match="nothing was saved yet") as caught:
            with distributed.abort_all_on_failure(distributed.Group(rank, 3, torch.device("cpu")), tmp_path, None):
                raise lost
        told.append(caught.value.silent)
    assert told == [False, True, True]  # one of the survivors speaks
