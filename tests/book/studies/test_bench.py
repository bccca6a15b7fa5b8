"""The bench: contenders give the same score map, take turns, and one that is missing is a line and no error."""

import json

import pytest
import torch

from book.studies import files
from book.studies.bench import __main__ as command
from book.studies.bench import contenders, measure, memory, report, table, timing
from book.studies.bench.contenders import BASELINE, CONTENDERS, Missing, fill
from book.studies.bench.measure import Setting
from book.studies.bench.released import released
from book.studies.bench.timing import Patience, Taken
from drn_lib.fast import build
from drn_lib.network import create_model

ONCE = Patience(2, 0.0, 2)


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """Networks of an eighth of the width and twenty classes at most, and threads as they were afterwards."""
    monkeypatch.setattr(
        measure, "create_model", lambda name, classes, width=1.0: create_model(name, min(classes, 20), 0.125)
    )
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", ["drn_c_26", "drn_d_22", "drn_d_54", "drn_a_18", "resnet_18"])
def test_the_released_modules_compute_our_score_map(name):
    model, x = fill(create_model(name, 10, 0.125)), torch.randn(1, 3, 40, 56)
    with torch.no_grad():
        theirs = released(model)
        assert torch.equal(theirs(x), model.score_map(x))
    assert hasattr(theirs, "layer8") is (name[:5] in ("drn_c", "drn_d")) and hasattr(theirs, "fc")


def test_all_contenders_give_one_score_map():
    names = [name for name in CONTENDERS if name != "compiled"]
    found = measure.score_maps(Setting("drn_c_26", 48, 64), names, ONCE)
    assert list(found["rows"]) == names and found["rounds"] == 2
    rows = {name: row for name, row in found["rows"].items() if "missing" not in row}
    assert {BASELINE, "plain", "folded", "without_kernel"} <= set(rows)
    assert all(row["difference"] < 1e-5 for row in rows.values()) and rows["without_kernel"]["difference"] > 0
    assert all(row["ratio"] > 0 and row["cpu_ms"] > 0 for row in rows.values())
    assert (rows[BASELINE]["ratio"], rows[BASELINE]["difference"]) == (1.0, 0.0)


