"""The sign-flip test against the list of all sign patterns, SciPy's permutation test and its own interval."""

import itertools
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.errors import LabError
from lab.measure.statistics import mean_interval, sign_flip_test, sign_flip_tests
from lab.measure.statistics.signflip import BLOCKS

SEED_002_27B = [2, 0, 0, 2, 2, 8]
SEED_002_1B = [-2, -4, -10, -20, 0, -10]

small_integers = st.lists(st.integers(-20, 20), min_size=1, max_size=8)


def slow_p(differences: list[int]) -> float:
    """The share of all sign patterns whose sum is at least as far from 0 as the one observed."""
    patterns = list(itertools.product((1, -1), repeat=len(differences)))
    sums = [abs(sum(sign * d for sign, d in zip(signs, differences, strict=True))) for signs in patterns]
    return float(Fraction(sum(value >= abs(sum(differences)) for value in sums), len(patterns)))


def counted_p(differences: list[int]) -> float:
    """The same by counting the patterns that reach each sum, one difference at a time."""
    patterns = {0: 1}
    for difference in differences:
        grown: Counter[int] = Counter()
        for total, count in patterns.items():
            grown[total + difference] += count
            grown[total - difference] += count
        patterns = grown
    extreme = sum(count for total, count in patterns.items() if abs(total) >= abs(sum(differences)))
    return extreme / 2 ** len(differences)


def test_seed_002_has_the_published_p_values() -> None:
    larger, smaller = sign_flip_test(SEED_002_27B), sign_flip_test(SEED_002_1B)
    assert (larger.p_value, smaller.p_value) == (0.125, 0.0625)
    assert larger.least_p == 0.03125
    assert (larger.n, larger.method) == (6, "exact sign-flip, all 64 patterns")


def test_the_exact_interval_of_six_is_their_range() -> None:
    # 2.5 % of 64 patterns is one: the lowest and the highest subset mean are the extreme differences.
    effect = sign_flip_test(SEED_002_27B).effect
    assert (effect.lower, effect.upper) == (0, 8)
    assert effect.value == pytest.approx(14 / 6)


def test_five_pairs_cannot_give_an_interval_at_95_percent_and_say_so() -> None:
    test = sign_flip_test([1.0, 2.0, 3.0, 4.0, 5.0])
    assert test.p_value == test.least_p == 2 / 32
    assert test.effect.lower is None
    assert test.effect.upper is None
    assert test.effect.note == "5 are too few for an interval at 95%"
    assert sign_flip_test([1.0, 2.0, 3.0, 4.0, 5.0], confidence=0.9).effect.lower == 1.0


@given(small_integers)
@settings(deadline=None)
def test_it_counts_every_sign_pattern(differences: list[int]) -> None:
    assert sign_flip_test(differences).p_value == pytest.approx(slow_p(differences), abs=1e-12)


def test_sums_that_are_equal_but_for_rounding_are_ties() -> None:
    # 0.1 + 0.2 − 0.3 is not 0 in floating point; in tenths it is.
    assert sign_flip_test([0.1, 0.2, -0.3, 0.4]).p_value == slow_p([1, 2, -3, 4])


def test_it_agrees_with_scipy() -> None:
    differences = np.random.default_rng(1).normal(0.4, 1, 11)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert sign_flip_test(differences).p_value == pytest.approx(theirs.pvalue, abs=1e-12)


@given(
    st.lists(st.floats(-10, 10, allow_subnormal=False), min_size=6, max_size=10),
    st.floats(-1, 1),
    st.sampled_from([0.8, 0.9, 0.95]),
)
@settings(max_examples=60, deadline=None)
def test_the_interval_holds_just_the_centers_that_are_not_rejected(
    differences: list[float], shift: float, confidence: float
) -> None:
    effect = sign_flip_test(differences, confidence=confidence).effect
    assert effect.lower is not None
    assert effect.upper is not None
    for bound, outward in ((effect.lower, -1), (effect.upper, 1)):
        for distance in (1e-3, 0.5):
            outside = sign_flip_test(np.subtract(differences, bound + outward * distance))
            assert outside.p_value <= 1 - confidence + 1e-9
    inside = effect.lower + (shift + 1) / 2 * (effect.upper - effect.lower)
    assert sign_flip_test(np.subtract(differences, inside)).p_value > 1 - confidence


@given(small_integers, st.randoms(use_true_random=False), st.integers(-5, 5), st.integers(1, 7))
@settings(deadline=None)
def test_order_side_scale_and_origin_do_not_matter(
    differences: list[int], random: object, shift: int, scale: int
) -> None:
    test = sign_flip_test(differences)
    shuffled = random.sample(differences, len(differences))  # type: ignore[attr-defined]
    assert sign_flip_test(shuffled).p_value == test.p_value
    swapped = sign_flip_test([-d for d in differences])
    assert swapped.p_value == test.p_value
    assert sign_flip_test([scale * d for d in differences]).p_value == test.p_value
    moved = sign_flip_test([d + shift for d in differences]).effect
    if test.effect.lower is not None and test.effect.upper is not None:
        assert moved.lower == pytest.approx(test.effect.lower + shift)
        assert swapped.effect.lower == pytest.approx(-test.effect.upper)


@pytest.mark.parametrize("n", [20, 40])
def test_from_twenty_on_it_draws_says_so_and_comes_near_the_exact_value(n: int) -> None:
    differences = np.random.default_rng(n).integers(-6, 12, n).tolist()
    exact = counted_p(differences)
    assert 0.01 < exact < 0.5
    test = sign_flip_test(differences)
    assert test.p_value == pytest.approx(exact, abs=4 * 2 * np.sqrt(exact / 2 / 9_999))
    assert test.method == "Monte-Carlo sign-flip, 9,999 draws, seed 0"
    assert test.least_p == 2 / 10_000


