"""Win rates, pass rates and gates against hand-worked values, plain sums and SciPy."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.errors import LabError
from lab.measure.statistics import mcnemar_test, sign_flip_test, wilson, win_rate, zero_failure_bound

counts = st.integers(0, 60)


def fair_coin_p(heads: int, tosses: int) -> float:
    """Both tails of a fair coin, by summing binomial coefficients."""
    tail = sum(math.comb(tosses, k) for k in range(min(heads, tosses - heads) + 1))
    return min(1.0, 2 * tail / 2**tosses)


@given(st.integers(1, 300), st.data())
@settings(deadline=None)
def test_wilson_agrees_with_scipy(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    ours = wilson(successes, n)
    theirs = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert (ours.lower, ours.upper) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("n", "points"), [(20, 20), (100, 10), (400, 5)])
def test_at_one_half_the_margin_is_the_documented_one(n: int, points: int) -> None:
    estimate = wilson(n / 2, n)
    assert round(100 * (estimate.upper - 0.5)) == points
    assert estimate.upper - 0.5 == pytest.approx(0.5 - estimate.lower)


@given(st.integers(1, 200), st.data())
@settings(deadline=None)
def test_wilson_solves_its_own_equation_and_mirrors(n: int, data: st.DataObject) -> None:
    # A bound is the p whose standard error puts the observed share z away from it.
    successes = data.draw(st.integers(1, 2 * n - 1)) / 2
    estimate = wilson(successes, n)
    for bound in (estimate.lower, estimate.upper):
        assert abs(estimate.value - bound) == pytest.approx(
            1.959964 * math.sqrt(bound * (1 - bound) / n), rel=1e-5
        )
    mirrored = wilson(n - successes, n)
    assert mirrored.lower == pytest.approx(1 - estimate.upper)
    assert 0 < estimate.lower < estimate.value < estimate.upper < 1


def test_a_win_rate_is_read_with_and_without_ties() -> None:
    rate = win_rate(12, 6, 4)
    assert rate.n == 22
    assert rate.decisive.value == 12 / 16
    assert rate.decisive.n == 16
    assert rate.with_ties.value == (12 + 3) / 22
    assert rate.with_ties.n == 22
    assert rate.with_ties.lower < rate.with_ties.value < rate.with_ties.upper
    # 2 · (1 + 16 + 120 + 560 + 1820) / 65536
    assert rate.p_value == pytest.approx(2 * 2517 / 65536)
    assert rate.method == "exact binomial test of 16 decided pairs"


def test_only_ties_are_no_evidence() -> None:
    rate = win_rate(0, 5, 0)
    assert (rate.decisive.value, rate.decisive.lower, rate.decisive.note) == (None, None, "no pairs")
    assert rate.with_ties.value == 0.5
    assert rate.p_value == 1.0


@given(counts, counts, counts)
@settings(deadline=None)
def test_swapping_the_sides_mirrors_the_win_rate(wins: int, ties: int, losses: int) -> None:
    rate, swapped = win_rate(wins, ties, losses), win_rate(losses, ties, wins)
    assert rate.p_value == pytest.approx(swapped.p_value)
    assert rate.p_value == pytest.approx(fair_coin_p(wins, wins + losses))
    if rate.n:
        assert rate.with_ties.value + swapped.with_ties.value == pytest.approx(1)
        assert rate.with_ties.upper + swapped.with_ties.lower == pytest.approx(1)


def passes(both: int, gained: int, lost: int, neither: int) -> tuple[list[bool], list[bool]]:
    base = [True] * both + [False] * gained + [True] * lost + [False] * neither
    tuned = [True] * both + [True] * gained + [False] * lost + [False] * neither
    return base, tuned


def test_mcnemar_on_the_approval_ratings_of_agresti() -> None:
    # Categorical Data Analysis, table 10.1: 944 of 1,600 approve, then 880; difference −0.04 ± 0.019.
    test = mcnemar_test(*passes(794, 86, 150, 570))
    assert (test.gained, test.lost, test.n) == (86, 150, 1600)
    assert test.p_value == pytest.approx(fair_coin_p(86, 236), rel=1e-9)
    assert test.p_value < 5e-5
    assert test.effect.value == pytest.approx(-0.04)
    assert (test.effect.lower, test.effect.upper) == pytest.approx((-0.0586, -0.0214), abs=5e-4)


def test_mcnemar_by_hand() -> None:
    test = mcnemar_test(*passes(3, 5, 0, 2))
    assert test.p_value == 2 / 32
    assert test.least_p == 2 / 1024
    assert test.effect.value == 0.5
    assert test.method == "exact McNemar, 5 of 10 pairs differ"


def test_newcombe_by_hand() -> None:
    # Shares 8/10 and 3/10; φ = 3·2/√(8·2·3·7) is corrected to (6 − 5)/√336.
    effect = mcnemar_test(*passes(3, 5, 0, 2)).effect
    phi = 1 / math.sqrt(336)
    tuned = stats.binomtest(8, 10).proportion_ci(method="wilson")
    base = stats.binomtest(3, 10).proportion_ci(method="wilson")
    down, up = 0.8 - tuned.low, base.high - 0.3
    assert effect.lower == pytest.approx(0.5 - math.sqrt(down**2 - 2 * phi * down * up + up**2))
    up, down = tuned.high - 0.8, 0.3 - base.low
    assert effect.upper == pytest.approx(0.5 + math.sqrt(up**2 - 2 * phi * up * down + down**2))


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
@settings(deadline=None)
def test_mcnemar_mirrors_and_is_the_sign_flip_test_of_passes(
    both: int, gained: int, lost: int, neither: int
) -> None:
    base, tuned = passes(both, gained, lost, neither)
    if not base:
        return
    test, swapped = mcnemar_test(base, tuned), mcnemar_test(tuned, base)
    assert test.p_value == pytest.approx(swapped.p_value)
    assert test.effect.upper == pytest.approx(-swapped.effect.lower)
    assert -1 <= test.effect.lower <= test.effect.value <= test.effect.upper <= 1
    if len(base) < 14:
        differences = [after - before for before, after in zip(base, tuned, strict=True)]
        assert test.p_value == pytest.approx(sign_flip_test(differences).p_value)


@given(st.integers(1, 5_000))
@settings(deadline=None)
def test_the_zero_failure_bound_is_the_rate_that_passes_once_in_twenty(n: int) -> None:
    bound = zero_failure_bound(n)
    assert (1 - bound.upper) ** n == pytest.approx(0.05)
    assert bound.upper < 3 / n
    if n >= 30:
        assert bound.upper == pytest.approx(3 / n, rel=0.06)
    assert (bound.value, bound.lower, bound.n) == (0, 0, n)


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(LabError, match="n = 4, got 5"):
        wilson(5, 4)
    with pytest.raises(LabError, match="losses: expected a count"):
        win_rate(1, 0, -1)
    with pytest.raises(LabError, match="as many results on both sides, got 2 and 1"):
        mcnemar_test([True, False], [True])
    with pytest.raises(LabError, match="run at least one"):
        zero_failure_bound(0)
