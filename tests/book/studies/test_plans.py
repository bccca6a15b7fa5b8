"""Plans as their files hold them: read strictly, and those that are committed."""

import pytest

from book.studies import files, plans
from drn_lib import costs, paths
from drn_lib.architecture import architecture, scale_width


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads a plan of the study x from its text."""
    monkeypatch.setattr(files, "studies_dir", lambda: tmp_path)
    return lambda text: (tmp_path / "x.yml").write_text(text) and plans.load_plan("x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipe: shapes-live\n", "lacks waves"),
        ("recipe: shapes-live\nwaves: [{variants: [drn_z_1], seeds: [0]}]\n", "drn_z_1"),
        ("recipe: none\nwaves: [{variants: [drn_c_26], seeds: [0]}]\n", "no recipe is called"),
        ("recipe: shapes-live\nwaves: [{variants: [drn_c_26], seed: [0]}]\n", "not known: .*'seed'"),
        ("recipe: shapes-live\nvariants: {y: {lr: 1}}\nwaves: [{variants: [drn_c_26], seeds: [0]}]\n", "describes y"),
    ],
)
def test_a_wrong_plan_is_one_sentence(text, message, load):
    with pytest.raises(ValueError, match=message):
        load("study: x\n" + text)


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


@pytest.mark.parametrize("study", ["classification", "segmentation"])
def test_the_primary_comparisons_of_the_plan_are_those_of_the_claims(study):
    import yaml

    plan = yaml.safe_load((files.studies_dir() / f"{study}.yml").read_text())
    claims = yaml.safe_load((paths.paper_dir() / "claims.yml").read_text())["claims"]
    compared = [check["compare"] for claim in claims for check in claim["checks"] if "compare" in check]
    primary = [[row["left"], row["right"]] for row in compared if row.get("primary") and study in row["studies"]]
    assert plan["primary_comparisons"] == primary


def test_changes_of_a_plan_hold_for_all_its_variants_unless_one_says_otherwise(load):
    plan = load(
        "study: x\nrecipe: shapes-live\nchanges: {epochs: 7, lr: 0.5}\nvariants: {drn_a_18: {lr: 0.1}}\n"
        "waves: [{variants: [drn_a_18, resnet_18], seeds: [0]}]\n"
    )
    recipes = [variant.recipe for variant in plan.variants.values()]
    assert [(found.epochs, found.lr) for found in recipes] == [(7, 0.1), (7, 0.5)]
