"""Trainings by the fast engine beside plain ones: what is counted, and what was found."""

from types import SimpleNamespace

import pytest

from book.studies import results
from book.studies.evidence import agreement


def made(error, losses, variant="drn_a_18"):
    curve = [{"epoch": number, "train_loss": loss} for number, loss in enumerate(losses, 1)]
    return SimpleNamespace(variant=variant, metrics={"final.test.top1": error}, curve=curve)


@pytest.mark.parametrize(
    ("error", "losses", "inside", "holds"),
    [
        (36.0, [2.0] * 45, 45, True),
        (38.1, [2.0] * 45, 45, False),  # 3.1 points from the mean of the plain runs
        (31.9, [2.0] * 45, 45, False),
        (35.0, [2.0] * 38 + [2.5] * 7, 38, True),
        (35.0, [2.0] * 37 + [2.5] * 8, 37, False),
        (35.0, [2.31, 1.69] + [2.2] * 43, 43, True),  # the band of 1.9 to 2.1 is widened by 0.2 at both sides
    ],
)
def test_both_predictions_are_counted(error, losses, inside, holds, monkeypatch):
    plain = [made(34.0, [1.9] * 45), made(36.0, [2.1] * 45)]

    def runs(study, name=None, root=None):
        return plain if (study, name) == ("classification", "drn_a_18") else [made(error, losses)]

    monkeypatch.setattr(results, "runs", runs)
    (found,) = agreement.agreements()
    assert (found.plain, found.inside, found.epochs, found.holds) == (35.0, inside, 45, holds)


def test_the_stored_runs_agree():
    found = agreement.agreements()
    assert {row.network for row in found} == {"resnet_18", "drn_a_18", "drn_b_26", "drn_c_26"}
    assert all(row.holds for row in found)
