"""Intervals kept on disk: by everything they depend on, and computed again where an entry is damaged."""

from functools import partial

import numpy as np
import pytest

from book.studies import cache, intervals
from drn_lib.evaluation.confusion import miou, pixel_accuracy

RIGHT = np.random.default_rng(0).random((3, 40)) < 0.5
LEFT = RIGHT[::-1] | (np.arange(40) < 4)


@pytest.fixture
def computed(tmp_path, monkeypatch):
    """An empty cache, and the list of what is computed and not read."""
    monkeypatch.setenv("DRN_CACHE", str(tmp_path))
    calls, compute = [], intervals.bootstrap_difference
    monkeypatch.setattr(intervals, "bootstrap_difference", lambda *a, **o: calls.append(o) or compute(*a, **o))
    return calls


def test_an_interval_is_computed_once_and_read_as_it_was(computed, tmp_path):
    first, again = (cache.bootstrap_difference(LEFT, RIGHT, draws=50) for _ in range(2))
    assert first == again and len(computed) == 1
    (entry,) = (tmp_path / "intervals").iterdir()
    for damaged in (entry.read_text()[:20], "[]", '{"estimate": 1}', ""):
        entry.write_text(damaged)
        assert cache.bootstrap_difference(LEFT, RIGHT, draws=50) == first
    assert len(computed) == 5 and cache.bootstrap_difference(LEFT, RIGHT, draws=50) == first


def test_without_a_place_to_write_it_is_computed(computed, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DRN_CACHE", str(tmp_path / "file"))
    assert cache.bootstrap_difference(LEFT, RIGHT, draws=50) == cache.bootstrap_difference(LEFT, RIGHT, draws=50)
    assert len(computed) == 2


def test_other_data_options_or_code_give_another_key(monkeypatch):
    changed = LEFT.copy()
    changed[2, 7] ^= True
    groups = np.arange(40) // 20
    options = [{}, {"draws": 50}, {"paired": True}, {"groups": groups}, {"groups": groups[::-1]}]
    options += [{"statistic": one} for one in (miou, pixel_accuracy, *(partial(miou, classes=[c]) for c in (1, 2)))]
    keys = [cache.key(LEFT, RIGHT, **one) for one in options]
    keys += [cache.key(*sides) for sides in ((RIGHT, LEFT), (changed, RIGHT), (LEFT, changed), (LEFT[:, :39], RIGHT))]
    keys += [cache.key(LEFT.reshape(6, 20), RIGHT), cache.key(LEFT.astype(np.uint8), RIGHT)]
    monkeypatch.setattr(cache, "_code", lambda: "of another version")
    keys.append(cache.key(LEFT, RIGHT))
    assert len(set(keys)) == len(keys)
    assert cache.key(LEFT, RIGHT, draws=5, seed=1) == cache.key(LEFT.copy(), RIGHT, seed=1, draws=5)


def test_a_statistic_that_its_name_does_not_tell_is_refused(computed, tmp_path):
    def own(counts):
        return counts

    class Called:
        def __call__(self, counts):
            return counts

    for one in (lambda counts: counts, own, test_without_a_place_to_write_it_is_computed, Called(), str.upper):
        for statistic in (one, partial(one, classes=[1])):
            with pytest.raises(ValueError, match="take a named function of book.studies.intervals, .* or numpy$"):
                cache.bootstrap_difference(LEFT, RIGHT, draws=50, statistic=statistic)
    assert computed == [] and not (tmp_path / "intervals").exists()
    assert len({cache.key(LEFT, RIGHT, statistic=one) for one in (np.asarray, np.square, intervals.percent, miou)}) == 4
