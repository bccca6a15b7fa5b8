"""Intervals, several comparisons, verdicts: on simulated data of known truth and against scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from book.studies import intervals
from book.studies.intervals import Interval, Sample, bootstrap_difference, holm, student_t, verdict


def sample(*values):
    return Sample(tuple(range(len(values))), tuple(values))


@pytest.mark.parametrize("level", [0.95, 0.8])
@pytest.mark.parametrize("values", [(40.1, 41.9), (40.1, 41.9, 38.7), (1.0, 2.0, 4.0, 8.0, 16.0)])
def test_student_t_equals_scipy(values, level):
    ours = student_t(sample(*values), level)
    low, high = stats.t.interval(level, len(values) - 1, np.mean(values), stats.sem(values))
    assert (ours.low, ours.high) == pytest.approx((low, high), rel=1e-12)
    assert ours.estimate == pytest.approx(np.mean(values)) and ours.n == len(values)


def test_student_t_difference_equals_scipys_welch():
    left, right = [40.1, 41.9, 38.7], [44.0, 43.1, 46.2, 44.9]
    ours = intervals.student_t_difference(sample(*left), sample(*right))
    theirs = stats.ttest_ind(left, right, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-12)
    assert ours.n == 3


def test_paired_seeds_equal_scipys_paired_test():
    left, right = Sample((0, 1, 2, 5), (40.1, 41.9, 38.7, 1.0)), Sample((2, 1, 0), (46.2, 43.1, 44.0))
    ours = intervals.student_t_difference(left, right, paired=True)  # of seeds 0, 1, 2, which both have
    theirs = stats.ttest_rel([40.1, 41.9, 38.7], [44.0, 43.1, 46.2])
    interval = theirs.confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-12) and ours.n == 3
    assert math.isnan(intervals.student_t_difference(sample(1.0), sample(2.0), paired=True).p)
    assert intervals.student_t_difference(sample(1.0, 2.0), sample(1.0, 2.0), paired=True).p == 1.0


def test_paired_seeds_are_redrawn_together():
    """Three trainings far apart, each a tenth better the second time: only together they show how surely."""
    shares = (np.arange(100) / 100)[None]
    right = (shares < np.array([[0.2], [0.5], [0.8]])).astype(float)
    left = (shares < np.array([[0.1], [0.4], [0.7]])).astype(float)
    apart, together = (bootstrap_difference(left, right, draws=200, paired=paired) for paired in (False, True))
    assert together.estimate == apart.estimate == pytest.approx(-10)
    assert together.high < 0 < apart.high
    with pytest.raises(ValueError, match="not 3 and 2"):
        bootstrap_difference(left, right[:2], paired=True)


def test_one_seed_has_no_interval_and_equal_seeds_one_of_no_width():
    assert math.isnan(student_t(sample(40.0)).low)
    assert math.isnan(intervals.student_t_difference(sample(40.0), sample(41.0, 42.0)).high)
    with pytest.raises(ValueError, match="nothing was measured"):
        student_t(sample())
    same = intervals.student_t_difference(sample(2.0, 2.0), sample(2.0, 2.0))
    assert (same.estimate, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_student_t_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(0)
    found = [student_t(sample(*generator.normal(40, 2, size=4))) for _ in range(1000)]
    assert 0.93 <= np.mean([interval.low <= 40 <= interval.high for interval in found]) <= 0.97


def simulated(generator, seeds, difficulty, error, seed_spread=0.02):
    """Wrong or right per seed and image; images differ in difficulty and seeds in quality."""
    quality = generator.normal(0, seed_spread, size=(seeds, 1))
    chance = np.clip(error + difficulty + quality, 0, 1)
    return (generator.random((seeds, len(difficulty))) < chance).astype(float)


def mixed(generator, seeds, images, error, seed_spread=0.02):
    """The same on images whose difficulty is drawn anew each time."""
    return simulated(generator, seeds, generator.normal(0, 0.2, size=images), error, seed_spread)


def bootstrap(errors, *options, **named):
    """The interval of one side's error: its difference from a network that never errs."""
    return bootstrap_difference(errors, np.zeros_like(errors), *options, **named)


def test_bootstrap_holds_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    found = [bootstrap(mixed(generator, 5, 200, 0.5), draws=120) for _ in range(80)]
    # Five seeds make it a little narrow, what the images add a little wide.
    assert 0.84 <= np.mean([interval.low <= 50 <= interval.high for interval in found]) <= 0.995


