"""One run of a study: what it leaves, and what it refuses before it trains. On a few random images, in seconds."""

import errno
import hashlib
import json
import os
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from book.studies import plans, pool, provenance, runs
from book.studies.maps import grids
from drn_lib import locks, paths
from drn_lib.architecture import DILATION_RULES
from drn_lib.checkpoints.weights import save_weights
from drn_lib.datasets import DataError
from drn_lib.network import create_model
from drn_lib.training.classification import Init
from drn_lib.training.loop import RunOptions
from drn_lib.training.recipes import SegmentationRecipe
from tests.book.studies.trial import PLAN, TINY, RandomSet


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
    assert elsewhere == ["test", "train", "tune", "test"]  # the test part: that it is there, and to be scored, last


def test_a_study_trains_in_float32_on_its_device_from_the_weights_of_its_seed(elsewhere, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(runs, "train", lambda *args: asked.extend(args))
    known = replace(PLAN.variants["a_levels"], start="before/drn_a_18", head="drop")
    given = RunOptions(tmp_path, "cuda:1", full_precision=True)
    _, about = runs.train_classifier(known, 7, given)
    parts = {part: RandomSet(part) for part in ("train", "tune")}
    recipe, network, seed, train_set, classes, watched, init, options = asked
    assert (recipe, network, seed, classes) == (known.recipe, "drn_a_18", 7, 3)
    for found, part in ((train_set, "train"), (watched, "tune")):
        assert all(map(torch.equal, found, parts[part].arrays()))
    assert init == Init("levels", "before/drn_a_18-s7", "drop")
    assert options is given
    assert about == {
        "name": "random",
        "partition": None,
        "classes": ["a", "b", "c"],
        "counts": {"train": 12, "tune": 12},
        "sha256": {part: dataset.fingerprint for part, dataset in parts.items()},
    }


def test_a_gpu_computes_a_study_in_float32(monkeypatch):
    cudnn, matmul = SimpleNamespace(allow_tf32=True, benchmark=False), SimpleNamespace(allow_tf32=True)
    monkeypatch.setattr(torch.backends, "cudnn", cudnn)
    monkeypatch.setattr(torch.backends.cuda, "matmul", matmul)
    runs._compute_in_float32("cpu")
    assert (cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark) == (True, True, False)
    runs._compute_in_float32("cuda:1")
    assert (cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark) == (False, False, True)


def test_every_tenth_of_3000_images_tells_the_lattice_energy(monkeypatch):
    seen = []
    monkeypatch.setattr(grids, "lattice_energy_by_level", lambda model, x, period: seen.append((x, period)) or {6: 0.5})
    monkeypatch.setattr(grids, "SIZE", 4)
    model, images = torch.nn.Conv2d(1, 1, 1), torch.arange(3000).remainder(251).byte().view(-1, 1, 1, 1)
    images = images.expand(3000, 3, 2, 2)
    assert grids.lattice_energies("a", model, images) == {"a.level_6": 0.5}
    assert grids.lattice_energies("a", model, images[:7]) == {"a.level_6": 0.5}
    assert [(x.shape, period) for x, period in seen] == [((300, 3, 4, 4), 4), ((7, 3, 4, 4), 4)]
    assert torch.allclose(seen[0][0], grids.normalize(images[::10, :, :1, :1].expand(-1, -1, 4, 4).contiguous()))


def test_a_run_keeps_its_maps_autocorrelation_and_grid_contrast(done):
    """Of every level; on maps of a few cells the contrast is left out, the autocorrelation shorter."""
    for name, contrasts in (("drn_a_18", 6), ("resnet_18", 4)):
        arrays, run = np.load(done[name].with_suffix(".npz")), json.loads(done[name].read_text())
        levels = [key for key in run["metrics"] if key.startswith("lattice_energy.")]
        kept = [key for key in arrays.files if key.startswith("autocorrelation.")]
        assert {f"autocorrelation.{key.split('.')[1]}.plain" for key in levels} < set(kept) and len(kept) == 12
        measured = {key: value for key, value in run["metrics"].items() if key.startswith("grid_contrast.")}
        assert len(measured) == 2 * contrasts, measured
        for key, value in measured.items():
            assert arrays[key].mean(dtype=float) == pytest.approx(value, abs=1e-5) and arrays[key].shape == (2,)
        plain = arrays["autocorrelation.level_2.plain"]
        assert plain.shape == (9, 17) and plain[0, 8] == pytest.approx(1)
        assert 0 < np.abs(plain - arrays["autocorrelation.level_2.without_local_mean"]).max() < 2
        assert arrays["autocorrelation.score_map.plain"].shape[0] == {"drn_a_18": 9, "resnet_18": 4}[name]


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
    monkeypatch.setattr(
        runs, "open_clutter", lambda part, **_: SimpleNamespace(side=32, fingerprint="0" * 64, part=part)
    )
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


def test_a_run_says_how_its_tail_began(elsewhere):
    begun = plans.Variant("begun", "ladder_a_22_unlinked", TINY, tail="fading")
    plan = replace(PLAN, variants={"begun": begun}, waves=(plans.Wave(("begun",), (0,)),))
    assert json.loads(runs.run_one(plan, "begun", 0).read_text())["tail"] == "fading"
    with pytest.raises(ValueError, match="trained with another tail"):
        pool.status(replace(plan, variants={"begun": replace(begun, tail="identity")}))


def test_objects_are_looked_for_among_the_classes_that_were_trained(monkeypatch):
    asked = []
    monkeypatch.setattr(runs, "open_dataset", lambda name, part, partition: asked.append((name, partition)))
    monkeypatch.setattr(runs, "open_clutter", lambda part, partition: asked.append(("clutter", partition)))
    for partition in (None, "tiny-imagenet-20-heldout"):
        asked.clear()
        runs._localization_sets(replace(TINY, dataset="tiny-imagenet", partition=partition))
        taken = partition or "tiny-imagenet-20"
        assert asked == [("tiny-imagenet", taken)] * 2 + [("clutter", taken)] * 2


def test_a_damaged_state_does_not_stop_the_study(begun):
    (begun / "state.pt").write_bytes(b"")
    state = next(item for item in pool.status(PLAN) if item.name == "resnet_18-s0")
    assert (state.step, state.done) == (0, False)
    with pytest.raises(ValueError, match="delete it to start this run again"):
        runs.run_one(PLAN, "resnet_18", 0)


def test_two_processes_cannot_do_one_run(begun):
    with locks.only_one(begun, "run resnet_18-s0"):
        with pytest.raises(locks.Busy, match=f"another process is at run resnet_18-s0: {os.getpid()} on .* since "):
            runs.run_one(PLAN, "resnet_18", 0)


def test_a_run_that_ended_while_its_lock_was_awaited_is_not_done_twice(done, monkeypatch):
    results = [None, PLAN.result("resnet_18", 0)]  # what one look and the next one find
    monkeypatch.setattr(plans.Plan, "result", lambda plan, variant, seed: results.pop(0))
    monkeypatch.setattr(runs, "train_classifier", None)
    assert runs.run_one(PLAN, "resnet_18", 0) == done["resnet_18"] and results == []


def test_what_a_run_was_begun_on_before_there_were_notes_is_unknown(tmp_path):
    assert provenance.noted(tmp_path, "devices", "a CPU") == "a CPU"
    (tmp_path / "state.pt").touch()
    assert provenance.noted(tmp_path, "devices", "a CPU") == "a CPU"
    assert provenance.noted(tmp_path, "torch", "2.9") == "unknown, 2.9"


@pytest.mark.parametrize("left", [b"", b"\n", b"\0\0\0\0", b"\xff\xfe\n", b"  \n\n"])
def test_a_damaged_note_says_unknown(begun, left):
    """A full disk or a power cut may leave it empty: what computed before is then not the present device alone."""
    (begun / "state.pt").touch()
    (begun / "devices").write_bytes(left)
    assert not next(item for item in pool.status(PLAN) if item.name == "resnet_18-s0").on_a_cpu
    assert provenance.noted(begun, "devices", "AMD EPYC") == "unknown, AMD EPYC"
    (begun / "commit").write_bytes(left)
    assert provenance.trained_by(begun) is None


@pytest.mark.parametrize("write", [lambda folder: provenance.noted(folder, "devices", "b"), provenance.trained_by])
def test_a_note_that_cannot_be_written_whole_leaves_the_old_one(tmp_path, monkeypatch, write):
    (tmp_path / "devices").write_text("a (GPU)\n")

    def full(file, text, encoding=None):
        with open(file, "w") as handle:
            handle.write(text[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="the disk is full"):
        write(tmp_path)
    monkeypatch.undo()
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"devices": "a (GPU)\n"}


def refuse(monkeypatch, part_of_path):
    """No folder can be made below a path that holds these words, whoever asks."""
    make = tempfile.mkdtemp

    def mkdtemp(dir):
        if part_of_path in str(dir):
            raise OSError(errno.EROFS, "Read-only file system")
        return make(dir=dir)

    monkeypatch.setattr(paths.tempfile, "mkdtemp", mkdtemp)


@pytest.mark.parametrize("start", [lambda: runs.run_one(PLAN, "resnet_18", 0), lambda: pool.run(PLAN)])
@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("results", r"the results folder .*results/trial cannot be .*Read-only.*: .* needs it when a run ends"),
        ("checkpoints", r"the weights folder .*checkpoints/trial cannot be .*Read-only"),
        ("cache", r"the cache folder .*runs/trial cannot be .*Read-only.*: set DRN_CACHE to one that can be written$"),
    ],
)
def test_folders_that_cannot_be_written_are_told_before_training(elsewhere, tmp_path, monkeypatch, start, folder, says):
    (tmp_path / folder).mkdir()
    refuse(monkeypatch, f"/{folder}")
    with pytest.raises(ValueError, match=says):
        start()
    assert elsewhere == [] and [file.name for file in tmp_path.rglob("*")] == [folder]


