"""Reading runs, differences between networks, the paper's tables."""

import json
import shutil

import numpy as np
import pytest

from book.studies import files, paper, results
from book.studies.maps import blur
from book.studies.reading import records
from drn_lib.architecture import architecture, list_models
from drn_lib.names import display_name
from drn_lib.paths import paper_dir

DATASET = {"name": "shapes", "counts": {"train": 10, "test": 5}, "sha256": "0" * 64}
METRICS = {"final.test.top1": 40.0, "lattice_energy.level_6": 0.1}
CURVE = [{"epoch": 1, "train_loss": 1.5}]


def a_run(**changes):
    run = dict(study="trial", recipe={"epochs": 1}, architecture="drn_a_18", seed=0, dataset=DATASET, metrics=METRICS)
    return {**run, **dict(curve=CURVE, seconds=1.5, device="cpu", torch="2.14.1", commit=None), **changes}


def write(root, run, **arrays):
    """The JSON file of a run, with its arrays beside it; where they say which images are right, it says so too."""
    if "correct" in arrays:
        correct, counts = arrays["correct"], run["dataset"]["counts"]
        run = {**run, "dataset": {**run["dataset"], "counts": {**counts, "test": len(correct)}}}
        run["metrics"] = {**run["metrics"], "final.test.top1": 100 * (1 - correct.mean())}
    folder = root / run["study"]
    folder.mkdir(exist_ok=True)
    stem = folder / f"{run['architecture']}-s{run['seed']}"
    stem.with_suffix(".json").write_text(json.dumps(run))
    if arrays:
        np.savez(stem.with_suffix(".npz"), **arrays)
    return stem.with_suffix(".json")


def test_a_run_is_read_as_written(tmp_path):
    path = write(tmp_path, a_run())
    assert files.load_run(path) == records.StoredRun(**a_run(variant="drn_a_18"))


def test_a_file_cut_off_is_named(tmp_path):
    path = write(tmp_path, a_run())
    path.write_text(path.read_text()[:40])
    with pytest.raises(files.ResultsError, match="drn_a_18-s0.json is not complete JSON"):
        files.load_run(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "0"}, "seed"),
        ({"metrics": {"final.test.top1": "40"}}, "final.test.top1"),
        ({"metrics": {"final": {"test": 1}}}, "final"),
        ({"seconds": -1}, "seconds"),
        ({"dataset": {"name": "shapes"}}, "dataset"),
        ({"dataset": {"name": "shapes", "counts": {}, "sha256": {"train": "12"}}}, "sha256"),
    ],
)
def test_a_run_that_breaks_the_schema_is_refused(tmp_path, change, message):
    path = write(tmp_path, a_run())
    path.write_text(json.dumps(a_run(**change)))
    with pytest.raises(files.ResultsError, match=message):
        files.load_run(path)


@pytest.mark.parametrize("key", files.REQUIRED)
def test_every_required_key_is_missed(tmp_path, key):
    path = write(tmp_path, a_run())
    path.write_text(json.dumps({name: value for name, value in a_run().items() if name != key}))
    with pytest.raises(files.ResultsError, match=key):
        files.load_run(path)


def test_the_code_and_the_schema_name_the_same_keys():
    schema = json.loads((files.results_dir() / "schema.json").read_text())
    assert schema["required"] == list(files.REQUIRED)


def test_every_committed_run_follows_the_schema_and_its_name():
    for path in files.results_dir().glob("*/*-s*.json"):
        run = files.load_run(path)
        assert path.parent.name == run.study and path.stem == run.name


def test_runs_and_metrics_by_network_and_seed(tmp_path):
    for seed, error in ((10, 44.0), (2, 40.0)):
        write(tmp_path, a_run(seed=seed, metrics={"final.test.top1": error}))
    write(tmp_path, a_run(architecture="resnet_18"))
    stored = [(run.architecture, run.seed) for run in results.runs("trial", root=tmp_path)]
    assert stored == [("resnet_18", 0), ("drn_a_18", 2), ("drn_a_18", 10)]
    found = results.metric("trial", "drn_a_18", "final.test.top1", tmp_path)
    assert (found.seeds, found.values, found.mean, found.n) == ((2, 10), (40.0, 44.0), 42.0, 2)
    assert found.std == pytest.approx(8**0.5)
    assert results.metric("trial", "drn_b_26", "final.test.top1", tmp_path).n == 0
    assert results.runs("no_such_study", root=tmp_path) == []


