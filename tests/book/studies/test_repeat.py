"""The smallest result: what one more training is expected to give, and what is said of it."""

import math
from types import SimpleNamespace

import pytest
from scipy import stats

from book.numbers.tables import reproduction
from book.studies import plans, results, runs
from book.studies.evidence import repeat
from book.studies.evidence.grid import contrasts


def test_what_is_expected_of_one_more_training():
    """Student's t prediction interval, by scipy's own t for one new value."""
    found = repeat.expected()
    values = [run.curve[-1]["tune_top1"] for run in results.runs("classification", "resnet_18")]
    assert list(found.values) == values and len(values) == 5
    spread = stats.tstd(values) * math.sqrt(1 + 1 / 5)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 4, loc=sum(values) / 5, scale=spread))
    assert found.low < min(values) < found.mean < max(values) < found.high


@pytest.mark.parametrize(
    ("error", "status", "said"), [(37.0, 0, "as expected"), (45.0, 1, "outside"), (20.0, 1, "outside")]
)
def test_one_that_lands_elsewhere_fails(error, status, said, monkeypatch, capsys):
    monkeypatch.setattr(repeat, "train_once", lambda seed: error)
    assert repeat.main(["--seed", "9"]) == status
    assert capsys.readouterr().out.splitlines()[-1] == f"found {error:.1f} %, {said}"


def test_a_seed_of_the_study_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(repeat, "train_once", None)
    with pytest.raises(SystemExit, match="2"):
        repeat.main(["--seed", "3"])
    assert "the study has a training with seed 3" in capsys.readouterr().err


def test_it_trains_as_the_study_does(monkeypatch):
    seen = []

    def train(variant, seed, options):
        seen.append((variant, seed, options.engine))
        return SimpleNamespace(curve=[{"tune_top1": 50.0}, {"tune_top1": 12.5}]), {}

    monkeypatch.setattr(runs, "train_classifier", train)
    assert repeat.train_once(7) == 12.5
    plan = plans.load_plan("classification")
    assert seen == [(plan.variants["resnet_18"], 7, plan.engine)]


def test_the_table_of_the_reproduction_has_an_answer_for_every_question():
    lines = reproduction.reproduction().splitlines()[2:]
    answers = [line.split("|")[4].strip() for line in lines]
    assert len(lines) == len(reproduction.ROWS) == 9
    assert set(answers) <= {"**yes**", "**no**", "**we cannot tell**"} and len(set(answers)) == 3
    assert "−2.9 [−4.3" in lines[0] and "−2.4" in lines[0]


def test_the_row_of_the_grid_is_the_difference_that_claim_c8_has():
    (line,) = [line for line in reproduction.reproduction().splitlines() if "less of a grid" in line]
    found = contrasts.difference(("drn_b_26", "score_map"), ("drn_c_26", "score_map"), 4)
    size, low, high = (f"{one:.3f}" for one in (found.estimate, found.low, found.high))  # B - C there, C - B here
    assert f"| −{size} [−{high},\u00a0−{low}] | **yes** | reduced, replicated, 3 trainings a side |" in line
