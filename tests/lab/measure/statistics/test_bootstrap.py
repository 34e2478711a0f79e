"""The paired bootstrap against the list of all resamples and a textbook BCa."""

import itertools
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import LabError
from lab.measure.statistics import cluster_means, paired_bootstrap

SEED_002_27B = [2, 0, 0, 2, 2, 8]


def all_resample_means(values: list[float]) -> np.ndarray:
    return np.array([np.mean(resample) for resample in itertools.product(values, repeat=len(values))])


def textbook_bca(values: np.ndarray, means: np.ndarray, confidence: float) -> tuple[float, float]:
    """Efron & Tibshirani 1993, equations 14.9 to 14.15, over resample means that are given."""
    normal, mean, n = NormalDist(), values.mean(), len(values)
    z0 = normal.inv_cdf(float(np.mean((means < mean) + (means == mean) / 2)))
    left_out = np.array([(values.sum() - value) / (n - 1) for value in values])
    deviations = left_out.mean() - left_out
    acceleration = (deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5)
    levels = []
    for z in (normal.inv_cdf((1 - confidence) / 2), normal.inv_cdf((1 + confidence) / 2)):
        levels.append(normal.cdf(z0 + (z0 + z) / (1 - acceleration * (z0 + z))))
    low, high = np.quantile(means, levels)
    return float(low), float(high)


def test_seed_002_has_the_published_interval() -> None:
    estimate = paired_bootstrap(SEED_002_27B)
    assert estimate.value == pytest.approx(2.33, abs=0.005)
    assert (estimate.lower, estimate.upper) == (pytest.approx(4 / 6), pytest.approx(28 / 6))
    exact = np.quantile(all_resample_means(SEED_002_27B), [0.025, 0.975])
    assert (estimate.lower, estimate.upper) == pytest.approx(tuple(exact))
    assert estimate.n == 6
    assert estimate.confidence == 0.95
    assert estimate.method == "paired bootstrap (percentile), 10,000 resamples, seed 0"
    assert estimate.note == "over-confident below 20 probes: read the exact sign-flip test"


def test_percentiles_come_near_those_of_all_resamples() -> None:
    values = [0.3, -1.2, 2.7, 0.9, 4.1, -0.4]
    exact = np.quantile(all_resample_means(values), [0.05, 0.95])
    estimate = paired_bootstrap(values, confidence=0.9, resamples=40_000)
    assert (estimate.lower, estimate.upper) == pytest.approx(tuple(exact), abs=0.05)


def test_bca_comes_near_a_textbook_one_and_leans_to_the_long_tail() -> None:
    values = np.random.default_rng(2).exponential(1.0, 40)
    means = values[np.random.default_rng(3).integers(0, 40, (40_000, 40))].mean(axis=1)
    bca = paired_bootstrap(values, method="bca", resamples=40_000)
    assert (bca.lower, bca.upper) == pytest.approx(textbook_bca(values, means, 0.95), abs=0.015)
    percentile = paired_bootstrap(values, resamples=40_000)
    assert bca.lower > percentile.lower
    assert bca.upper > percentile.upper
    assert bca.method.startswith("paired bootstrap (BCa)")


def test_rephrasings_are_drawn_with_their_probe() -> None:
    rng = np.random.default_rng(5)
    per_probe = rng.normal(0.5, 1, 25)
    rows = np.repeat(per_probe, 4)
    clusters = [f"P{probe}" for probe in range(25) for _ in range(4)]
    clustered = paired_bootstrap(rows, clusters=clusters)
    assert clustered == paired_bootstrap(per_probe)
    assert clustered.n == 25
    unclustered = paired_bootstrap(rows)
    assert unclustered.upper - unclustered.lower < 0.6 * (clustered.upper - clustered.lower)


def test_clusters_weigh_the_same_whatever_their_size() -> None:
    assert cluster_means([1, 2, 3, 10], ["b", "b", "b", "a"]).tolist() == [2, 10]
    assert cluster_means([10, 1, 2, 3], ["a", "b", "b", "b"]).tolist() == [10, 2]
    assert paired_bootstrap([1, 2, 3, 10], clusters="bbba").value == 6


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=12), st.integers(-9, 9), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_origin_and_scale_carry_over_and_the_mean_lies_inside(
    differences: list[int], shift: int, scale: int
) -> None:
    estimate = paired_bootstrap(differences, resamples=999)
    moved = paired_bootstrap([scale * d + shift for d in differences], resamples=999)
    assert moved.value == pytest.approx(scale * estimate.value + shift)
    if estimate.lower is None:
        assert len(set(differences)) == 1
        return
    assert moved.lower == pytest.approx(scale * estimate.lower + shift)
    assert moved.upper == pytest.approx(scale * estimate.upper + shift)
    assert min(differences) <= estimate.lower <= estimate.upper <= max(differences)


def test_the_seed_decides_the_resamples() -> None:
    values = np.random.default_rng(7).normal(0, 1, 30)
    assert paired_bootstrap(values, seed=1) == paired_bootstrap(values, seed=1)
    assert paired_bootstrap(values, seed=1).lower != paired_bootstrap(values, seed=2).lower


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_without_spread_there_is_no_interval_and_a_reason(method: str) -> None:
    equal = paired_bootstrap([2, 2, 2], method=method)
    assert (equal.value, equal.lower, equal.upper) == (2, None, None)
    assert equal.note == "all 3 differences are equal: resampling them has no spread to find"
    single = paired_bootstrap([2], method=method)
    assert (single.lower, single.note) == (None, "one probe has no interval")


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(LabError, match="expected percentile or bca, got 'basic'"):
        paired_bootstrap([1, 2], method="basic")