@pytest.mark.parametrize("folder", ["results", "results/trial", "checkpoints/trial", "cache", "cache/runs/trial"])
def test_a_file_where_a_folder_belongs_is_told_before_training(elsewhere, tmp_path, folder):
    (tmp_path / folder).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / folder).write_text("a file")
    with pytest.raises(ValueError, match=f"{folder}.* is a file"):
        runs.run_one(PLAN, "resnet_18", 0)
    assert elsewhere == [] and (tmp_path / folder).read_text() == "a file"


def test_a_study_that_keeps_no_weights_needs_no_folder_for_them(elsewhere, monkeypatch):
    refuse(monkeypatch, "checkpoints")
    runs.check_folders(replace(PLAN, waves=(plans.Wave(("resnet_18",), (0,)),)))


@pytest.mark.parametrize(
    ("dataset", "scored", "missing"),
    [
        ("random", "test", ("random", "test")),
        ("random", "tune", ("random", "tune")),
        ("tiny-imagenet", "test", ("clutter", "test")),
        ("clutter", "test", ("clutter", "tune")),
        ("pets", "test", ("pets", "test")),
        ("streets", "test", ("streets", "test")),
    ],
)
def test_data_to_be_scored_that_are_missing_are_told_before_training(elsewhere, monkeypatch, dataset, scored, missing):
    def opens(name, part, **options):
        if (name, part) == missing:
            raise DataError(f"{name} has no {part}")
        return RandomSet(part)

    monkeypatch.setattr(runs, "open_dataset", opens)
    monkeypatch.setattr(runs.segmentation, "open_dataset", opens)
    monkeypatch.setattr(runs, "open_clutter", lambda part, **_: opens("clutter", part))
    for train in ((runs, "train_classifier"), (runs.segmentation, "train")):
        monkeypatch.setattr(*train, lambda *arguments: pytest.fail("it trains"))
    tiny = replace(TINY, dataset=dataset)
    if dataset == "streets":
        tiny = SegmentationRecipe("tiny", "streets", crop=32, width=0.125, epochs=1, batch_size=4, lr=0.1, size=64)
    plan = replace(PLAN, variants={"resnet_18": plans.Variant("resnet_18", "resnet_18", tiny)}, scored_part=scored)
    with pytest.raises(DataError, match=f"{missing[0]} has no {missing[1]}"):
        runs.run_one(plan, "resnet_18", 0)
    assert [file.name for file in plan.work_folder("resnet_18-s0").iterdir()] == ["lock"]


