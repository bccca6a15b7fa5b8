"""The checks of `make gpu-check`, on a CPU and small, so that they cannot rot; what a GPU does is not tested here."""

from __future__ import annotations

import pytest
import torch

from tests.checks import gpu_check

CPU = torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: make gpu-check says what it does")
def test_without_a_gpu_one_sentence_and_a_status_of_its_own(capsys):
    assert gpu_check.main() == gpu_check.NO_GPU
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "no GPU" in said.err


@pytest.mark.slow
def test_half_precision_is_compared_with_single(monkeypatch):
    monkeypatch.setattr(gpu_check, "STEPS", 3)
    found = gpu_check.half_precision(CPU, 0.125, 32, 8)
    assert found["ok"] and found["largest relative difference"] > 0, found
    assert gpu_check.farthest([2.0, 1.0], [2.0, 0.5]) == 0.25


def test_boxes_are_compared_for_every_answer_to_the_empty_case():
    assert gpu_check.boxes_where_the_map_is(CPU) == {"ok": True, "empty": dict.fromkeys(gpu_check.EMPTY, True)}


def test_a_studys_precision_is_compared_with_a_cpus(monkeypatch):
    monkeypatch.setattr(gpu_check, "STEPS", 2)
    assert gpu_check.study_precision(CPU, 0.125, 32, 4) == {"ok": True, "largest relative difference": 0.0}
    far = iter([[2.0, 1.0], [2.0, 1.1]])
    monkeypatch.setattr(gpu_check, "losses", lambda *_: next(far))
    assert not gpu_check.study_precision(CPU)["ok"]


@pytest.mark.slow
def test_a_whole_run_of_a_study_is_recorded(monkeypatch):
    monkeypatch.setattr(gpu_check.runs.grids, "IMAGES", 2)
    found = gpu_check.whole_run(CPU)
    assert found["ok"] and "(GPU)" not in found["device"], found


@pytest.mark.slow
def test_a_stopped_run_is_resumed_and_compared():
    assert gpu_check.resume(CPU) == {"ok": True, "largest relative difference": 0.0}  # a CPU repeats every bit


def test_throughput_counts_images():
    found = gpu_check.throughput(CPU, ("drn_a_18",), 32, 2, 1)
    assert found["ok"] and set(found["images a second"]["drn_a_18"]) == {"training", "forward"}


def test_a_failed_command_says_its_last_line():
    assert gpu_check.ran(["true"]) == {"ok": True}
    assert gpu_check.ran(["ls", "no-such-file"])["said"].endswith("No such file or directory")