def test_bootstrap_of_a_difference_holds_the_truth_and_shared_images_cancel():
    generator = np.random.default_rng(2)
    hits, widths = 0, []
    for _ in range(80):
        difficulty = generator.normal(0, 0.2, size=200)
        left, right = (simulated(generator, 5, difficulty, error) for error in (0.45, 0.50))
        interval = bootstrap_difference(left, right, draws=120)
        hits += interval.low <= -5 <= interval.high
        shuffled = bootstrap_difference(left, generator.permuted(right, axis=1), draws=120)
        widths.append((interval.high - interval.low) / (shuffled.high - shuffled.low))
    assert 0.84 <= hits / 80 <= 1.0 and np.mean(widths) < 1.0


def test_a_true_difference_of_the_expected_reach_is_resolved_about_every_second_time():
    generator = np.random.default_rng(5)

    def noisy(seeds, error=0.3):
        return simulated(generator, seeds, np.zeros(800), error, 0.015)

    reach = np.mean([intervals.expected_reach(noisy(30), noisy(30), 4) for _ in range(10)])
    assert 2 < reach < 6
    found = [bootstrap_difference(noisy(4, 0.3 + reach / 100), noisy(4), draws=200) for _ in range(60)]
    assert 20 <= sum(interval.low > 0 for interval in found) <= 48


def test_more_seeds_bring_the_reach_down_to_what_the_images_leave():
    generator = np.random.default_rng(6)
    hard = generator.random((2, 400))  # how likely each image comes out wrong, by network
    left, right = ((generator.random((40, 400)) < one).astype(float) for one in hard)
    reach = [intervals.expected_reach(left, right, seeds) for seeds in (3, 10, 100, math.inf)]
    assert reach == sorted(reach, reverse=True)
    assert reach[-1] == pytest.approx(196 * (hard[0] - hard[1]).std() / math.sqrt(400), rel=0.1)


def test_the_reach_by_hand():
    """Two seeds, four images: what one image does from seed to seed is taken out of the spread of the images."""
    left, right = np.array([[1, 0, 0, 1], [1, 0, 1, 0]]), np.zeros((2, 4))
    # Means of the images 1, 0, 1/2, 1/2: variance 1/6. Variance between seeds 0, 0, 1/2, 1/2: mean 1/4, of two 1/8.
    of_images = (1 / 6 - 1 / 8) / 4
    assert intervals.expected_reach(left, right, math.inf) == pytest.approx(195.996 * math.sqrt(of_images), rel=1e-4)
    left[1] = [1, 0, 0, 0]  # the seeds' means are 1/2 and 1/4: variance 1/32; images 1, 0, 0, 1/2
    of_images = (0.6875 / 3 - 0.125 / 2) / 4
    expected = 100 * 2.77645 * math.sqrt(1 / 32 / 3 + of_images)  # 2.77645: Student's t, 4 degrees of freedom
    assert intervals.expected_reach(left, right, 3) == pytest.approx(expected, rel=1e-4)


def test_bootstrap_is_wider_with_seeds_that_differ():
    generator = np.random.default_rng(3)
    alike, apart = (bootstrap(mixed(generator, 5, 1000, 0.5, spread)) for spread in (0.0, 0.1))
    assert apart.high - apart.low > 1.5 * (alike.high - alike.low)


def test_bootstrap_repeats_and_has_the_plain_error_as_estimate():
    errors = mixed(np.random.default_rng(4), 3, 100, 0.4)
    assert bootstrap(errors) == bootstrap(errors)
    assert bootstrap(errors).estimate == pytest.approx(100 * errors.mean())
    assert bootstrap(errors[0]).n == 1 and bootstrap(errors).n == 3


def test_bootstrap_difference_of_a_network_from_itself_is_not_significant():
    errors = mixed(np.random.default_rng(5), 3, 300, 0.4)
    interval = bootstrap_difference(errors, errors)
    assert interval.low <= 0 <= interval.high and interval.p > 0.5
    with pytest.raises(ValueError, match="same images"):
        bootstrap_difference(np.zeros((2, 10)), np.zeros((2, 11)))


def test_holm_against_statsmodels():
    """Values of `statsmodels.stats.multitest.multipletests(p, method="holm")[1]`, by its definition: the running
    maximum of (m - k) p over the sorted p-values, k from 0, cut at 1 (Holm 1979)."""
    given = (0.011, 0.002, 0.2, 0.013, 0.0001, 0.6, 0.013)
    adjusted = (0.055, 0.012, 0.4, 0.055, 0.0007, 0.6, 0.055)
    assert list(holm(dict(enumerate(given))).values()) == pytest.approx(adjusted)