def test_nineteen_are_still_enumerated() -> None:
    differences = np.random.default_rng(1).integers(-8, 12, 19).tolist()
    test = sign_flip_test(differences)
    assert test.method == "exact sign-flip, all 524,288 patterns"
    assert test.p_value == pytest.approx(counted_p(differences), rel=1e-12)


def test_the_drawn_interval_is_near_students() -> None:
    differences = np.random.default_rng(4).normal(1, 2, 101)
    effect = sign_flip_test(differences).effect
    student = stats.ttest_1samp(differences, 0).confidence_interval()
    assert effect.lower == pytest.approx(student.low, abs=0.04)
    assert effect.upper == pytest.approx(student.high, abs=0.04)


def test_p_and_interval_agree_when_drawn_too() -> None:
    rng = np.random.default_rng(5)
    seen = set()
    for seed in range(60):
        test = sign_flip_test(rng.normal(0.35, 1, 30), draws=999, seed=seed)
        assert test.effect.lower is not None
        assert test.effect.upper is not None
        rejects = not test.effect.lower <= 0 <= test.effect.upper
        assert rejects == (test.p_value <= 0.05)
        seen.add(rejects)
    assert seen == {True, False}


def test_the_seed_decides_the_draws() -> None:
    differences = np.random.default_rng(6).normal(0.1, 1, 50)
    assert sign_flip_test(differences, seed=1) == sign_flip_test(differences, seed=1)
    assert sign_flip_test(differences, seed=1).p_value != sign_flip_test(differences, seed=2).p_value


def test_rephrasings_flip_with_their_probe() -> None:
    per_probe = [3, -1, 2, 5]
    rows = [value for value in per_probe for _ in range(3)]
    clusters = [probe for probe in "abcd" for _ in range(3)]
    assert sign_flip_test(rows, clusters=clusters) == sign_flip_test(per_probe)
    assert sign_flip_test(rows).p_value < sign_flip_test(per_probe).p_value


def test_no_difference_at_all_is_no_evidence() -> None:
    for n in (1, 6, 30):
        assert sign_flip_test([0.0] * n).p_value == 1.0


def test_a_single_mean_has_the_same_interval() -> None:
    assert mean_interval(SEED_002_27B) == sign_flip_test(SEED_002_27B).effect


@pytest.mark.parametrize(
    ("differences", "message"),
    [
        ([], "at least one number"),
        ([1.0, float("nan")], r"differences\[1\]: expected a finite number"),
        ([[1.0, 2.0]], "shape"),
        (["much"], "expected numbers"),
    ],
)
def test_unusable_differences_are_refused(differences: list[float], message: str) -> None:
    with pytest.raises(LabError, match=message):
        sign_flip_test(differences)


def test_unusable_settings_are_refused() -> None:
    with pytest.raises(LabError, match="confidence: expected"):
        sign_flip_test([1.0], confidence=95)
    with pytest.raises(LabError, match="clusters: expected one for each of the 2"):
        sign_flip_test([1.0, 2.0], clusters=["a"])


def test_columns_tested_together_get_what_they_get_alone() -> None:
    rng = np.random.default_rng(7)
    columns = [rng.normal(shift, 2, n) for n in (6, 40, 6, 19, 40, 1_300, 40) for shift in (0.0, 0.5)]
    together = sign_flip_tests(columns, confidence=0.9, draws=1_999, seed=3)
    for column, test in zip(columns, together, strict=True):
        alone = sign_flip_test(column, confidence=0.9, draws=1_999, seed=3)
        assert (test.p_value, test.least_p, test.n, test.method) == (
            alone.p_value,
            alone.least_p,
            len(column),
            alone.method,
        )
        assert test.effect.lower == pytest.approx(alone.effect.lower, rel=1e-12)
        assert test.effect.upper == pytest.approx(alone.effect.upper, rel=1e-12)
    assert sign_flip_tests([]) == ()


@pytest.mark.parametrize("n", [BLOCKS + 1, 2_500, 10_000])
def test_many_pairs_flip_in_blocks_say_so_and_come_near_students(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.03, 2, n) + np.repeat([-0.5, 0.5], [n // 2, n - n // 2])
    test = sign_flip_test(differences)
    student = stats.ttest_1samp(differences, 0)
    interval = student.confidence_interval()
    width = interval.high - interval.low
    assert test.method == "Monte-Carlo sign-flip of 1,000 blocks, 9,999 draws, seed 0"
    assert test.n == n
    assert test.p_value == pytest.approx(student.pvalue, abs=0.03)
    assert test.effect.value == pytest.approx(differences.mean(), rel=1e-12)
    assert test.effect.lower == pytest.approx(interval.low, abs=0.06 * width)
    assert test.effect.upper == pytest.approx(interval.high, abs=0.06 * width)


def test_a_thousand_pairs_still_flip_one_by_one() -> None:
    differences = np.random.default_rng(8).normal(0.05, 1, BLOCKS)
    test = sign_flip_test(differences, draws=999)
    assert test.method == "Monte-Carlo sign-flip, 999 draws, seed 0"


def test_blocks_keep_level_and_coverage_of_skewed_scores_too() -> None:
    # Uneven blocks, and differences of two skewed sides, symmetric as exchangeable sides are.
    rng = np.random.default_rng(9)
    sides = rng.exponential(2, (2, 400, BLOCKS + 700))
    tests = sign_flip_tests(list(sides[0] - sides[1]), draws=999)
    rejected = np.mean([test.p_value <= 0.05 for test in tests])
    covered = np.mean([test.effect.lower <= 0 <= test.effect.upper for test in tests])  # type: ignore[operator]
    assert 0.03 <= rejected <= 0.07
    assert 0.93 <= covered <= 0.97