def test_leftovers_of_killed_processes_are_swept_from_the_working_folder(begun, monkeypatch):
    for name in (".state.pt.4242.tmp", ".devices.1.tmp", f".state.pt.{os.getpid()}.tmp"):
        (begun / name).write_bytes(b"half")
    (begun / "notes of mine.tmp").touch()
    monkeypatch.setattr(runs, "train_classifier", None)
    with pytest.raises(TypeError):
        runs.run_one(PLAN, "resnet_18", 0)
    assert [file.name for file in begun.iterdir() if file.suffix == ".tmp"] == ["notes of mine.tmp"]


def stored(folder):
    """What the run drn_a_18-s0 left: its JSON less times, the bytes of its outcomes, its weights and their notes."""
    file = folder / "results/trial/drn_a_18-s0.json"
    run = {key: value for key, value in json.loads(file.read_text()).items() if key not in ("finished", "seconds")}
    with safe_open(folder / "checkpoints/trial/drn_a_18-s0.safetensors", "np") as weights:
        tensors = {name: weights.get_tensor(name).tobytes() for name in weights.keys()}
        return run, file.with_suffix(".npz").read_bytes(), tensors, weights.metadata()


def test_kills_while_it_is_scored_and_recorded_lose_nothing(elsewhere, trained, tmp_path):
    """Each kill is one of a process of its own, just before a step of recording; the last call ends with the same."""
    shutil.copytree(trained / "cache", tmp_path / "cache")  # trained to the end, and nothing recorded
    kills = 0
    for step in ("scored", "devices", "torch", "drn_a_18-s0.npz", "drn_a_18-s0.safetensors", "drn_a_18-s0.json"):
        child = os.fork()
        if child == 0:
            torch.set_num_threads(1)

            def replacing(source, target, step=step, replace_file=os.replace):
                if Path(target).name == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                replace_file(source, target)

            def evaluate(*arguments, step=step, score=runs.evaluate):
                scores = score(*arguments)
                if step == "scored":
                    os.kill(os.getpid(), signal.SIGKILL)
                return scores

            os.replace, runs.evaluate = replacing, evaluate
            try:
                runs.run_one(PLAN, "drn_a_18", 0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"it was not killed at {step}"
        assert not PLAN.result_file("drn_a_18-s0").exists()
        kills += 1
    assert kills == 6
    runs.run_one(PLAN, "drn_a_18", 0)
    assert stored(tmp_path) == stored(trained)
