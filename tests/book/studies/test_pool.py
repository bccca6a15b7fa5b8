"""Workers of a study, what they do beside other processes, and how far a study is."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from book.studies import files, pool, runs
from drn_lib import locks
from tests import ROOT
from tests.book.studies.trial import PLAN, TINY

NAMES = [PLAN.run_name(*run) for run in PLAN.runs()]
WORKER = """#!{python}
# What `python -m book.studies` does up to reading the plan, which lasts as long as this process; without torch.
import os, sys, time, types
sys.path.insert(0, {root!r})
for name, has in (("book.studies.pool", ()), ("drn_lib.distributed", ("device_of",))):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(dict.fromkeys(has))
from book.studies import __main__ as command, plans
def load_plan(study):
    open({pids!r}, "a").write(f"{{os.getpid()}}\\n")
    time.sleep(60)
plans.load_plan = load_plan
command.main(sys.argv[3:])
"""


@pytest.fixture
def start_by(monkeypatch):
    """Puts something in the place of starting a worker, and of waiting for it."""

    def put(start, sleep=lambda seconds: time.sleep(0.02)):
        monkeypatch.setattr(pool, "_start_worker", start)
        monkeypatch.setattr(pool, "time", SimpleNamespace(sleep=sleep, strftime=time.strftime))

    return put


def test_status_and_hours_left(elsewhere, trained, tmp_path):
    assert [item.done for item in pool.status(PLAN)] == [False] * 5
    assert pool.hours_left(PLAN, pool.status(PLAN)) is None
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    statuses = pool.status(PLAN)[:4]
    assert [item.name for item in statuses if item.done] == ["drn_a_18-s0", "resnet_18-s0"]
    expected = sum(item.seconds for item in statuses if item.done) / 3600  # the same again with the other seed
    assert pool.hours_left(PLAN, statuses) == (pytest.approx(expected), False)
    report = pool.report(PLAN)
    assert "the study: 2 done, 2 left: 0.0 h" in report
    assert "if hours are left: 0 done, 1 left: about 0.0 h" in report  # it has never run: guessed from the others


def test_a_network_that_has_never_run_is_taken_to_cost_by_its_multiply_adds():
    def status(name, done):
        return pool.RunStatus(f"{name}-s0", 10 if done else 0, 10, 7200.0 if done else 0.0, done, False)

    work = {name: pool._work(variant) for name, variant in PLAN.variants.items()}
    hours, guessed = pool.hours_left(PLAN, [status("drn_a_18", True), status("a_levels", False)])
    assert guessed and hours == pytest.approx(2 * work["a_levels"] / work["drn_a_18"])
    assert work["a_levels"] > 2 * work["drn_a_18"]  # 24 px against 16, whose last maps have 9 cells and 4


def test_of_a_run_that_has_begun_only_the_rest_is_left():
    begun = pool.RunStatus("drn_a_18-s0", 4, 16, 3600.0, False)
    assert pool.hours_left(PLAN, [begun]) == (pytest.approx(3.0), False)


def test_seconds_of_a_gpu_tell_nothing_of_a_cpus_hours(done):
    slow = pool.RunStatus("drn_a_18-s0", 10, 10, 7200.0, True)
    fast = pool.RunStatus("drn_a_18-s1", 10, 10, 72.0, True, on_a_cpu=False)
    left = pool.RunStatus("drn_a_18-s2", 0, 0, 0.0, False)
    assert pool.hours_left(PLAN, [slow, fast, left]) == (pytest.approx(2.0), False)
    assert pool.hours_left(PLAN, [fast, left]) is None
    file = done["drn_a_18"]
    file.write_text(json.dumps({**json.loads(file.read_text()), "device": "Tesla T4 (GPU), AMD EPYC"}))
    assert [item.on_a_cpu for item in pool.status(PLAN)[:2]] == [False, True]


@pytest.mark.parametrize("workers", [0, -1, True, 1.5, "2"])
def test_a_study_without_workers_is_refused(elsewhere, workers):
    with pytest.raises(ValueError, match=f"workers must be a whole number of 1 or more, not {workers!r}"):
        pool.run(PLAN, workers)


def test_workers_compute_on_the_device_that_the_study_was_given(elsewhere, monkeypatch, start_by):
    said = []

    def start(command, **options):
        said.append(command[command.index("book.studies") :])
        return subprocess.Popen([sys.executable, "-c", ""], **options)

    monkeypatch.setattr(
        pool, "subprocess", SimpleNamespace(Popen=start, STDOUT=subprocess.STDOUT, PIPE=subprocess.PIPE)
    )
    start_by(pool._start_worker)
    pool.run(PLAN, workers=5, device="cuda")
    assert [words[words.index("--device") + 1] for words in said] == ["cuda"] * 5


def test_workers_run_side_by_side_and_failures_are_named(elsewhere, start_by):
    running, most = [], []

    def start(plan, name, device):
        code = f"import time, sys; time.sleep(0.2); sys.exit({int(name == 'resnet_18-s0')})"
        process = subprocess.Popen([sys.executable, "-c", code])
        running.append(process)
        most.append(sum(process.poll() is None for process in running))
        return process

    start_by(start)
    with pytest.raises(RuntimeError, match="1 of the runs failed: resnet_18-s0"):
        pool.run(PLAN, workers=2)
    assert len(running) == 5 and max(most) == 2


def test_a_stopped_study_leaves_no_worker_behind(elsewhere, start_by):
    running = []

    def start(plan, name, device):
        running.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        return running[-1]

    def stop(seconds):
        raise KeyboardInterrupt

    start_by(start, stop)
    with pytest.raises(KeyboardInterrupt):
        pool.run(PLAN, workers=2)
    assert len(running) == 2 and [process.wait(timeout=10) for process in running] == [-15, -15]


def ended(status=0):
    """A worker that has ended already."""
    return SimpleNamespace(poll=lambda: status, returncode=status, terminate=lambda: None, wait=lambda: None)


@pytest.mark.parametrize("other_ends_well", [True, False])
def test_a_run_that_another_process_is_at_is_left_to_it_and_awaited(
    elsewhere, start_by, capsys, tmp_path, trained, other_ends_well
):
    started, ticks, other = [], [], ExitStack()
    folder = PLAN.work_folder("drn_a_18-s0")  # the first run of the plan
    folder.mkdir(parents=True)
    other.enter_context(locks.only_one(folder, "run drn_a_18-s0"))

    def sleep(seconds):
        ticks.append(list(started))
        if len(ticks) == 8:
            if other_ends_well:
                shutil.copytree(trained / "results", tmp_path / "results")
            other.close()

    start_by(lambda plan, name, device: started.append(name) or ended(), sleep)
    pool.run(PLAN, workers=1)
    assert ticks[7] == NAMES[1:]  # all others came first
    assert started == (NAMES[1:] if other_ends_well else [*NAMES[1:], NAMES[0]])
    said = capsys.readouterr().out
    assert said.count(f"another process is at run drn_a_18-s0: {os.getpid()} on ") == 1 and "FAILED" not in said
    assert said.count("drn_a_18-s0 done by another process") == other_ends_well


def test_a_worker_that_came_second_has_not_failed(elsewhere, start_by, capsys):
    started = []

    def start(plan, name, device):
        started.append(name)
        return ended(locks.TRY_LATER if started.count(name) < 3 and name == NAMES[0] else 0)

    start_by(start, lambda seconds: None)
    pool.run(PLAN, workers=2)
    assert started.count(NAMES[0]) == 3 and set(started) == set(NAMES)
    said = capsys.readouterr().out
    assert "FAILED" not in said and said.count(f"{NAMES[0]}: another process was faster, its end is awaited") == 2


def test_a_run_that_the_other_process_could_not_end_fails_here_too_and_is_named(elsewhere, start_by):
    start_by(lambda plan, name, device: ended(int(name == NAMES[0])), lambda seconds: None)
    with pytest.raises(RuntimeError, match=f"1 of the runs failed: {NAMES[0]};"):
        pool.run(PLAN, workers=2)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_workers_end_with_their_parent_however_it_ends(elsewhere, monkeypatch, tmp_path, how):
    worker, pids = tmp_path / "worker", tmp_path / "pids"
    worker.write_text(WORKER.format(python=sys.executable, root=str(ROOT), pids=str(pids)))
    worker.chmod(0o755)
    monkeypatch.setattr(pool, "sys", SimpleNamespace(executable=str(worker), stderr=sys.stderr))
    parent = os.fork()
    if parent == 0:
        try:
            for ignored in (signal.SIGTERM, signal.SIGHUP):  # under nohup the second one is
                signal.signal(ignored, signal.SIG_DFL)
            pool.run(PLAN, workers=2)
        finally:
            os._exit(1)
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, 20)
    workers = [int(pid) for pid in pids.read_text().split()]
    assert all(map(is_alive, workers))
    os.kill(parent, how)
    os.waitpid(parent, 0)
    wait_until(lambda: not any(map(is_alive, workers)), 2)


def wait_until(true, seconds):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


def is_alive(pid):
    """Whether a process runs; one that has ended, and whose new parent has not asked for its status, does not."""
    try:
        return subprocess.check_output(["ps", "-o", "stat=", "-p", str(pid)], text=True)[0] != "Z"
    except subprocess.CalledProcessError:
        return False


def test_locks_that_do_not_hold_are_told(elsewhere, monkeypatch, capsys):
    monkeypatch.setattr(locks, "lock_holds", lambda folder: False)
    runs.check_folders(PLAN)
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "do not hold between machines: let no two of them" in said.err and not said.out


@pytest.mark.parametrize(
    "state",
    [
        {"run": json.dumps({"images": 12}), "step": 10**9, "seconds": 1.0},
        {"run": json.dumps({"images": 12}), "step": -1, "seconds": 1.0},
        {"run": json.dumps({"images": 12}), "step": 3, "seconds": float("nan")},
        {"run": json.dumps({"images": 12}), "seconds": 1.0},
        {"run": json.dumps([]), "step": 3, "seconds": 1.0},
        {"run": json.dumps({"images": "12"}), "step": 3, "seconds": 1.0},
        {"run": "not JSON", "step": 3, "seconds": 1.0},
        {},
        [1],
    ],
)
def test_a_state_that_cannot_be_one_counts_as_nothing(begun, state):
    torch.save(state, begun / "state.pt")
    found = next(item for item in pool.status(PLAN) if item.name == "resnet_18-s0")
    assert (found.step, found.total_steps, found.seconds, found.done) == (0, 0, 0.0, False)
    assert "resnet_18-s0                     not begun" in pool.report(PLAN)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("run.json", "[]", "run.json is not a run as its study left it"),
        ("drn_a_18-s7.json", "", "drn_a_18-s7.json is not complete JSON"),
        ("resnet_18-s0.json", "{}", "resnet_18-s0.json is not a run as its study left it"),
        (
            "copy_of_drn_a_18-s0.json",
            None,
            "it holds the run drn_a_18-s0 of the study trial; give the file its own name",
        ),
    ],
)
def test_the_status_reads_all_results_of_the_study(done, name, content, says):
    pool.report(PLAN)
    file = done["drn_a_18"]
    file.with_name(name).write_text(file.read_text() if content is None else content)
    for look in (pool.report, pool.commands, lambda plan: pool.run(plan, 1)):
        with pytest.raises(files.ResultsError, match=says):
            look(PLAN)


def test_the_list_holds_a_command_for_each_run_that_is_left(done):
    left = ["drn_a_18-s1", "resnet_18-s1", "a_levels-s0"]
    assert pool.commands(PLAN) == [f"python -m book.studies trial --run {name}" for name in left]
    assert pool.commands(PLAN, "cuda 1")[0] == f"python -m book.studies trial --run {left[0]} --device 'cuda 1'"


class TestMerge:
    """`merge` copies from `trained`'s folder, as another checkout's."""

    def test_what_is_missing_is_copied_and_counts_as_done(self, elsewhere, trained, tmp_path):
        assert list(pool.merge(PLAN, trained)) == ["drn_a_18-s0 copied", "resnet_18-s0 copied"]
        for folder in ("results", "checkpoints"):
            copied = {file.name: file.read_bytes() for file in (tmp_path / folder / "trial").iterdir()}
            assert copied == {file.name: file.read_bytes() for file in (trained / folder / "trial").iterdir()}
        assert [item.name for item in pool.status(PLAN) if item.done] == ["drn_a_18-s0", "resnet_18-s0"]

    def test_a_run_done_twice_is_told_and_ours_kept(self, done, trained, tmp_path):
        file = done["resnet_18"]
        run = json.loads(file.read_text())
        run["metrics"]["final.test.loss"] += 1.0
        file.write_text(json.dumps(run))
        before = {file: file.read_bytes() for file in tmp_path.rglob("*-s*.*")}
        assert list(pool.merge(PLAN, trained)) == [
            "resnet_18-s0 was done twice, with other metrics (final.test.loss): the one here is kept",
        ]
        assert {file: file.read_bytes() for file in tmp_path.rglob("*-s*.*")} == before

    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("results/trial/resnet_18-s0.json", b"{", "resnet_18-s0.json is not complete JSON"),
            ("results/trial/resnet_18-s0.json", b"[]", "resnet_18-s0.json is not a run"),
            ("results/trial/resnet_18-s0.npz", None, "resnet_18-s0 lacks .*resnet_18-s0.npz"),
            ("checkpoints/trial/resnet_18-s0.safetensors", None, "resnet_18-s0 lacks .*safetensors"),
            ("results/trial/resnet_18-s0.npz", b"PK", "resnet_18-s0.npz is not a whole file"),
            (
                "checkpoints/trial/resnet_18-s0.safetensors",
                b"\x08\0\0\0\0\0\0\0{}",
                "resnet_18-s0.safetensors is damaged",
            ),
            ("results/trial/resnet_19-s0.json", b"{}", "there is no run 'resnet_19-s0'; did you mean .*resnet_18-s0"),
        ],
    )
    def test_what_is_damaged_or_strange_is_named_and_the_others_copied(
        self, elsewhere, trained, tmp_path, name, content, says
    ):
        there = tmp_path / "there"
        shutil.copytree(trained, there)
        (there / name).unlink() if content is None else (there / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"^1 of the runs were not copied: .*{says}"):
            list(pool.merge(PLAN, there))
        copied = ["drn_a_18-s0", "resnet_18-s0"] if "19" in name else ["drn_a_18-s0"]
        assert [item.name for item in pool.status(PLAN) if item.done] == copied
        assert not list((tmp_path / "results/trial").glob("resnet_19*"))

    def test_a_run_by_another_recipe_or_in_work_here_is_not_copied(self, elsewhere, trained):
        changed = replace(PLAN.variants["resnet_18"], recipe=replace(TINY, lr=0.02))
        plan = replace(PLAN, variants={**PLAN.variants, "resnet_18": changed})
        folder = plan.work_folder("drn_a_18-s0")
        folder.mkdir(parents=True)
        says = "2 of the runs .*: another process is at run drn_a_18-s0.*resnet_18-s0.json was trained"
        with locks.only_one(folder, "run drn_a_18-s0"), pytest.raises(ValueError, match=says):
            list(pool.merge(plan, trained))
        assert not any(item.done for item in pool.status(plan))

    def test_a_folder_without_the_study_is_refused(self, elsewhere, tmp_path):
        with pytest.raises(ValueError, match="has no folder results/trial: name the folder data of another checkout"):
            list(pool.merge(PLAN, tmp_path))


def of(name, done, minutes=0.0, **more):
    """A run of 10 steps, done or not begun."""
    return pool.RunStatus(name, 10 if done else 0, 10 if done else 0, 60.0 * minutes, done, **more)


DONE, LEFT = of("drn_a_18-s0", True, 90), of("drn_a_18-s1", False)
HALF = pool.RunStatus("resnet_18-s0", 5, 10, 1800.0, False)
EXTRA, SOME = of("a_levels-s0", False, optional=True), "unknown until a run has begun"


@pytest.mark.parametrize(
    ("statuses", "lines"),
    [
        ([DONE], ["the study: 1 done, 0 left: 0.0 h of one thread"]),
        ([LEFT], [f"the study: 0 done, 1 left: {SOME}"]),
        ([LEFT, EXTRA], [f"the study: 0 done, 1 left: {SOME}", f"if hours are left: 0 done, 1 left: {SOME}"]),
        ([EXTRA], [f"if hours are left: 0 done, 1 left: {SOME}"]),
        ([DONE, LEFT], ["the study: 1 done, 1 left: 1.5 h of one thread"]),
        ([HALF], ["the study: 0 done, 1 left: 0.5 h of one thread"]),
        (
            [DONE, EXTRA],
            [
                "the study: 1 done, 0 left: 0.0 h of one thread",
                "if hours are left: 0 done, 1 left: about 6.0 h of one thread",
            ],
        ),
    ],
)
def test_the_report_by_hand(monkeypatch, statuses, lines):
    monkeypatch.setattr(pool, "status", lambda plan: statuses)
    monkeypatch.setattr(pool, "_work", lambda variant: {"a_levels": 8}.get(variant.name, 2))
    assert pool.report(PLAN).splitlines()[len(statuses) :] == lines


def test_a_line_of_the_report_says_how_far_a_run_is(monkeypatch):
    monkeypatch.setattr(pool, "status", lambda plan: [DONE, HALF, EXTRA])
    assert pool.report(PLAN).splitlines()[:3] == [
        "drn_a_18-s0                      done         90.0 min",
        "resnet_18-s0                     50 %         30.0 min",
        "a_levels-s0                      not begun     0.0 min  (optional)",
    ]


def test_hours_of_several_networks_are_guessed_by_the_middle_pace(monkeypatch):
    work = {"drn_a_18": 1, "resnet_18": 2, "a_levels": 10}
    monkeypatch.setattr(pool, "_work", lambda variant: work[variant.name])
    slow, fast = of("drn_a_18-s0", True, 60), of("resnet_18-s0", True, 40)  # 60 and 20 minutes a unit of work
    assert pool.hours_left(PLAN, [slow, fast, EXTRA]) == (pytest.approx(10 * 40 / 60), True)
    assert pool.hours_left(PLAN, [slow, fast, of("resnet_18-s1", False)]) == (pytest.approx(40 / 60), False)


def test_work_is_multiply_adds_times_epochs():
    variant = PLAN.variants["drn_a_18"]
    twice = replace(variant, recipe=replace(TINY, epochs=2 * TINY.epochs))
    assert pool._work(twice) == 2 * pool._work(variant) > 0
    assert pool._work(replace(variant, recipe=replace(TINY, width=0.25))) > 2 * pool._work(variant)


def test_commands_name_the_device_where_one_is_wanted(monkeypatch):
    monkeypatch.setattr(pool, "status", lambda plan: [DONE, LEFT])
    assert pool.commands(PLAN) == ["python -m book.studies trial --run drn_a_18-s1"]
    assert pool.commands(PLAN, "cuda:1") == ["python -m book.studies trial --run drn_a_18-s1 --device cuda:1"]


def test_how_far_a_run_is_stands_in_its_state(begun):
    def state(step, seconds, images=10):
        torch.save({"run": json.dumps({"images": images}), "step": step, "seconds": seconds}, begun / "state.pt")
        return pool._progress(TINY, begun)

    assert pool._progress(TINY, begun) == (0, 0, 0.0)
    assert state(0, 0.0) == (0, 6, 0.0) and state(6, 2.5) == (6, 6, 2.5) and state(3, 1, 12) == (3, 6, 1.0)
    for wrong in ((7, 1.0), (-1, 1.0), (1, -0.5), (1, float("inf")), (1, float("nan"))):
        assert state(*wrong) == (0, 0, 0.0)