def test_what_is_not_installed_is_a_line(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(contenders.importlib, "import_module", absent)
    found = measure.score_maps(Setting("drn_a_18", 32, 32), [BASELINE, "onnxruntime", "openvino"], ONCE)
    assert found["rows"]["onnxruntime"] == {"missing": "onnxruntime is not installed here"}
    assert found["rows"]["openvino"] == {"missing": "openvino is not installed here"}
    assert "ratio" in found["rows"][BASELINE]


def test_without_a_compiler_the_kernel_is_a_line(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "false")
    monkeypatch.setenv("DRN_CACHE", str(tmp_path))
    build.load_library.cache_clear()
    try:
        found = measure.score_maps(Setting("drn_a_18", 32, 32), [BASELINE, "without_kernel", "kernel"], ONCE)
        assert found["rows"]["kernel"]["missing"].startswith("no kernel here: the C++ compiler 'false' failed")
        assert found["rows"]["without_kernel"]["difference"] < 1e-5
        steps = measure.training_steps("drn_a_18", ONCE)
        assert steps["rows"]["kernel"] == {"missing": "no kernel here"} and steps["rows"]["plain"]["ratio"] == 1
        assert report.about()["versions"]["compiler"] is None
    finally:
        build.load_library.cache_clear()


def test_torch_compile_that_fails_is_a_line(monkeypatch):
    def fails(function, options):
        return lambda x: 1 / 0

    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(Missing, match=r"^torch.compile fails here \(ZeroDivisionError\)$"):
        CONTENDERS["compiled"].make(fill(create_model("drn_a_18", 10, 0.125)), torch.zeros(1, 3, 32, 32))


def test_turns_are_taken_and_the_order_is_turned_round():
    calls = []
    contending = {name: (lambda name=name: calls.append(name)) for name in "abc"}
    first = dict.fromkeys("abc", Taken(timing.WARMED, 0.0))
    taken = timing.interleave(contending, Patience(3, 60.0), first)
    assert "".join(calls) == "abccbaabc" and [len(times) for times in taken.values()] == [3, 3, 3]
    calls.clear()
    timing.interleave(contending, Patience(9, 0.0, 2), {**first, "b": Taken(0.1, 0.0)})
    assert "".join(calls) == "abbccbba"  # a quick one is called once more before it is timed


def test_ratios_are_those_of_one_round():
    times = {"base": [4.0, 6.0, 8.0], "other": [2.0, 2.0, 2.0]}
    taken = {name: [Taken(value, value / 2) for value in values] for name, values in times.items()}
    rows = timing.rows(taken, "base", 1)
    assert rows["other"]["ratio"] == 3.0 and rows["other"]["quartiles"] == [2.5, 3.5]
    assert rows["other"]["ratio_of_fastest"] == 2.0
    assert (rows["base"]["wall_ms"], rows["base"]["cpu_ms"]) == (6000.0, 3000.0)
    taken["other"] = [Taken(1.0, 8.0)] * 3
    assert (
        timing.rows(taken, "base", 1)["other"]["ratio"] == 0.375
        and timing.rows(taken, "base", 2)["other"]["ratio"] == 6
    )
    assert (timing.clock(1), timing.clock(2)) == ("cpu", "wall")


def test_a_training_step_moves_the_weights():
    known = measure.recipe(measure.STUDY)
    model = create_model("resnet_18", 20, 0.125)
    before = model.classifier.weight.clone()
    step = measure.training_step(model, known)
    for _ in range(5):  # beyond an epoch's four batches
        step()
    assert not torch.equal(model.classifier.weight, before) and model.training


def test_memory_is_that_of_a_process_of_its_own(monkeypatch):
    answers = {
        memory.NOTHING: (0, "a warning\n600.5\n"),
        "kernel": (0, "missing: no kernel here\n"),
        "plain": (137, ""),
    }

    def run(words, capture_output, text, env):
        code, said = answers[words[-1]]
        assert (
            words[1:-1] == ["-m", "book.studies.bench.memory", "drn_a_18", "32", "64"] and env["OMP_NUM_THREADS"] == "2"
        )
        return memory.subprocess.CompletedProcess(words, code, said, "")

    monkeypatch.setattr(memory.subprocess, "run", run)
    found = memory.peaks(Setting("drn_a_18", 32, 64, 2), ["kernel", "plain"])
    assert found["rows"] == {
        memory.NOTHING: {"peak_mb": 600.5},
        "kernel": {"missing": "no kernel here"},
        "plain": {"missing": "its process ended with status 137"},
    }


def test_a_command_measures_writes_and_prints(monkeypatch, tmp_path, capsys):
    scope = report.Scope([Setting("drn_a_18", 32, 32)], [Setting("drn_a_18", 32, 32)], (), [], [], ONCE, ONCE)
    monkeypatch.setattr(report, "QUICK", scope)
    file = tmp_path / "bench.json"
    assert command.main(["--quick", "--out", str(file)]) == 0
    found, said = json.loads(file.read_text()), capsys.readouterr().out
    assert found["complete"] is False and list(found["forward"][0]["rows"]) == list(CONTENDERS)
    assert found["forward"][0]["rows"]["compiled"] == {"missing": report.NOT_COMPILED}
    assert "DRN-A-18, 32 x 32 px, 1 thread, cpu time, 2 rounds" in said and report.NOT_COMPILED in said
    assert found["machine"]["processor"] in said and list(found["scaling"][0]["rows"]) == [BASELINE, "kernel"]


def test_the_stored_table_is_whole_and_printed(capsys):
    found = json.loads((files.results_dir() / "bench.json").read_text())
    assert found["contenders"] == {name: one.label for name, one in CONTENDERS.items()}
    for entry in found["forward"]:
        assert list(entry["rows"]) == list(CONTENDERS) and len(entry["load"]) == 2
        differences = [row["difference"] for row in entry["rows"].values() if "missing" not in row]
        assert all(value < 1e-5 for value in differences)
        setting = Setting(entry["network"], entry["height"], entry["width"], entry["threads"])
        assert setting.entry().items() <= entry.items()
    assert command.main(["--show"]) == 0
    said = capsys.readouterr().out
    assert said.count("times as fast") == len(found["forward"]) + len(found["training"]) + bool(found["scaling"])
    assert table.text(found) in said
