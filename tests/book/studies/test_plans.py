"""Plans as their files hold them: read strictly, and those that are committed."""

import re

import pytest
import yaml

from book.numbers import status as pages
from book.studies import files, plans, results
from drn_lib import costs, paths
from drn_lib.architecture import architecture, scale_width

BASE = {
    "study": "x",
    "recipe": "shapes-live",
    "variants": {"quick": {"network": "resnet_18", "epochs": 1}},
    "waves": [{"variants": ["drn_a_18", "quick"], "seeds": [0, 1], "keep_weights": [0]}],
}


CONTRAST = {
    "left": "quick",
    "right": "drn_a_18",
    "outcome": "final.test.top1",
    "predicted": "less",
    "smallest": 1.5,
    "excludes": "that nothing is learned",
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes the file of the plan x, from its text or bytes; gives its path."""
    monkeypatch.setattr(files, "studies_dir", lambda: tmp_path)
    monkeypatch.setattr(paths, "checkpoints_dir", lambda: tmp_path / "checkpoints")
    file = tmp_path / "x.yml"

    def written(content):
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return written


@pytest.fixture
def load(write):
    """Loads a plan of the study x from its text, or from fields in place of those of `BASE`."""

    def loaded(content="", **changes):
        write(content or yaml.safe_dump({**BASE, **changes}))
        return plans.load_plan("x")

    return loaded


def refused(says, load, *content, **changes):
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        load(*content, **changes)
    said = str(caught.value)
    assert said.startswith("the plan x.yml: ") and "\n" not in said and len(said) < 500
    return said


def test_the_plan_that_the_others_spoil_is_right(load):
    plan = load()
    assert plan.runs() == [("drn_a_18", 0), ("quick", 0), ("drn_a_18", 1), ("quick", 1)]
    assert plan.variants["quick"].recipe.epochs == 1 and plan.keeps_weights("quick", 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must be a mapping"),
        ("# only a comment", "the plan must be a mapping (name: value), not empty"),
        ("[]", "must be a mapping (name: value), not a list"),
        ("word", "must be a mapping (name: value), not 'word'"),
        ("study: [", "expected the node content, but found '<stream end>', line 1"),
        ("study: x\n\trecipe: y", "cannot start any token, line 2"),
        ("study: x\nrecipe: {", "line 2"),
        ("study: !!python/object:os.system {}", "could not determine a constructor"),
        ("study: !!python/name:os.system", "could not determine a constructor"),
        ("study: *there", "undefined alias 'there', line 1"),
        ("study: x\nrecipe: a\nstudy: x", "the key 'study' stands twice, line 3"),
        ("study: x\nwaves: [{seeds: [0], seeds: [1]}]", "the key 'seeds' stands twice, line 2"),
        ("study: x\nvariants:\n  a: {lr: 1}\n  b: {lr: 2}\n  a: {lr: 3}", "the key 'a' stands twice, line 5"),
        ("study: x\nvariants:\n  a: {lr: 1, 'lr': 2}", "the key 'lr' stands twice, line 3"),
        ("study: x\n---\nstudy: y", "found another document, line 2"),
        ("study: x\nwaves: [{seeds: [0, 012]}]", "012 is no decimal number"),
        ("study: x\nwaves: [{seeds: [0x1f]}]", "0x1f is no decimal number"),
        ("study: x\nwaves: [{seeds: [1:30]}]", "1:30 is no decimal number"),
        ("study: " + "9" * 5000, "4300 digits"),
        ("study: x\x00", "special characters are not allowed"),
        ("[" * 2_000, "nested too deeply"),
        ("{a: " * 2_000, "nested too deeply"),
        ("- " * 2_000, "nested too deeply"),
        ("{1: 2}", "the key 1, which is no text"),
        ("? [1]\n: 2", "found unhashable key, line 1"),
        (
            "study: x\nrecipe: shapes-live\nwaves: [&a [&b [*a], &c [*b]], &d [&e [*d], &f [*e]]]",
            "its lists hold themselves",
        ),
        (b"study: \xff\xfe", "is not UTF-8 text"),
        (b"\x89PNG\r\n", "is not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_plan_is_one_sentence(text, says, load):
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        load(text or "\n")
    assert str(caught.value).startswith("the plan x.yml: ") and "\n" not in str(caught.value)


def test_a_folder_or_a_broken_link_in_place_of_a_plan(write, tmp_path):
    (tmp_path / "x.yml").mkdir()
    (tmp_path / "y.yml").symlink_to("nowhere")
    with pytest.raises(ValueError, match="^the plan x.yml: .*x.yml cannot be read: Is a directory"):
        plans.load_plan("x")
    with pytest.raises(ValueError, match="y"):
        plans.load_plan("y")


def test_what_yaml_offers_to_write_less_may_be_used(load):
    plan = load(
        "study: x\nrecipe: shapes-live\nchanges: {lr: 1e-2}\nvariants:\n  slow: &slow {network: drn_a_18, lr: 5e-3}\n"
        "  slower: {<<: *slow, lr: 0.001}\nwaves: [{variants: [slow, slower, drn_c_26], seeds: [0]}]\n"
    )
    assert [variant.recipe.lr for variant in plan.variants.values()] == [0.005, 0.001, 0.01]
    assert plan.variants["slower"].network == "drn_a_18"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scored_prat": "tune"}, "there is no field of the plan 'scored_prat'; did you mean scored_part?"),
        ({"wave": []}, "did you mean waves?"),
        ({"Study": "x"}, "did you mean study?"),
        ({"scored_part": "tets"}, "there is no part of shapes to score called 'tets'; did you mean test?"),
        ({"scored_part": "val"}, "called 'val'; choose one of tune, test"),
        ({"scored_part": "train"}, "called 'train'"),
        ({"scored_part": None}, "called None"),
        ({"scored_part": ["test"]}, "called ['test']"),
        ({"recipe": "camvid-reduced", "scored_part": "tune", "variants": {}}, "part of camvid to score called 'tune'"),
        ({"recipe": "cityscapes", "variants": {}}, "part of cityscapes to score called 'test'; choose one of val"),
        ({"study": "y"}, "study must be x, as the file is called, not 'y'"),
        ({"study": "../x"}, "study must be x, as the file is called, not '../x'"),
        ({"study": 1}, "study must be x"),
        ({"study": ["x"]}, "study must be x"),
        ({"recipe": "shape-live"}, "there is no recipe 'shape-live'; did you mean shapes-live"),
        ({"recipe": None}, "there is no recipe None"),
        ({"recipe": {"name": "shapes-live"}}, "there is no recipe {"),
        ({"changes": {"lrr": 0.1}}, "did you mean lr"),
        ({"changes": {"lr": "high"}}, "variant drn_a_18: lr must be a number"),
        ({"changes": {"crop": 64}}, "no field of a variant called 'crop'"),
        ({"changes": []}, "changes must be a mapping"),
        ({"changes": None}, "changes must be a mapping (name: value), not empty"),
        ({"changes": {"dataset": "streets"}}, "no field of a variant called 'dataset'"),
        ({"variants": ["quick"]}, "variants must be a mapping"),
        ({"variants": {"quick": None}}, "variant quick: a variant must be a mapping (name: value), not empty"),
        ({"variants": {"quick": {}}}, "variant quick: there is no network 'quick'"),
        (
            {"variants": {"quick": {"network": "drn_c_27"}}},
            "variant quick: there is no network 'drn_c_27'; did you mean",
        ),
        ({"variants": {"quick": {"network": 18}}}, "there is no network 18"),
        ({"variants": {"quick": {"network": "resnet_18", "lrr": 1}}}, "'lrr'; did you mean lr"),
        ({"variants": {"quick": {"network": "resnet_18", "name": "a"}}}, "no field of a variant called 'name'"),
        ({"variants": {"quick": {"network": "resnet_18", "base": "a"}}}, "no field of a variant called 'base'"),
        ({"variants": {"quick": {"network": "resnet_18", "kind": "a"}}}, "no field of a variant called 'kind'"),
        ({"variants": {"quick": {"network": "resnet_18", "epochs": 0}}}, "epochs must be a whole number"),
        ({"variants": {"quick": {"network": "resnet_18", "epochs": True}}}, "epochs must be a whole number"),
        ({"variants": {"quick": {"network": "resnet_18", "width": float("nan")}}}, "width must be a number"),
        ({"variants": {"quick": {"network": "resnet_18", "width": 1e6}}}, "width must be a number"),
        ({"variants": {"quick": {"network": "resnet_18", "mirror": "yes, please"}}}, "mirror must be True or False"),
        ({"variants": {"quick": {"network": "resnet_18", "dilation_rule": "exact"}}}, "dilation"),
        ({"variants": {"quick": {"network": "drn_a_18", "dilation_rule": "exat"}}}, "exat"),
        ({"variants": {"quick": {"network": "drn_a_18", "dilation_rule": 1}}}, "dilation_rule must be text, not 1"),
        ({"variants": {"quick": {"network": "drn_a_18", "head": "dropp"}}}, "did you mean drop"),
        ({"variants": {"quick": {"network": "drn_a_18", "head": "drop"}}}, "for a classifier that has a start"),
        (
            {"variants": {**BASE["variants"], "spare": {"network": "drn_a_18"}}},
            "it describes spare, which no wave trains",
        ),
        (
            {"variants": {**BASE["variants"], "drn_a_18": {"network": "drn_c_26"}}},
            "variant drn_a_18: its network is drn_c_26, so it needs another name",
        ),
        ({"waves": []}, "waves must not be empty"),
        ({"waves": None}, "waves must be a list, not empty"),
        ({"waves": {"variants": ["drn_a_18"], "seeds": [0]}}, "waves must be a list, not a mapping"),
        ({"waves": ["drn_a_18"]}, "wave 1: a wave must be a mapping"),
        ({"primary_comparisons": [["drn_a_18", "quik"]]}, "called 'quik'; did you mean quick?"),
        ({"primary_comparisons": [["drn_a_18"]]}, "a primary comparison has two variants, not 1"),
        ({"primary_comparisons": [["quick", "quick"]]}, "'quick' twice"),
        ({"primary_comparisons": "quick"}, "primary_comparisons must be a list"),
        ({"primary_comparison": []}, "did you mean primary_comparisons"),
        ({"primary_outcomes": [1]}, "a primary outcome must be text"),
        ({"variants": {"quick": {"network": "drn_c_26", "tail": "identities"}}}, "did you mean identity"),
        (
            {"variants": {"quick": {"network": "drn_b_26", "tail": "identity"}}},
            "drn_b_26 has no levels 7 and 8 without",
        ),
        ({"families": []}, "families must be a mapping"),
        ({"families": {"Top": [CONTRAST]}}, "the name of a family has lower-case"),
        ({"families": {"top": []}}, "family top: a family must not be empty"),
        ({"families": {"top": [{**CONTRAST, "left": "quik"}]}}, "variant of x called 'quik'; did you mean quick?"),
        ({"families": {"top": [{**CONTRAST, "left": "y/quick"}]}}, "no plan in data/studies called 'y'"),
        ({"families": {"top": [{**CONTRAST, "predicted": "fewer"}]}}, "no predicted sign 'fewer'"),
        (
            {"families": {"top": [{**CONTRAST, "smallest": 0}]}},
            "family top: contrast 1: smallest must be a number from",
        ),
        ({"families": {"top": [{**CONTRAST, "right": "quick"}]}}, "quick and quick are not different sides"),
        ({"families": {"top": [{**CONTRAST, "beside": ["quick"]}]}}, "beside must be two variants, not 1"),
        ({"families": {"top": [{**CONTRAST, "excludes": ""}]}}, "excludes must not be empty"),
        ({"families": {"top": [{"left": "quick"}]}}, "a contrast lacks right, outcome"),
        (
            {"families": {"top": [CONTRAST], "upon": [{**CONTRAST, "left": "drn_a_18", "right": "quick"}]}},
            "family upon: contrast 1: drn_a_18 and quick are compared by final.test.top1 before",
        ),
    ],
)
def test_a_wrong_field_is_one_sentence(changes, says, load):
    refused(says, load, **changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": [0]}, "did you mean seeds?"),
        ({"keep_weight": [0]}, "did you mean keep_weights?"),
        ({"seeds": []}, "seeds must not be empty"),
        ({"seeds": 0}, "seeds must be a list, not 0"),
        ({"seeds": "012"}, "seeds must be a list, not '012'"),
        ({"seeds": ["0"]}, "a seed must be a whole number"),
        ({"seeds": [0.5]}, "a seed must be a whole number"),
        ({"seeds": [1.0]}, "a seed must be a whole number"),
        ({"seeds": [-1]}, "a seed must be a whole number"),
        ({"seeds": [True]}, "a seed must be a whole number"),
        ({"seeds": [None]}, "a seed must be a whole number"),
        ({"seeds": [[0]]}, "a seed must be a whole number"),
        ({"seeds": [2**32]}, "a seed must be a whole number"),
        ({"seeds": [0, 1, 0]}, "seeds has 0 twice"),
        ({"keep_weights": [2]}, "keep_weights has [2], which are none of its seeds"),
        ({"keep_weights": 0}, "keep_weights must be a list, not 0"),
        ({"keep_weights": [False]}, "a seed must be a whole number"),
        ({"keep_weights": [0, 0]}, "keep_weights has 0 twice"),
        ({"optional": "maybe"}, "optional must be true or false, not 'maybe'"),
        ({"optional": 1}, "optional must be true or false, not 1"),
        ({"title": 5}, "title must be text, not 5"),
        ({"variants": []}, "variants must not be empty"),
        ({"variants": "drn_a_18"}, "variants must be a list, not 'drn_a_18'"),
        ({"variants": ["drn_a_18", "quick", "quick"]}, "variants has 'quick' twice"),
        ({"variants": ["quick", "drn_z_1"]}, "variant drn_z_1: there is no network 'drn_z_1'"),
        ({"variants": ["quick", False]}, "the name of a variant has lower-case letters"),
        ({"variants": ["quick", "../drn_a_18"]}, "the name of a variant has lower-case letters"),
        ({"variants": ["quick", "DRN_A_18"]}, "the name of a variant has lower-case letters"),
        ({"variants": ["quick", ["drn_a_18"]]}, "the name of a variant has lower-case letters"),
        ({"variants": ["drn_a_18"]}, "it describes quick, which no wave trains"),
    ],
)
def test_a_wrong_wave_is_one_sentence(changes, says, load):
    refused(says, load, waves=[{**BASE["waves"][0], **changes}])


@pytest.mark.parametrize("field", ["variants", "seeds"])
def test_a_wave_without_a_field_is_one_sentence(field, load):
    wave = {key: value for key, value in BASE["waves"][0].items() if key != field}
    refused(f"wave 2: a wave lacks {field}", load, waves=[{"variants": ["resnet_18"], "seeds": [0]}, wave])


def test_a_run_is_planned_once(load):
    again = {"variants": ["quick"], "seeds": [1, 2], "optional": True}
    refused("two waves plan quick-s1", load, waves=[*BASE["waves"], again])
    assert len(load(waves=[*BASE["waves"], {**again, "seeds": [2]}]).runs()) == 5


@pytest.mark.parametrize("study", ["../x", "a/b", ".yml", "", ".", "x.yml", "X", "x ", "/etc/passwd", None, 3, "x\0"])
def test_the_name_of_a_study_is_a_known_name(study, write):
    write(yaml.safe_dump(BASE))
    with pytest.raises(ValueError, match="there is no plan in data/studies called ") as caught:
        plans.load_plan(study)
    assert "\n" not in str(caught.value)


def test_a_mistyped_study_is_offered_the_nearest_and_a_bad_file_name_is_told(write):
    (write("study: x\n").parent / "my-study.yml").write_text("study: my-study\n")
    with pytest.raises(ValueError, match="called 'my_study'; did you mean my-study"):
        plans.load_plan("my_study")
    with pytest.raises(
        ValueError, match="the name of a study has lower-case letters, digits and _ only, not 'my-study'"
    ):
        plans.load_plan("my-study")


BEFORE = {**BASE, "study": "before", "variants": {"narrow": {"network": "resnet_18", "width": 0.0625}}}
BEFORE["waves"] = [{"variants": ["narrow", "resnet_18", "drn_c_26"], "seeds": [0, 1], "keep_weights": [0]}]


@pytest.mark.parametrize(
    ("start", "network", "says"),
    [
        ("before/resnet_18", "resnet_18", None),
        ("before/resnet_18", "drn_a_18", None),
        ("before/resnet_18", "drn_a_34", "its start is a resnet_18, which cannot start a drn_a_34"),
        ("before/drn_c_26", "resnet_18", "its start is a drn_c_26, which cannot start a resnet_18"),
        ("before/narrow", "resnet_18", "its start has the width 0.0625, not 0.125"),
        ("befor/resnet_18", "resnet_18", "called 'befor'; did you mean before?"),
        ("before/resnet_81", "resnet_18", "variant of before called 'resnet_81'; did you mean resnet_18"),
        ("before/resnet_18-s0", "resnet_18", "called 'resnet_18-s0'; did you mean resnet_18"),
        ("resnet_18", "resnet_18", "there is no plan in data/studies called 'resnet_18'"),
        ("../before/resnet_18", "resnet_18", "there is no plan in data/studies called '..'"),
        ("/tmp/resnet_18", "resnet_18", "there is no plan in data/studies called ''"),
        ("x/y", "resnet_18", "its start x/y is of its own study"),
        (3, "resnet_18", "start must be text, not 3"),
    ],
)
def test_a_start_is_weights_that_fit_and_are_kept(start, network, says, load, tmp_path):
    (tmp_path / "before.yml").write_text(yaml.safe_dump(BEFORE))
    fields = {"variants": {"on": {"network": network, "start": start}}, "waves": [{"variants": ["on"], "seeds": [0]}]}
    if says is None:
        assert load(**fields).variants["on"].start == start
        fields["waves"][0]["seeds"] = [0, 1]
        refused("the study before keeps no weights of resnet_18-s1 to start from", load, **fields)
        shipped = tmp_path / "checkpoints" / "before" / "resnet_18-s1.safetensors"
        shipped.parent.mkdir(parents=True)
        shipped.touch()
        assert load(**fields).runs() == [("on", 0), ("on", 1)]
    else:
        refused("variant on: " + ("" if start == 3 else ""), load, **fields)
        refused(says, load, **fields)


def test_a_segmentation_variant_has_no_head_to_drop_and_two_studies_may_not_begin_from_each_other(load, tmp_path):
    (tmp_path / "before.yml").write_text(yaml.safe_dump(BEFORE))
    fields = {"recipe": "streets-live", "waves": [{"variants": ["resnet_18"], "seeds": [0]}]}
    start = {"start": "before/resnet_18"}
    assert load(**fields, variants={"resnet_18": start}).variants["resnet_18"].head == "strict"
    refused("for a classifier that has a start", load, **fields, variants={"resnet_18": {**start, "head": "drop"}})


def test_the_pages_and_the_runs_read_plans_alike(load):
    load(waves=[*BASE["waves"], {"variants": ["drn_a_18"], "seeds": [7], "optional": True}])
    assert results.planned_variants("x") == ["drn_a_18", "quick"]
    assert results.planned_seeds("x", "drn_a_18") == 2 and results.planned_seeds("x", "quick") == 2
    assert results.planned_seeds("x", "drn_c_26") == 0 and results.planned_variants("y") == []
    for read in (results.planned_variants, lambda study: results.planned_seeds(study, "quick"), pages.progress):
        with pytest.raises(ValueError, match="the plan x.yml: .*did you mean scored_part"):
            refused_plan = yaml.safe_dump({**BASE, "scored_prat": "tune"})
            (files.studies_dir() / "x.yml").write_text(refused_plan)
            read("x")


def test_committed_plans_load_and_their_results_are_of_them():
    for file in files.studies_dir().glob("*.yml"):
        plan = plans.load_plan(file.stem)
        assert plan.study == file.stem
        names = {plan.run_name(*run) for run in plan.runs()}
        stored = {path.stem for path in (files.results_dir() / plan.study).glob("*.json")}
        assert stored <= names
        for variant, seed in plan.runs():
            plan.result(variant, seed)  # refuses one that was trained by another recipe


def test_the_weights_that_the_classification_study_keeps_fit_into_40_mb():
    plan, classes = plans.load_plan("classification"), 20
    kept = [plan.variants[name] for name, seed in plan.runs() if plan.keeps_weights(name, seed)]
    tables = [scale_width(architecture(one.network), one.recipe.width) for one in kept]
    assert 30e6 < sum(2 * costs.parameters(table, classes) for table in tables) < 39e6  # float16, without file heads


def test_a_plan_has_its_contrasts_by_family_and_they_may_name_another_plan(load, tmp_path):
    (tmp_path / "y.yml").write_text(yaml.safe_dump({**BASE, "study": "y"}))
    second = {**CONTRAST, "right": "y/drn_a_18", "beside": ["y/quick", "drn_a_18"]}
    families = load(families={"top": [CONTRAST, second]}).families
    assert [contrast.variants for contrast in families["top"]] == [
        ("quick", "drn_a_18"),
        ("quick", "y/drn_a_18", "y/quick", "drn_a_18"),
    ]
    assert (families["top"][0].predicted, families["top"][0].smallest) == ("less", 1.5)


@pytest.mark.parametrize("study", ["classification", "segmentation"])
def test_every_primary_comparison_of_a_plan_is_judged_for_a_claim(study):
    plan = yaml.safe_load((files.studies_dir() / f"{study}.yml").read_text())
    claims = yaml.safe_load((paths.paper_dir() / "claims.yml").read_text())["claims"]
    compared = [check["compare"] for claim in claims for check in claim["checks"] if "compare" in check]
    judged = [[row["left"], row["right"]] for row in compared if study in row["studies"]]
    assert all(pair in judged for pair in plan["primary_comparisons"])


def test_changes_of_a_plan_hold_for_all_its_variants_unless_one_says_otherwise(load):
    plan = load(
        "study: x\nrecipe: shapes-live\nchanges: {epochs: 7, lr: 0.5}\nvariants: {drn_a_18: {lr: 0.1}}\n"
        "waves: [{variants: [drn_a_18, resnet_18], seeds: [0]}]\n"
    )
    recipes = [variant.recipe for variant in plan.variants.values()]
    assert [(found.epochs, found.lr) for found in recipes] == [(7, 0.1), (7, 0.5)]
