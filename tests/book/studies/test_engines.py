"""A study's plan names its engine: its runs say which one computed them, and runs of several are not compared."""

import json
import shutil
from dataclasses import replace

import pytest

from book.studies import files, plans, pool, results, runs, summaries
from drn_lib import create_model, fast, paths
from drn_lib.fast import build
from tests.book.studies.test_results import a_run, write
from tests.book.studies.trial import PLAN, TINY

FAST = replace(PLAN, engine="fast")
KERNEL, WITHOUT = ({"engine": name, "choices": "0" * 12} for name in ("drn-" + "0" * 16, "plain"))


@pytest.fixture
def no_compiler(monkeypatch):
    """A machine without a compiler, and without a kernel that was compiled before."""
    monkeypatch.setenv("CXX", "false")
    build.load_library.cache_clear()
    yield
    build.load_library.cache_clear()


@pytest.fixture
def asked(monkeypatch):
    """The options of each training that begins."""
    found = []
    train = runs.train
    monkeypatch.setattr(runs, "train", lambda *arguments: found.append(arguments[-1]) or train(*arguments))
    return found


def test_a_run_says_what_computed_it(elsewhere, no_compiler, asked):
    file = runs.run_one(FAST, "resnet_18", 1)
    run = json.loads(file.read_text())
    own = fast.identity(fast.accelerate(create_model("resnet_18", 3, TINY.width), quiet=True))
    assert run["engine"] == own and own["engine"] == "plain" and asked[0].engine == "fast"
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(run, json.loads((paths.data_dir() / "results" / "schema.json").read_text()))
    assert files.load_run(file).engine == own and FAST.result("resnet_18", 1) is not None
    assert "drn_lib.fast" in files.load_run(file).computed_by


def test_a_plan_without_an_engine_trains_by_pytorch(done):
    assert PLAN.engine == "plain" and json.loads(done["resnet_18"].read_text())["engine"] is None
    assert PLAN.result("resnet_18", 0).computed_by == "PyTorch's own convolutions"


def test_a_run_of_another_engine_does_not_count_as_done(done):
    for count in (lambda: runs.run_one(FAST, "resnet_18", 0), lambda: pool.status(FAST)):
        with pytest.raises(ValueError, match="_18-s0.json of study trial was trained with another engine than"):
            count()


def test_a_run_cannot_resume_by_another_engine(elsewhere, trained, tmp_path, no_compiler):
    shutil.copytree(trained / "cache", tmp_path / "cache")  # by PyTorch to the end, and nothing recorded
    with pytest.raises(ValueError, match=r"state.pt belongs to another run \(different engine, choices\)"):
        runs.run_one(FAST, "resnet_18", 0)
    assert not FAST.result_file("resnet_18-s0").exists()


@pytest.mark.parametrize(
    "start", [lambda: runs.run_one(FAST, "resnet_18", 0, "cuda"), lambda: pool.run(FAST, 1, "cuda")]
)
def test_a_gpu_is_refused_before_anything_is_trained(elsewhere, start):
    with pytest.raises(ValueError, match="^the engine of study trial is fast, which is for a CPU: use --device cpu$"):
        start()
    assert elsewhere == []


def stored(folder, engines):
    """Runs of three seeds of two networks: the engine of each, in this order."""
    for (network, seed), engine in zip([(n, s) for n in ("resnet_18", "drn_a_18") for s in range(3)], engines):
        more = {} if engine is None else {"engine": engine}
        write(folder, a_run(architecture=network, seed=seed, metrics={"final.test.top1": 40.0 + seed}, **more))


@pytest.mark.parametrize("engines", [6 * [None], 6 * [KERNEL], 6 * [WITHOUT]])
def test_runs_of_one_engine_are_compared(tmp_path, engines):
    stored(tmp_path, engines)
    assert results.difference("trial", "drn_a_18", "resnet_18", "final.test.top1", root=tmp_path).estimate == 0


def test_builds_of_the_kernel_are_one_engine(tmp_path):
    stored(tmp_path, 5 * [KERNEL] + [{**KERNEL, "engine": "drn-" + "1" * 16}])
    assert results.difference("trial", "drn_a_18", "resnet_18", "final.test.top1", root=tmp_path).estimate == 0


@pytest.mark.parametrize("other", [KERNEL, WITHOUT])
@pytest.mark.parametrize("place", [1, 4])
def test_runs_of_several_engines_are_not_compared(tmp_path, place, other):
    stored(tmp_path, [other if index == place else None for index in range(6)])
    says = (
        r"^drn_a_18 and resnet_18 of study trial cannot be compared, since not all .* by one engine \(.*: repeat some"
    )
    sides = "trial", "drn_a_18", "resnet_18", "final.test.top1"
    for compare in (results.difference, results.difference_over_seeds):
        with pytest.raises(files.ResultsError, match=says) as caught:
            compare(*sides, root=tmp_path)
        assert "PyTorch's own convolutions" in str(caught.value) and "drn_lib.fast" in str(caught.value)
    with pytest.raises(files.ResultsError, match=says):
        summaries.compare("trial", [sides[1:3]], sides[3], tmp_path)


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        ("fast", "engine has the wrong type"),
        ({"engine": "plain"}, "engine lacks choices"),
        ({**WITHOUT, "more": "1"}, "no field of engine 'more'"),
        ({**WITHOUT, "engine": "fast"}, "engine.engine is 'fast'"),
        ({**WITHOUT, "engine": "drn-" + "0" * 15}, "engine.engine is 'drn-000000000000000'"),
        ({**WITHOUT, "choices": 3}, "engine.choices must be text, not 3"),
        ({**WITHOUT, "choices": "0" * 13}, "engine.choices is"),
    ],
)
def test_an_engine_that_there_is_not_is_refused(tmp_path, engine, says):
    file = tmp_path / "trial" / "drn_a_18-s0.json"
    file.parent.mkdir()
    file.write_text(json.dumps(a_run(engine=engine)))
    with pytest.raises(files.ResultsError, match=says):
        files.load_run(file)


@pytest.mark.parametrize("engine", ["quick", "", "[]", "true"])
def test_a_plans_engine_is_one_that_there_is(tmp_path, monkeypatch, engine):
    monkeypatch.setattr(files, "studies_dir", lambda: tmp_path)
    rest = "study: x\nrecipe: shapes-live\nwaves: [{variants: [drn_a_18], seeds: [0]}]\n"
    (tmp_path / "x.yml").write_text(f"{rest}engine: fast\n")
    assert plans.load_plan("x").engine == "fast"
    (tmp_path / "x.yml").write_text(f"{rest}engine: {engine}\n")
    with pytest.raises(ValueError, match="^the plan x.yml: .*engine"):
        plans.load_plan("x")
