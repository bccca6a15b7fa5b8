"""Studies: one whole run and what it leaves, workers, status. On a few random images, in seconds."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from filelock import FileLock

from book.studies import files, plans, pool, provenance, runs
from drn_lib import paths
from drn_lib.architecture import DILATION_RULES
from drn_lib.checkpoints.weights import save_weights
from drn_lib.network import create_model
from drn_lib.training.recipes import ClassificationRecipe

TINY = ClassificationRecipe(
    "tiny", "random", image_size=16, width=0.125, epochs=2, batch_size=4, lr=0.05, crop_padding=2
)
PLAN = plans.Plan(
    "trial",
    {
        "drn_a_18": plans.Variant("drn_a_18", "drn_a_18", TINY),
        "resnet_18": plans.Variant("resnet_18", "resnet_18", TINY),
        "a_levels": plans.Variant("a_levels", "drn_a_18", replace(TINY, image_size=24), "levels"),
    },
    (
        plans.Wave(("drn_a_18", "resnet_18"), (0,), keep_weights=(0,)),
        plans.Wave(("drn_a_18", "resnet_18"), (0, 1)),
        plans.Wave(("a_levels",), (0,), optional=True),
    ),
)


class RandomSet:
    """Twelve random images of three classes, other ones in each part."""

    classes = ["a", "b", "c"]

    def __init__(self, part):
        self.part = part
        generator = torch.Generator().manual_seed(len(part))
        self.images = torch.randint(0, 256, (12, 3, 16, 16), generator=generator, dtype=torch.uint8)
        self.labels = torch.arange(12) % 3
        self.fingerprint = hashlib.sha256(part.encode()).hexdigest()

    def __len__(self):
        return len(self.labels)

    def arrays(self):
        return self.images, self.labels


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Results, weights and working folders under tmp_path; random images for data. Gives the parts as they open."""
    return redirect(monkeypatch, tmp_path)


def redirect(monkeypatch, folder):
    monkeypatch.setattr(files, "results_dir", lambda: folder / "results")
    monkeypatch.setattr(paths, "checkpoints_dir", lambda: folder / "checkpoints")
    monkeypatch.setenv("DRN_CACHE", str(folder / "cache"))
    opened = []
    monkeypatch.setattr(runs, "open_dataset", lambda name, part, **options: opened.append(part) or RandomSet(part))
    monkeypatch.setattr(runs, "LATTICE_IMAGES", 2)
    monkeypatch.setattr(runs, "LATTICE_SIZE", 128)  # period 4 needs 16 cells a side
    return opened


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the finished runs drn_a_18-s0 and resnet_18-s0, trained once."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as monkeypatch:
        redirect(monkeypatch, folder)
        for network in ("drn_a_18", "resnet_18"):
            runs.run_one(PLAN, network, 0)
    return folder


