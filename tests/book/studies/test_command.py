"""`python -m book.studies`: what it says, of wrong arguments too, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
import torch

from book.studies import plans, pool, runs
from book.studies.__main__ import main
from drn_lib import locks
from tests import ROOT
from tests.book.studies.trial import PLAN


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["first_networks", "--workers", "0"], "workers must be a whole number of 1 or more, not 0"),
        (["no-such-study", "--status"], "there is no plan in data/studies called 'no-such-study'"),
        (["first_networks", "--run", "drn_c_26-s9"], "there is no run 'drn_c_26-s9'; did you mean drn_c_26-s0"),
        (["first_networks", "--run", "drn_c_26"], "there is no run 'drn_c_26'; did you mean drn_c_26-s0"),
        (["first_networks", "--device", "cuda"], "torch sees no CUDA GPU here"),
        (
            ["first_networks", "--merge", "nowhere"],
            "nowhere has no folder results/first_networks: name",
        ),
    ],
)
def test_errors_are_one_sentence(arguments, says, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("python -m book.studies: ") and says in said and said.count("\n") == 1


@pytest.mark.parametrize("two", [["--status", "--list"], ["--run", "a", "--merge", "b"], ["--list", "--run", "a"]])
def test_two_commands_in_one_are_refused(two, capsys):
    with pytest.raises(SystemExit):
        main(["first_networks", *two])
    assert "not allowed with argument" in capsys.readouterr().err


def test_it_runs_as_a_module():
    ran = subprocess.run([sys.executable, "-m", "book.studies", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0 and "--status" in ran.stdout


@pytest.fixture
def trial(monkeypatch):
    """The study `trial` stands in the place of any."""
    monkeypatch.setattr(plans, "load_plan", lambda study: PLAN)


def test_the_list_is_alone_on_standard_output(done, trial, capsys, monkeypatch):
    monkeypatch.setattr(locks, "lock_holds", lambda folder: False)  # which would be said on standard error
    assert main(["trial", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = ["drn_a_18-s1", "resnet_18-s1", "a_levels-s0"]
    assert lines == [f"python -m book.studies trial --run {name}" for name in names]


def test_the_list_of_a_study_that_is_done_is_empty(done, trial, capsys, monkeypatch):
    monkeypatch.setattr(pool, "status", lambda plan: [pool.RunStatus("resnet_18-s0", 6, 6, 1.0, True)])
    assert main(["trial", "--list"]) == 0 and capsys.readouterr().out == ""


def test_a_done_run_says_so_and_leaves_it(done, trial, capsys):
    before = done["resnet_18"].read_bytes()
    assert main(["trial", "--run", "resnet_18-s0", "--device", "cpu"]) == 0
    assert capsys.readouterr().out == f"resnet_18-s0 is already done: {done['resnet_18']}\n"
    assert done["resnet_18"].read_bytes() == before


def test_a_run_that_another_process_is_at_is_to_be_tried_later(begun, trial, capsys):
    with locks.only_one(begun, "run resnet_18-s0"), pytest.raises(SystemExit) as ended:
        main(["trial", "--run", "resnet_18-s0", "--device", "cpu"])
    said = capsys.readouterr()
    assert ended.value.code == locks.TRY_LATER == 75 and not said.out
    assert said.err.startswith(f"python -m book.studies: another process is at run resnet_18-s0: {os.getpid()} on ")


def test_what_was_merged_is_printed_line_by_line(elsewhere, trial, trained, capsys):
    assert main(["trial", "--merge", str(trained)]) == 0
    assert capsys.readouterr().out == "drn_a_18-s0 copied\nresnet_18-s0 copied\n"


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN, lambda *_: None])
@pytest.mark.parametrize("fails", [False, True])
def test_sigterm_does_afterwards_what_it_did_before(elsewhere, trial, monkeypatch, before, fails):
    seen = []

    def run(*arguments):
        seen.append(signal.getsignal(signal.SIGTERM))
        if fails:
            raise ValueError("it fails")

    monkeypatch.setattr(pool, "run", run)
    own = signal.signal(signal.SIGTERM, before)
    try:
        assert main(["trial", "--device", "cpu"]) == int(fails)
        assert signal.getsignal(signal.SIGTERM) == before and seen != [before]
    finally:
        signal.signal(signal.SIGTERM, own)


def test_sigterm_ends_the_study_in_an_orderly_way(elsewhere, trial, monkeypatch):
    monkeypatch.setattr(pool, "run", lambda *arguments: signal.raise_signal(signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="stopped; the same command goes on"):
        main(["trial", "--device", "cpu"])
    assert signal.getsignal(signal.SIGTERM) == before


def test_outside_the_main_thread_signals_are_left_alone(elsewhere, trial, monkeypatch):
    ended = []
    monkeypatch.setattr(pool, "run", lambda *arguments: None)
    thread = threading.Thread(target=lambda: ended.append(main(["trial", "--device", "cpu"])))
    thread.start()
    thread.join()
    assert ended == [0]


@pytest.mark.parametrize("option", [["--status"], ["--list"], ["--run", "resnet_18-s0"]])
def test_what_does_not_start_workers_leaves_signals_alone(done, trial, option):
    before = signal.getsignal(signal.SIGTERM)
    assert main(["trial", "--device", "cpu", *option]) == 0 and signal.getsignal(signal.SIGTERM) == before


def test_folders_are_tried_before_the_first_worker_starts(elsewhere, trial, tmp_path, monkeypatch, capsys):
    (tmp_path / "results").write_text("a file")
    monkeypatch.setattr(pool, "_start_worker", lambda *arguments: pytest.fail("a worker starts"))
    assert main(["trial", "--device", "cpu"]) == 1
    assert "the results folder" in (said := capsys.readouterr().err) and said.count("\n") == 1
    with pytest.raises(ValueError, match="the results folder"):
        runs.run_one(PLAN, "resnet_18", 0)


def test_what_a_study_does_where_nothing_is_said(monkeypatch, trial):
    asked = []
    monkeypatch.setattr(pool, "run", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["trial"]) == main(["trial", "--workers", "5", "--device", "cpu"]) == 0
    assert asked == [(PLAN, 2, "cpu"), (PLAN, 5, "cpu")]


def test_a_study_has_a_name(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2 and "study" in capsys.readouterr().err
