"""The page of claims: what it counts, how strong it calls the evidence, and that its sentences fit their numbers."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from book.numbers.claims import judging as claims
from book.numbers.claims import page
from book.studies import files, results
from book.studies.evidence import growth, planned
from book.studies.evidence.grid import contrasts
from book.studies.evidence.replication import grid_scale
from book.studies.imagenet import readings
from book.studies.intervals import Interval
from book.studies.metrics import interval_text
from tests import ROOT

TRIED = [pytest.param(claim, id=claim["id"]) for claim in claims.load_claims() if "finding" in claim]
SIDES = {"left": "drn_a_18", "right": "resnet_18", "metric": "lattice_energy.level_6"}
CHECK = {"what": "a grid", "compare": {"studies": ["classification"], **SIDES, "claim": "less"}}


@pytest.mark.parametrize("claim", TRIED)
def test_a_sentence_holds_for_the_verdicts_for_which_it_was_written(claim):
    """Where this fails, read `finding` and `answer` again, and then write the new verdicts into `when`."""
    assert page.verdicts(claim) == claim["when"]


@pytest.mark.parametrize("claim", TRIED)
def test_a_finding_is_short_and_its_numbers_were_measured_and_are_no_negative_counts(claim):
    said = page.sentence(claim["finding"])
    assert said.endswith(".") and len(re.findall(r"[.!?](?: (?=[A-Z])|$)", said)) <= 3
    assert "not yet measured" not in said and "{" not in said
    assert "−" not in said, "a sentence says fewer or more, and a minus would turn it round"


def test_what_the_sentences_say_beyond_their_numbers():
    """C9 finds no grid, C15 calls the fixed box the best, C6 and C19 call a difference one of chance."""
    for level in ("level_6", "score_map"):
        assert contrasts.contrast("drn_c_26", level, 4).high < 0
    fixed = results.metric("classification", "resnet_18", "localization.trivial.fixed_box.gt_known_50").mean
    for name in ("resnet_18", "drn_a_18", "drn_b_26", "drn_c_26"):
        assert results.metric("classification", name, "localization.native.gt_known_50").mean > fixed
    for claim in claims.load_claims():
        if claim["id"] in ("C6", "C19"):
            assert {claims.tallied(check) for check in claim["checks"]} <= {"not resolved", "not testable here"}


def test_the_counts_keep_arithmetic_the_papers_claims_and_controls_apart(monkeypatch):
    exact = {"arithmetic": {"left": "a/b/c", "right": "a/b/c", "claim": "equal"}}
    checks = [exact, {"not_testable": "x"}, {"not_testable": "x"}, {"not_testable": "x", "control": True}]
    monkeypatch.setattr(page, "load_claims", lambda: [{"checks": checks}])
    monkeypatch.setattr(claims, "_judge_arithmetic", lambda _: ("", "exact", "–", "supported"))
    lines = page.summary().splitlines()
    assert lines[0] == "| verdict | arithmetic | the paper's claims | our own controls |"
    assert lines[2:] == ["| supported | 1 | – | – |", "| not testable here | – | 2 | 1 |"]


def test_every_comparison_that_the_paper_lacks_is_marked_as_a_control():
    for claim in claims.load_claims():
        for check in claim["checks"]:
            assert (claims.paper_text(check) == "–") == bool(check.get("control")), (claim["id"], check["what"])


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """No results at all."""
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        ("as predicted", "reduced, replicated"),
        ("as predicted (provisional)", "reduced, replicated"),
        ("against the prediction", "reduced, contradicted when repeated"),
        ("not resolved", "reduced, not resolved when repeated"),
        ("not measured", "reduced, once"),
    ],
)
def test_a_comparison_is_replicated_where_its_repetition_came_out_as_predicted(empty, monkeypatch, again, expected):
    contrast = SimpleNamespace(left=SIDES["left"], right=SIDES["right"], outcome=SIDES["metric"], beside=None)
    row = SimpleNamespace(contrast=contrast, verdict=again)
    monkeypatch.setattr(planned, "rows", lambda study: [row] if study == "heldout" else [])
    assert claims.scale(CHECK) == ""  # not measured
    monkeypatch.setattr(claims, "_compared", lambda _: (None, ("classification", *SIDES.values(), None)))
    monkeypatch.setattr(claims, "judge", lambda _: ("", "3, 3", "", "supported"))
    assert claims.scale(CHECK) == expected


def test_a_grid_is_replicated_whichever_side_is_subtracted_and_only_at_one_level():
    maps = ("drn_b_26", "score_map"), ("drn_c_26", "score_map")
    assert grid_scale(*maps, 4) == grid_scale(*reversed(maps), 4) == "reduced, replicated"
    assert grid_scale(*maps, 2) == grid_scale(maps[0], ("drn_b_26", "level_6"), 4) == "reduced, once"


def test_the_repetition_is_planned_for_the_first_claim_of_the_book():
    planned_sides = [(row.contrast.left, row.contrast.right, row.contrast.outcome) for row in planned.rows("heldout")]
    assert ("drn_a_18", "resnet_18", "final.test.top1") in planned_sides


def test_a_growth_is_judged_from_both_errors_and_the_papers_too(monkeypatch):
    found = growth.Growth(-9.0, -3.0, Interval(-6.0, -7.0, -5.0, 5, ""), Interval(-6.0, -9.0, 1.0, 5, ""))
    monkeypatch.setattr(growth, "growth", lambda *sides: found)
    monkeypatch.setattr(results, "runs", lambda study, name: [None] * 5)
    check = {"growth": {"study": "classification", "left": "drn_a_18", "right": "resnet_18", "claim": "less"}}
    assert claims.judge(check) == (
        "−9.0 and −3.0: −6.0",
        "5,\u00a05",
        "[−7.0,\u00a0−5.0]",
        "supported (provisional)",
    )
    assert (claims.scale(check), claims.kind(check)) == ("reduced, once", "the paper's claims")
    cell = "table2_localization/{}/top1_loc_err_pct", "table1_classification/{}/top1_err_1crop_pct"
    more, base = ({"left": one.format("DRN-A-18"), "right": one.format("ResNet-18")} for one in cell)
    assert claims.paper_text({"paper": {**more, "beside": base}}) == "−6.9 and −2.4: −4.5"
    monkeypatch.setattr(growth, "growth", lambda *sides: None)
    assert claims.judge(check)[3] == "open"


def test_the_scale_of_what_no_training_shows(empty, monkeypatch):
    assert claims.scale({"not_testable": "x"}) == "the paper's table only"
    reading = {"measured": "pets", "outcome": "ap", "left": "exact_8", "right": "as_trained", "claim": "greater"}
    check = {"what": "", "reading": reading}
    assert claims.judge(check)[3] == "open" and claims.scale(check) == ""
    row = {"estimate": -2.0, "low": -3.0, "high": -1.0, "p_holm": 0.01}
    sides = {"exact_8": {"ap": 76.0}, "as_trained": {"ap": 78.0}}
    stored = {"ap": {"exact_8 - as_trained": row}, "readings": sides, "counts": {"test": 298}}
    monkeypatch.setattr(readings, "stored", lambda _: stored)
    found = ("76.0 and 78.0: −2.0", "298 photographs", "[−3.0,\u00a0−1.0]", "contradicted")
    assert claims.judge(check) == found and claims.scale(check) == "a real ImageNet network"
    row["p_holm"] = 0.2
    assert claims.judge(check)[3] == "not resolved"


def test_a_claim_begins_with_its_finding_and_every_claim_has_its_address():
    details, rest = page.details(), page.untested()
    for claim in claims.load_claims():
        address = f"({claim['id'].lower()})=\n"
        assert (details if "finding" in claim else rest).count(address) == 1
        if "finding" in claim:
            after = details.partition(f"{address}### {claim['id']}: ")[2].split("\n\n")
            assert after[1] == page.sentence(claim["finding"]) and after[2].startswith("*Claimed in* ")
    assert "| reduced, 5 and\u00a05 |" in details


def test_the_answers_are_words():
    """YAML takes a bare yes for true."""
    assert all(isinstance(claim.get("answer", ""), str) for claim in claims.load_claims())


def test_the_page_stays_below_4400_words():
    assert len((ROOT / "book" / "claims.md").read_text(encoding="utf-8").split()) < 4400


@pytest.mark.parametrize(
    ("low", "high", "over_seeds", "claim", "verdict"),
    [
        (0.01, 0.03, 0.005, "greater", "supported"),
        (0.01, 0.03, 0.005, "less", "contradicted"),
        (0.01, 0.03, -0.005, "greater", "supported (provisional)"),
        (-0.01, 0.03, -0.005, "less", "not resolved"),
    ],
)
def test_a_check_of_a_grid_is_judged_by_its_contrast(low, high, over_seeds, claim, verdict, monkeypatch):
    def difference(left, right, period, of=None):
        assert (left, right, period) == (("drn_c_26", "level_6"), ("drn_a_18", "level_4"), 4)
        return Interval(0.02, low, high, 3, "")

    monkeypatch.setattr(contrasts, "difference", difference)
    monkeypatch.setattr(contrasts, "difference_over_seeds", lambda *_: Interval(0.02, over_seeds, 0.9, 3, ""))
    monkeypatch.setattr(contrasts, "contrast", lambda _, level, period: Interval(int(level[-1]) / 100, 0, 0, 3, ""))
    monkeypatch.setattr(contrasts, "seeds", lambda network: (0, 1, 2))
    check = {"what": "", "grid": {"left": "drn_c_26/level_6", "right": "drn_a_18/level_4", "period": 4, "claim": claim}}
    ours, n, interval, judged = claims.judge(check)
    assert (ours, n, judged) == ("0.060 and 0.040: +0.020", "3,\u00a03", verdict)
    assert interval == interval_text(Interval(0.02, low, high, 3, ""), ".3f")
    assert claims.scale(check) == "reduced, once" and claims.kind(check) == "the paper's claims"