def test_holm_against_an_example_by_hand():
    # sorted: 0.01, 0.03, 0.04, 0.20 times 4, 3, 2, 1 = 0.04, 0.09, 0.08, 0.20; 0.08 rises to 0.09
    given = {"a": 0.04, "b": 0.01, "c": 0.20, "d": 0.03}
    adjusted = holm(given)
    assert list(adjusted) == ["a", "b", "c", "d"]
    assert [adjusted[name] for name in "bdac"] == pytest.approx([0.04, 0.09, 0.09, 0.20])
    assert holm({"one": 0.7, "two": 0.9}) == pytest.approx({"one": 1.0, "two": 1.0})
    assert holm({}) == {}


@pytest.mark.parametrize(
    ("expected", "claim", "bounds"),
    [
        ("supported", "less", [(-3.0, -1.0, 3)]),
        ("supported", "greater", [(1.0, 3.0, 3)]),
        ("contradicted", "greater", [(-3.0, -1.0, 3)]),
        ("contradicted", "less", [(1.0, 3.0, 3)]),
        ("contradicted", "matches", [(1.1, 2.0, 3), (-2.0, -1.1, 3)]),
        ("matches", "matches", [(-0.4, 0.9, 3), (-1.0, 1.0, 3)]),
        ("not resolved", "less", [(-1.0, 0.5, 3), (-3.0, -1.0, 2), (-3.0, -1.0, 1)]),
        ("not resolved", "matches", [(-0.4, 1.1, 3), (math.nan, math.nan, 1)]),
    ],
)
def test_verdicts(expected, claim, bounds):
    for low, high, n in bounds:
        assert verdict(Interval(0.0, low, high, n, "by hand"), claim) == expected, (low, high, n)


def test_holm_can_take_a_verdict_back():
    clear = Interval(-2.0, -3.0, -1.0, 3, "by hand", p=0.03)
    assert verdict(clear, "less", p_adjusted=0.04) == "supported"
    assert verdict(clear, "less", p_adjusted=0.06) == "not resolved"
    with pytest.raises(ValueError, match="no claim called 'better'"):
        verdict(clear, "better")


def test_a_p_value_of_just_005_resolves_nothing():
    clear = Interval(-2.0, -3.0, -1.0, 3, "by hand", p=0.03)
    assert verdict(clear, "less", p_adjusted=0.0499) == "supported"
    assert verdict(clear, "less", p_adjusted=0.05) == "not resolved"


def test_images_are_redrawn_within_their_groups():
    """One drive all wrong, the other all right: only a redrawing that mixes drives can change the share."""
    drives = np.array([0] * 30 + [1] * 10)
    left, right = np.stack([drives == 0] * 3).astype(float), np.zeros((3, 40))
    mixed = bootstrap_difference(left, right, draws=200)
    apart = bootstrap_difference(left, right, draws=200, groups=drives)
    assert (mixed.estimate, apart.estimate, apart.low, apart.high) == pytest.approx((75.0,) * 4)
    assert mixed.low < 70 and mixed.high > 80


def test_a_score_is_computed_for_each_seed_and_then_averaged():
    """The square of a share is no mean over images: the order of averaging shows."""
    left = np.stack([np.zeros(20), np.ones(20)])  # shares 0 and 1: the mean of squares is 1/2, the square of means 1/4
    found = bootstrap_difference(left, np.zeros((2, 20)), draws=50, statistic=np.square)
    assert found.estimate == 0.5


@pytest.mark.parametrize("p", [float("nan"), -0.1, 1.1, float("inf")])
def test_what_is_no_p_value_is_not_adjusted(p):
    with pytest.raises(ValueError, match="the p-value of b must be a number from 0 to 1, not"):
        intervals.holm({"a": 0.01, "b": p})


NAN, INF = float("nan"), float("inf")
SIDE = np.eye(3, 20)


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5, -0.95, 95, NAN, "0.95", True])
@pytest.mark.parametrize(
    "interval",
    [
        lambda level: student_t(sample(1.0, 2.0), level),
        lambda level: student_t(sample(1.0), level),
        lambda level: intervals.student_t_difference(sample(1.0, 2.0), sample(1.0, 3.0), level),
        lambda level: bootstrap(SIDE, 10, level),
        lambda level: bootstrap_difference(SIDE, SIDE, 10, level),
        lambda level: intervals.expected_reach(SIDE, SIDE, 3, level),
    ],
)
def test_a_level_that_is_no_share_is_refused(interval, level):
    with pytest.raises(ValueError, match="level must be a number from 0.001 to 0.999999, not"):
        interval(level)