def test_wrong_images(tmp_path):
    for seed, correct in enumerate(([1, 1, 0, 0], [1, 0, 0, 0])):
        write(tmp_path, a_run(seed=seed), correct=np.array(correct, bool))
    top1 = results.wrong("trial", "drn_a_18", "final.test.top1", tmp_path)
    assert top1.tolist() == [[0, 0, 1, 1], [0, 1, 1, 1]]
    # Not stored; no count of images; another reading of the network than the one that is stored.
    for key in ("final.test.top5", "lattice_energy.level_6", "posthoc.exact.test.top1", "clutter.pointing_error"):
        assert results.wrong("trial", "drn_a_18", key, tmp_path) is None
    write(tmp_path, a_run(seed=2), correct=np.array([True]))
    with pytest.raises(files.ResultsError, match="different numbers of images"):
        results.wrong("trial", "drn_a_18", "final.test.top1", tmp_path)


def test_wrong_images_of_localization(tmp_path):
    arrays = {"iou": np.array([0, 60, 61, 100, 101, 200], np.uint8), "pointing": np.array([1, 0, 1, 0, 1, 0], bool)}
    arrays["off_middle"] = np.array([1, 1, 1, 0, 0, 0], bool)
    arrays["cam_iou"] = np.array([101, 101, 101, 0, 0, 0], np.uint8)
    run = a_run(metrics={"clutter.pointing_error": 50.0})
    write(tmp_path, run, **{f"clutter.{name}": array for name, array in arrays.items()})

    def wrong(key):
        return results.wrong("trial", "drn_a_18", key, tmp_path)

    assert wrong("clutter.gt_known_50").tolist() == [[1, 1, 1, 1, 0, 0]]  # an overlap of exactly a half is wrong
    assert wrong("clutter.gt_known_30").tolist() == [[1, 1, 0, 0, 0, 0]]
    assert wrong("clutter.cam.gt_known_50").tolist() == [[0, 0, 0, 1, 1, 1]]  # CAM boxes are of its own
    assert wrong("clutter.pointing_error").tolist() == [[0, 1, 0, 1, 0, 1]]
    assert wrong("clutter.pointing_error_off_middle").tolist() == [[0, 1, 0]]
    assert wrong("clutter.posthoc.pointing_error") is None and wrong("clutter.top1_localization") is None


def test_difference_by_bootstrap_where_images_are_stored(tmp_path):
    generator = np.random.default_rng(0)
    for name, error in (("drn_a_18", 0.3), ("resnet_18", 0.5)):
        for seed in range(3):
            correct = generator.random(400) > error
            metrics = {"final.test.top1": 100 * (1 - correct.mean()), "lattice_energy.level_6": 0.1 + 0.01 * seed}
            write(tmp_path, a_run(architecture=name, seed=seed, metrics=metrics), correct=correct)
    found = results.difference("trial", "drn_a_18", "resnet_18", "final.test.top1", root=tmp_path)
    assert found.method.startswith("bootstrap") and found.low < -20 < found.high < 0
    energy = results.difference("trial", "drn_a_18", "resnet_18", "lattice_energy.level_6", root=tmp_path)
    assert energy.method.startswith("Student") and energy.estimate == pytest.approx(0)
    assert results.difference("trial", "drn_a_18", "drn_c_26", "final.test.top1", root=tmp_path) is None


def test_sides_with_weights_in_common_are_paired(tmp_path):
    for seed, (before, after) in enumerate([(40.0, 38.9), (50.0, 49.0), (60.0, 59.1)]):
        metrics, start = {"a.top1": before, "b.top1": after}, "classification/resnet_18"
        write(tmp_path, a_run(seed=seed, metrics=metrics, start=start))
        for name, more in (
            ("drn_c_26", {"start": "other/resnet_18"}),
            ("drn_d_22", {}),
            ("resnet_18", {"start": start}),
        ):
            write(tmp_path, a_run(seed=seed, metrics={"a.top1": after}, architecture=name, **more))
    same = results.difference("trial", "drn_a_18", "drn_a_18", "b.top1", "a.top1", root=tmp_path)
    begun_alike = results.difference("trial", "resnet_18", "drn_a_18", "a.top1", root=tmp_path)
    assert same.high < 0 and begun_alike.high < 0  # the spread between trainings is no part of it
    for other in ("drn_c_26", "drn_d_22"):
        assert results.difference("trial", other, "drn_a_18", "a.top1", root=tmp_path).high > 0
    assert not results.are_paired("trial", "drn_d_22", "drn_c_26", tmp_path)