@pytest.fixture
def done(elsewhere, trained, tmp_path):
    """As `elsewhere`, with a copy of the finished runs; gives their JSON files by network."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return {network: PLAN.result_file(f"{network}-s0") for network in ("drn_a_18", "resnet_18")}


@pytest.fixture
def begun(elsewhere):
    """The working folder of the run resnet_18-s0, which is empty."""
    folder = PLAN.work_folder("resnet_18-s0")
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def start_by(monkeypatch):
    """Puts something in the place of starting a worker, and of waiting for it."""

    def put(start, sleep=lambda seconds: time.sleep(0.02)):
        monkeypatch.setattr(pool, "_start_worker", start)
        monkeypatch.setattr(pool, "time", SimpleNamespace(sleep=sleep, strftime=time.strftime))

    return put


def test_one_run_leaves_json_outcomes_and_weights(elsewhere, tmp_path):
    file = runs.run_one(PLAN, "drn_a_18", 0)
    run = json.loads(file.read_text())
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(run, json.loads((paths.data_dir() / "results" / "schema.json").read_text()))
    wrong = 100 * (1 - np.load(file.with_suffix(".npz"))["correct"].mean())
    assert run["metrics"]["final.test.top1"] == pytest.approx(wrong, abs=1e-3)
    assert len(run["curve"]) == 2 and run["steps"] == 6
    assert run["dataset"]["counts"] == {"train": 12, "tune": 12, "test": 12}
    assert "lattice_energy.level_6" in run["metrics"] and "lattice_energy_untrained.level_6" in run["metrics"]
    assert PLAN.weights_file("drn_a_18-s0").exists()
    assert elsewhere == ["train", "tune", "test"]  # the test part is opened once, last


def test_weights_only_of_the_seeds_that_the_plan_keeps(elsewhere):
    runs.run_one(PLAN, "resnet_18", 1)
    assert not PLAN.weights_file("resnet_18-s1").exists()


def test_a_variant_has_its_own_size_and_rule_and_the_json_says_so(elsewhere):
    run = json.loads(runs.run_one(PLAN, "a_levels", 0).read_text())
    assert (run["variant"], run["architecture"], run["dilation_rule"]) == ("a_levels", "drn_a_18", "levels")
    assert run["recipe"]["image_size"] == 24


def test_a_trained_resnet_is_also_scored_dilated_afterwards(done):
    metrics = json.loads(done["resnet_18"].read_text())["metrics"]
    assert {f"posthoc.{rule}.test.top1" for rule in DILATION_RULES} <= set(metrics)
    assert {f"posthoc.{rule}.lattice_energy.score_map" for rule in DILATION_RULES} <= set(metrics)
    assert not [key for key in json.loads(done["drn_a_18"].read_text())["metrics"] if key.startswith("posthoc")]


def test_a_pilot_opens_no_test_image(elsewhere):
    run = json.loads(runs.run_one(replace(PLAN, scored_part="tune"), "drn_a_18", 0).read_text())
    assert "test" not in elsewhere and "final.tune.top1" in run["metrics"]
    assert not [key for key in run["metrics"] if ".test." in key]


@pytest.mark.parametrize(("dataset", "trained_at", "measured_at"), [("tiny-imagenet", 16, 16), ("clutter", 32, 16)])
def test_objects_are_looked_for_at_the_scale_of_training(elsewhere, monkeypatch, dataset, trained_at, measured_at):
    """A network trained on canvases saw its objects at half of their side: so are the plain images shown to it."""
    monkeypatch.setattr(runs, "SIZE", 16)  # of the plain images here
    monkeypatch.setattr(runs, "open_clutter", lambda part: SimpleNamespace(side=32, fingerprint="0" * 64, part=part))
    asked, epochs = [], []
    monkeypatch.setattr(
        runs, "training_canvases", lambda canvases, seed: lambda epoch: epochs.append((seed, epoch)) or canvases.images
    )

    def measure(model, image_size, tune, test, clutter):
        asked.append((image_size, tune.part, test.part, [canvases.part for canvases in clutter]))
        return {"clutter.pointing_error": 50.0}, {"clutter.pointing": np.zeros(3, bool)}

    monkeypatch.setattr(runs.localization, "measure", measure)
    tiny = replace(TINY, dataset=dataset, image_size=trained_at, epochs=2)
    plan = replace(PLAN, variants={"resnet_18": plans.Variant("resnet_18", "resnet_18", tiny)})
    file = runs.run_one(plan, "resnet_18", 1)
    assert asked == [(measured_at, "tune", "test", ["tune", "test"])]
    assert epochs == ([(1, 0), (1, 1)] if dataset == "clutter" else [])  # canvases are drawn anew
    assert json.loads(file.read_text())["metrics"]["clutter.pointing_error"] == 50.0
    assert np.load(file.with_suffix(".npz"))["clutter.pointing"].shape == (3,)


def test_a_done_run_is_not_repeated(elsewhere, done):
    file = done["resnet_18"]
    before = file.read_bytes()
    assert runs.run_one(PLAN, "resnet_18", 0) == file
    assert elsewhere == [] and file.read_bytes() == before


def test_a_run_that_was_trained_by_another_recipe_does_not_count_as_done(done):
    file = done["resnet_18"]
    changed = replace(PLAN.variants["resnet_18"], recipe=replace(TINY, lr=0.02))
    plan = replace(PLAN, variants={**PLAN.variants, "resnet_18": changed})
    for count in (lambda: runs.run_one(plan, "resnet_18", 0), lambda: pool.status(plan)):
        with pytest.raises(ValueError, match=f"{file.name} of study trial was trained with another lr than its plan"):
            count()


def test_a_run_that_moved_names_all_devices_that_worked_at_it(begun, monkeypatch):
    monkeypatch.setattr(provenance, "device_name", lambda device: f"the {device}")
    provenance.noted(begun, "devices", "the cuda")
    provenance.noted(begun, "torch", "2.9")
    run = json.loads(runs.run_one(PLAN, "resnet_18", 0).read_text())
    assert run["device"] == "the cuda, the cpu" == provenance.noted(begun, "devices", "the cuda")
    assert run["torch"] == f"2.9, {torch.__version__}"


def test_a_run_says_which_weights_it_began_from_and_which_code_began_it(elsewhere, monkeypatch):
    torch.manual_seed(5)
    file = paths.checkpoints_dir() / "before/resnet_18-s0.safetensors"
    save_weights(create_model("resnet_18", 3, TINY.width), file)
    begun = plans.Variant("begun", "drn_a_18", TINY, start="before/resnet_18", head="drop")
    plan = replace(PLAN, variants={"begun": begun}, waves=(plans.Wave(("begun",), (0,)),))
    monkeypatch.setattr(provenance, "commit", lambda: "a" * 40)
    folder = plan.work_folder("begun-s0")
    folder.mkdir(parents=True)
    assert provenance.trained_by(folder) == "a" * 40
    monkeypatch.setattr(provenance, "commit", lambda: "b" * 40)  # the code moves on while the run is interrupted
    run = json.loads(runs.run_one(plan, "begun", 0).read_text())
    assert (run["commit"], run["scored_commit"]) == ("a" * 40, "b" * 40)
    assert run["start_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest() and run["head"] == "drop"
    with pytest.raises(ValueError, match="trained with another head"):
        pool.status(replace(plan, variants={"begun": replace(begun, head="strict")}))


def test_a_damaged_state_does_not_stop_the_study(begun):
    (begun / "state.pt").write_bytes(b"")
    state = next(item for item in pool.status(PLAN) if item.name == "resnet_18-s0")
    assert (state.step, state.done) == (0, False)
    with pytest.raises(ValueError, match="delete it to start this run again"):
        runs.run_one(PLAN, "resnet_18", 0)


def test_two_processes_cannot_do_one_run(begun):
    with FileLock(begun / "lock"), pytest.raises(RuntimeError, match="another process"):
        runs.run_one(PLAN, "resnet_18", 0)


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


def test_what_a_run_was_begun_on_before_there_were_notes_is_unknown(tmp_path):
    assert provenance.noted(tmp_path, "devices", "a CPU") == "a CPU"
    (tmp_path / "state.pt").touch()
    assert provenance.noted(tmp_path, "devices", "a CPU") == "a CPU"
    assert provenance.noted(tmp_path, "torch", "2.9") == "unknown, 2.9"


def test_a_study_without_workers_is_refused(elsewhere):
    with pytest.raises(ValueError, match="1 worker or more, not 0"):
        pool.run(PLAN, workers=0)


def test_workers_compute_on_the_device_that_the_study_was_given(elsewhere, monkeypatch, start_by):
    said = []

    def start(command, **options):
        said.append(command[command.index("book.studies") :])
        return subprocess.Popen([sys.executable, "-c", ""], **options)

    monkeypatch.setattr(pool, "subprocess", SimpleNamespace(Popen=start, STDOUT=subprocess.STDOUT))
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
