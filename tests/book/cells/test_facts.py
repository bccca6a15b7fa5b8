"""A fact prints the same for values within the tolerance, and says False outside it."""

from book.cells.facts import fact


def test_small_differences_do_not_show_and_large_ones_do(capsys):
    for value in (0.4999, 0.5001, 0.52):
        fact("share", value, 0.5, 0.01)
    near, also_near, far = capsys.readouterr().out.splitlines()
    assert near == also_near == "share: 0.5 (within 0.01: True)"
    assert far == "share: 0.5 (within 0.01: False)"