def test_a_network_of_another_study_is_compared_where_it_saw_the_same_images(tmp_path):
    right = np.array([True, False, True, True])
    for seed in (0, 1):
        write(tmp_path, a_run(seed=seed), correct=right)
        write(tmp_path, a_run(study="other", seed=seed), correct=~right)
        write(tmp_path, a_run(study="third", seed=seed, dataset={**DATASET, "sha256": "1" * 64}), correct=right)
    assert [run.study for run in results.runs("trial", "other/drn_a_18", root=tmp_path)] == ["other"] * 2
    difference = results.difference("trial", "other/drn_a_18", "drn_a_18", "final.test.top1", root=tmp_path)
    assert difference.estimate == 50.0 and difference.method.startswith("bootstrap")
    with pytest.raises(files.ResultsError, match="drn_a_18-s0 of third .* not scored on the same images"):
        results.difference("trial", "drn_a_18", "third/drn_a_18", "final.test.top1", root=tmp_path)


def test_overlaps_with_masks_have_an_interval_over_photographs(tmp_path):
    generator = np.random.default_rng(0)
    for name, level in (("drn_a_18", 100), ("drn_c_26", 120)):
        for seed in range(3):
            overlaps = generator.integers(level - 20, level + 20, 50).astype(np.uint8)
            run = a_run(architecture=name, seed=seed, metrics={"pets.mask_iou": overlaps.mean() / 200})
            write(tmp_path, run, **{"pets.mask_iou": overlaps})
    found = results.difference("trial", "drn_c_26", "drn_a_18", "pets.mask_iou", root=tmp_path)
    assert "images" in found.method and found.low < 0.1 < found.high and found.low > 0.05


def test_beside_the_paper(tmp_path):
    for name in ("drn_a_18", "drn_d_22"):
        write(tmp_path, a_run(architecture=name))
    rows = paper.beside_paper("trial", "final.test.top1", "table1_classification", "top1_err_1crop_pct", tmp_path)
    found = [(row["model"], row["paper"], row["ours"].estimate) for row in rows]
    assert found == [("DRN-A-18", "28.00", 40.0), ("DRN-D-22", None, 40.0)]


def test_papers_tables_are_complete():
    table1 = paper.paper_table("table1_classification")
    assert sum(row["printed_in_table"] == "yes" for row in table1.values()) == 10
    assert table1["ResNet-34"]["top1_err_1crop_pct"] == "27.73"
    assert table1["ResNet-34"]["top1_err_1crop_pct_source"] == "26.73"
    assert len(paper.paper_table("table2_localization")) == 10
    with pytest.raises(FileNotFoundError, match="there are: .*table2_localization"):
        paper.paper_table("table4")


@pytest.mark.parametrize("model", ["DRN-A-50", "DRN-C-26", "DRN-C-42"])
def test_table_3_means_are_those_of_its_classes(model):
    row = paper.paper_table("table3_cityscapes")[model]
    other = {"model", "split", "mean_iou", "in_paper", "sure", "source", "note"}
    classes = [float(value) for key, value in row.items() if key not in other]
    assert len(classes) == 19
    assert np.mean(classes) == pytest.approx(float(row["mean_iou"]), abs=0.06)


def test_table_of_architectures_agrees_with_the_library_and_table_1():
    table = paper.paper_table("architectures")
    assert [row["name"] for row in table.values()] == list_models()
    for name, row in table.items():
        network = architecture(row["name"])
        assert display_name(row["name"]) == name
        assert network.output_stride == int(row["output_stride"]) == 224 // int(row["map_at_224"])
        blocks = {level.number: level.blocks for level in network.levels}
        assert row["blocks_levels_1_to_8"] == " ".join(str(blocks.get(number, "-")) for number in range(1, 9))
    for name, row in paper.paper_table("table1_classification").items():
        assert row["params_exact"] == table[name]["parameters"]
        assert float(row["params_millions_as_printed"]) == round(int(row["params_exact"]) / 1e6, 1)