@pytest.mark.parametrize("values", [(NAN, 1.0), (1.0, INF), (-INF,)])
def test_samples_hold_finite_values(values):
    with pytest.raises(ValueError, match="the sample holds values that are not finite"):
        sample(*values)


@pytest.mark.parametrize(("seeds", "values"), [((0, 0), (1.0, 2.0)), ((0, 1), (1.0,)), ((), (1.0,)), ((0,), ())])
def test_a_seed_has_one_value(seeds, values):
    with pytest.raises(ValueError, match="each seed has one value"):
        Sample(seeds, values)


@pytest.mark.parametrize("numbers", [(0.0, 1.0, -1.0, 3), (NAN, -1.0, 1.0, 3), (0.0, -1.0, NAN, 3), (0.0, NAN, 1.0, 3)])
def test_what_is_no_interval_is_not_judged(numbers):
    with pytest.raises(ValueError, match="is no interval"):
        Interval(*numbers, "by hand")
    with pytest.raises(ValueError, match="p must be a number from 0 to 1, not 1.2"):
        Interval(0.0, -1.0, 1.0, 3, "by hand", p=1.2)


@pytest.mark.parametrize("p", [NAN, -0.1, 1.1])
def test_an_adjusted_p_value_that_is_none_supports_nothing(p):
    with pytest.raises(ValueError, match="p_adjusted must be a number from 0 to 1"):
        verdict(Interval(-2.0, -3.0, -1.0, 3, "by hand"), "less", p)
    assert verdict(Interval(-2.0, -3.0, -1.0, 2, "by hand"), "less", p) == "not resolved"


def test_a_side_without_values_is_told_as_such():
    empty, full = Sample((), ()), sample(1.0, 2.0)
    for left, right in ((empty, full), (full, empty)):
        with pytest.raises(ValueError, match="a side has no values: nothing was measured yet"):
            intervals.student_t_difference(left, right)
    for none in (np.zeros((0, 20)), np.zeros((3, 0))):
        with pytest.raises(ValueError, match="a side has no values"):
            bootstrap(none, 10)
        with pytest.raises(ValueError, match="a side has no values|the same images"):
            bootstrap_difference(SIDE, none, 10)


@pytest.mark.parametrize("wrong", [NAN, INF])
def test_outcomes_that_are_not_finite_have_no_interval(wrong):
    damaged = SIDE.copy()
    damaged[1, 2] = wrong
    for take in (bootstrap, lambda side: bootstrap_difference(SIDE, side), lambda s: intervals.expected_reach(s, s, 3)):
        with pytest.raises(ValueError, match="what was measured holds values that are not finite"):
            take(damaged)
    with pytest.raises(ValueError, match="the statistic of redrawn images holds values that are not finite"):
        bootstrap_difference(SIDE, SIDE, 10, statistic=lambda share: np.full_like(share, wrong))


@pytest.mark.parametrize("groups", [np.zeros(19, int), np.zeros(21, int), np.zeros((20, 1), int)])
def test_groups_are_of_the_images(groups):
    with pytest.raises(ValueError, match="groups are one number for each of 20 images"):
        bootstrap_difference(SIDE, SIDE, 10, groups=groups)


@pytest.mark.parametrize("draws", [0, -1, 2.5])
def test_something_is_redrawn(draws):
    with pytest.raises(ValueError, match="draws must be a whole number of 1 or more"):
        bootstrap(SIDE, draws)
    with pytest.raises(ValueError, match="seed must be a whole number of 0 or more, not -1"):
        bootstrap(SIDE, 10, seed=-1)


@pytest.mark.parametrize(
    ("left", "right", "seeds"),
    [(SIDE[:1], SIDE, 3), (SIDE, SIDE, 1), (SIDE, SIDE[:, :9], 3), (SIDE, SIDE, NAN), (SIDE[:, :1], SIDE[:, :1], 3)],
)
def test_the_reach_needs_two_seeds_and_the_same_images(left, right, seeds):
    with pytest.raises(ValueError, match="two seeds a side and two shared images are the least"):
        intervals.expected_reach(left, right, seeds)
