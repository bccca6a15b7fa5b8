"""What chapter 09 reads off stored results."""

import pytest

from book.cells import remedies
from book.studies import plans
from book.studies.evidence import blur, planned
from book.studies.evidence.planned import Row

BOXES = "clutter.gt_known_50"


def test_the_contrasts_come_in_the_order_asked_for_with_the_p_values_of_the_whole_plan():
    pairs = [("drn_b_26_smooth", "drn_b_26"), ("drn_a_18_smooth", "drn_c_26")]
    found = remedies.blurred(pairs, BOXES)
    assert [(one.left, one.right) for one in found] == pairs
    rows = {row.contrast.variants: row for row in blur.rows() if row.contrast.outcome == BOXES}
    assert [one.p_adjusted for one in found] == [rows[pair].p_adjusted for pair in pairs]
    assert [one.difference for one in found] == [rows[pair].measured.difference for pair in pairs]


def test_a_pair_that_no_plan_names_is_refused():
    with pytest.raises(KeyError):
        remedies.blurred([("drn_a_18", "drn_c_26")], BOXES)


def test_what_was_not_measured_is_no_comparison():
    assert Row("blur", blur.CONTRASTS[0], None, 1.0).comparison is None


def test_each_remedy_is_compared_with_the_network_that_has_none():
    names = ["ladder_a_22_undilated", "starts/ladder_a_22_falling"]
    found = remedies.trained(names, BOXES)
    family = planned.judged("remedies", "boxes", plans.load_plan("remedies").families["boxes"])
    rows = {row.contrast.left: row for row in family}
    assert found == [rows[name].comparison for name in names]
    assert all(one is None or (one.left, one.right) == (name, "ladder_a_22") for name, one in zip(names, found))


def test_a_remedy_or_an_outcome_that_the_plan_does_not_name_is_refused():
    for name, outcome in (("ladder_a_22_fading", BOXES), ("ladder_a_22_hdc", "clutter.cam.gt_known_50")):
        with pytest.raises(KeyError):
            remedies.trained([name], outcome)