def test_no_pickled_objects_in_the_committed_outcomes():
    for path in files.results_dir().glob("*/*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            # What each image's class came to is as long as the scored part; what localization adds has its own lengths.
            plain = {len(arrays[key]) for key in arrays if "." not in key}
            assert len(plain) == (path.parent.name != blur.STUDY)  # which names no class
            for key in arrays:
                setting, _, what = key.rpartition(".")
                if what in ("pointing", "cam_iou"):
                    assert len(arrays[key]) == len(arrays[f"{setting}.iou"])
                elif what == "curve":
                    assert arrays[key].shape == (41, 4)
                assert arrays[key].dtype != object


def test_markdown_table_escapes_bars():
    assert results.markdown_table(["a"], [["x|y\nz"]]) == "| a |\n| --- |\n| x\\|y z |"


def test_paper_folder_holds_what_its_readme_lists():
    readme = (paper_dir() / "README.md").read_text()
    for path in paper_dir().iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in readme


@pytest.mark.parametrize("study", ["classification", "clutter", "pets", "first_networks"])
def test_every_stored_error_agrees_with_the_outcomes_of_its_images(study):
    """Tables print the errors of the JSON files, differences and intervals come from the outcomes beside them."""
    compared = 0
    for name in results.variants(study):
        for key in results.runs(study, name)[0].metrics:
            if (outcomes := results.wrong(study, name, key)) is not None:
                errors = results.metric(study, name, key).values
                assert 100 * outcomes.mean(axis=1) == pytest.approx(errors, abs=2e-5), f"{name}: {key}"
                compared += 1
    assert compared > 0


@pytest.mark.parametrize(
    ("device", "is_a_cpu"),
    [("AMD EPYC", True), ("Tesla T4 (GPU)", False), ("AMD EPYC, Tesla T4 (GPU)", False), ("unknown, AMD EPYC", False)],
)
def test_seconds_are_a_cpus_only_where_all_devices_are_known_to_be_cpus(device, is_a_cpu):
    assert records.StoredRun(**a_run(device=device)).on_a_cpu is is_a_cpu


@pytest.mark.parametrize("name", ["../classification", "classification/", "/etc", "", "*", "a b", "Classification", 7])
def test_names_are_no_paths(name, tmp_path):
    for look in (results.runs, results.variants, lambda study: results.metric(study, "drn_a_18", "final.test.top1")):
        with pytest.raises(ValueError, match="the name of a study has lower-case letters, digits and _ only, not"):
            look(name)
    with pytest.raises(ValueError, match="the name of a variant has lower-case letters, digits and _ only, not"):
        results.runs("classification", name, tmp_path)


def changed_arrays(tmp_path, run, change):
    """The committed run with other arrays beside it."""
    source, target = files.results_dir() / run, tmp_path / run
    target.parent.mkdir(exist_ok=True)
    shutil.copy(source.with_suffix(".json"), target.with_suffix(".json"))
    with np.load(source.with_suffix(".npz")) as stored:
        arrays = dict(stored)
    change(arrays)
    np.savez(target.with_suffix(".npz"), **arrays)
    return target.with_suffix(".json")


CLASSES, PIXELS = "first_networks/drn_c_26-s0", "segmentation/drn_a_18-s0"


@pytest.mark.parametrize(
    ("run", "array", "change", "says"),
    [
        (CLASSES, "correct", lambda a: a[::-1], "correct in .* is not where prediction is label"),
        (CLASSES, "prediction", lambda a: a[::-1], "correct in .* is not where prediction is label"),
        (CLASSES, "correct", lambda a: a[:, None], "correct in .* is not where|shapes or types that give no metrics"),
        (CLASSES, "top5_correct", lambda a: a[:, None].repeat(2, 1), "shapes or types that give no metrics"),
        (PIXELS, "sequence", lambda a: a.astype(float), "shapes or types that give no metrics"),
        (PIXELS, "sequence", lambda a: a.astype(int) - 1, "shapes or types that give no metrics"),
        (PIXELS, "sequence", lambda a: a[:, None], "shapes or types that give no metrics"),
        (PIXELS, "sequence", None, "shapes or types that give no metrics"),
        (PIXELS, "sequence", lambda a: a[::-1], "other numbers of frames|the outcomes in .* give"),
        (PIXELS, "confusion", lambda a: a[:, :, :7], "shapes or types that give no metrics .a confusion matrix is"),
        (PIXELS, "confusion", lambda a: a.reshape(len(a), -1), "shapes or types that give no metrics"),
        (PIXELS, "confusion", lambda a: a.astype(int) - 1, "holds counts below zero"),
    ],
)
def test_arrays_that_give_no_metrics_are_one_sentence(tmp_path, run, array, change, says):
    def spoil(arrays):
        before = arrays.pop(array)
        arrays.update({} if change is None else {array: change(before)})

    with pytest.raises(files.ResultsError, match=says) as caught:
        files.load_run(changed_arrays(tmp_path, run, spoil))
    assert "\n" not in str(caught.value)


def test_networks_scored_on_every_second_canvas_are_compared_on_these():
    key = "clutter.pointing_error_off_middle"
    found = results.difference("classification", "drn_a_18", "resnet_18_large", key)
    wrong = results.wrong("classification", "resnet_18_large", key)
    hits, free = (
        results.per_image("classification", "drn_a_18", f"clutter.{name}") for name in ("pointing", "off_middle")
    )
    ours = 100 * (1 - hits[:, ::2][:, free[0][::2].astype(bool)]).mean()
    assert found.estimate == pytest.approx(ours - 100 * wrong.mean()) and found.n == 3
    over_seeds = results.difference_over_seeds("classification", "drn_a_18", "resnet_18_large", key)
    assert over_seeds.estimate == pytest.approx(found.estimate)
    back = results.difference("classification", "resnet_18_large", "drn_a_18", key)
    assert back.estimate == pytest.approx(-found.estimate)
