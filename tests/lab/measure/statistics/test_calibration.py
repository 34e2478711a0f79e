"""Do the tests keep their level and the intervals their promise? Simulated where the truth is known.

The everyday runs are small, with bounds as wide as their size asks for; seeds are fixed, so the result is
always the same. The full runs hold the figures to 3–7 % rejections and 93–97 % coverage.
"""

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from lab.measure.statistics import (
    Estimate,
    cohen_kappa,
    krippendorff_alpha,
    mcnemar_test,
    paired_bootstrap,
    sign_flip_test,
    wilson,
    win_rate,
)

Sampler = Callable[[np.random.Generator, int], NDArray[np.float64]]


def two_scores(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Differences of right-skewed scores, as rubric totals are."""
    return rng.gamma(2, 3, n) - rng.gamma(2, 3, n)


def lumpy(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Integer differences with many ties, as in seed 002."""
    return rng.choice([-8.0, -4, -2, 0, 0, 0, 2, 4, 8], n)


def bell(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    return rng.normal(0, 2, n)


def coverage(estimates: Iterable[Estimate], truth: float) -> float:
    return float(np.mean([e.lower is not None and e.lower <= truth <= e.upper for e in estimates]))


def rejections(p_values: Iterable[float]) -> float:
    return float(np.mean([p <= 0.05 for p in p_values]))


def sign_flips(sampler: Sampler, n: int, runs: int) -> tuple[float, float]:
    """Rejections and coverage of the sign-flip test where the true difference is 0."""
    rng = np.random.default_rng(n)
    tests = [sign_flip_test(sampler(rng, n), draws=999, seed=run) for run in range(runs)]
    return rejections(t.p_value for t in tests), coverage((t.effect for t in tests), 0)


def bootstraps(sampler: Sampler, n: int, runs: int, **settings: object) -> float:
    rng = np.random.default_rng(n)
    return coverage(
        (paired_bootstrap(sampler(rng, n), resamples=999, seed=run, **settings) for run in range(runs)), 0
    )


def rephrased(rng: np.random.Generator, probes: int) -> NDArray[np.float64]:
    """Four wordings a probe that mostly share its difference."""
    return (rng.normal(0, 2, (probes, 1)) + rng.normal(0, 1, (probes, 4))).ravel()


def copying_raters(
    rng: np.random.Generator, items: int, raters: int, copies: float, missing: float
) -> NDArray[np.object_]:
    """Each rater reports the item's own category with chance `copies`, else any: true α = copies²."""
    own = rng.choice(3, (items, 1), p=[0.5, 0.3, 0.2])
    noise = rng.choice(3, (items, raters), p=[0.5, 0.3, 0.2])
    ratings = np.where(rng.random((items, raters)) < copies, own, noise)
    names = np.array(["A", "B", "tie"], dtype=object)[ratings]
    names[rng.random((items, raters)) < missing] = None
    return names


def test_everyday_the_exact_test_keeps_its_level() -> None:
    rejected, covered = sign_flips(two_scores, 10, 500)
    assert 0.02 < rejected < 0.08
    assert 0.92 < covered < 0.98


def test_everyday_the_bootstrap_covers() -> None:
    assert 0.90 < bootstraps(bell, 60, 250) < 0.98


def test_everyday_six_probes_overrate_the_bootstrap_but_not_the_exact_interval() -> None:
    # Why the exact test is shown below 20.
    assert bootstraps(bell, 6, 250) < 0.90
    assert sign_flips(bell, 6, 250)[1] > 0.93


@pytest.mark.slow
@pytest.mark.parametrize("n", [8, 10, 13, 16, 20, 40, 101])
@pytest.mark.parametrize("sampler", [bell, two_scores])
def test_sign_flips_keep_level_and_coverage(sampler: Sampler, n: int) -> None:
    rejected, covered = sign_flips(sampler, n, 2_000)
    assert 0.03 <= rejected <= 0.07
    assert 0.93 <= covered <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("n", [12, 40, 101])
def test_ties_make_sign_flips_careful_never_bold(n: int) -> None:
    rejected, covered = sign_flips(lumpy, n, 2_000)
    assert 0.02 <= rejected <= 0.06
    assert 0.94 <= covered <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("sampler", [bell, two_scores, lumpy])
def test_bootstrap_intervals_cover(sampler: Sampler, method: str) -> None:
    assert 0.93 <= bootstraps(sampler, 101, 2_000, method=method) <= 0.97


@pytest.mark.slow
def test_clustered_intervals_cover_and_unclustered_ones_do_not() -> None:
    clusters = [probe for probe in range(101) for _ in range(4)]
    assert 0.93 <= bootstraps(rephrased, 101, 2_000, clusters=clusters) <= 0.97
    assert bootstraps(rephrased, 101, 500) < 0.80


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "wins", "ties"), [(50, 0.5, 0.0), (101, 0.65, 0.0), (200, 0.8, 0.0), (101, 0.45, 0.1)]
)
def test_wilson_intervals_cover(n: int, wins: float, ties: float) -> None:
    draws = np.random.default_rng(n).multinomial(n, [wins, ties, 1 - wins - ties], 4_000)
    rates = (win_rate(*row).with_ties for row in draws.tolist())
    assert 0.93 <= coverage(rates, wins + ties / 2) <= 0.97


@pytest.mark.slow
def test_mcnemar_keeps_its_level_and_newcombe_covers() -> None:
    # Both sides pass 70 % of 400 probes; 40 % of the probes differ.
    draws = np.random.default_rng(4).choice(4, (2_000, 400), p=[0.5, 0.2, 0.2, 0.1])
    tests = [mcnemar_test((row % 2 == 0).tolist(), (row < 2).tolist()) for row in draws]
    assert 0.03 <= rejections(test.p_value for test in tests) <= 0.07
    assert 0.93 <= coverage((test.effect for test in tests), 0) <= 0.97


@pytest.mark.slow
def test_kappa_intervals_cover() -> None:
    rng = np.random.default_rng(5)
    tables = (copying_raters(rng, 200, 2, 0.7, 0).T.tolist() for _ in range(2_000))
    estimates = (cohen_kappa(*table, resamples=999) for table in tables)
    assert 0.93 <= coverage(estimates, 0.49) <= 0.97


@pytest.mark.slow
def test_alpha_intervals_cover_with_missing_ratings() -> None:
    rng = np.random.default_rng(6)
    tables = (copying_raters(rng, 200, 3, 0.7, 0.2).tolist() for _ in range(2_000))
    estimates = (krippendorff_alpha(table, resamples=999) for table in tables)
    assert 0.93 <= coverage(estimates, 0.49) <= 0.97


@pytest.mark.slow
def test_wilson_stays_honest_where_a_normal_interval_fails() -> None:
    # 30 probes at a true rate of 3 %: p ± 1.96 standard errors covers about 60 %.
    successes = np.random.default_rng(7).binomial(30, 0.03, 4_000)
    assert coverage((wilson(int(s), 30) for s in successes), 0.03) > 0.93
    share = successes / 30
    normal = np.abs(share - 0.03) <= 1.96 * np.sqrt(share * (1 - share) / 30)
    assert normal.mean() < 0.70
