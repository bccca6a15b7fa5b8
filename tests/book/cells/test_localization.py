"""The curves that a study stored are read seed by seed."""

import pytest

from book.cells.localization import stored_curves


def test_stored_curves_come_seed_by_seed(clutter_curves):
    found = stored_curves(clutter_curves, "drn_c_26", "clutter")
    assert found.shape == (2, 41, 4) and found[1, 12].tolist() == pytest.approx([41, 0.59, 46, 0.59])
    assert stored_curves(clutter_curves, "drn_c_26", "localization.native") is None
    assert stored_curves(clutter_curves, "drn_a_18", "clutter") is None
    assert stored_curves("no_such_study", "drn_a_18", "clutter") is None
