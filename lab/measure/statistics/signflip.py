"""The sign-flip test of paired differences, and the interval that agrees with it.

If nothing differs, the two scores of a probe could as well have been swapped: each difference has either sign
with the same chance (Fisher 1935). Flipping a subset of signs moves the sum from T to T − 2·S(subset), so the
sums of subsets hold all there is to know. The test counts those that reach 0. By Hartigan's theorem (1969)
the means of the subsets cut the line into equally likely places for the true center; the interval holds all
centers that the test would not reject. Exact for differences that are symmetric about their center.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.measure.statistics.bootstrap import SMALL_N
from lab.measure.statistics.inputs import batches, check_confidence, cluster_means, numbers
from lab.measure.statistics.results import Estimate, PairedTest

_ROUNDING = 1e-10


def sign_flip_test(
    differences: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    draws: int = 9_999,
    seed: int = 0,
) -> PairedTest:
    """Two-sided sign-flip test of a mean difference of zero, and the mean with the interval of that test.

    Below 20 pairs every sign pattern is enumerated; from there on `draws` random ones are (p then counts the
    data themselves as one draw, Phipson & Smyth 2010), and `method` says which. `clusters` as in
    `paired_bootstrap`: the rows of a cluster are averaged first and flip together.
    """
    means = numbers(differences, "differences")
    if clusters is not None:
        means = cluster_means(means, clusters)
    sums, sizes, method = _subsets(means, draws, seed)
    return PairedTest(
        p_value=_p_value(sums, _ROUNDING * float(np.abs(means).sum())),
        least_p=min(1.0, 2 / (len(sums) + 1)),
        n=int(means.size),
        method=method,
        effect=_effect(means, sums / sizes, check_confidence(confidence), method),
    )


def mean_interval(
    values: ArrayLike, *, confidence: float = 0.95, draws: int = 9_999, seed: int = 0
) -> Estimate:
    """The mean of independent values with the sign-flip interval about it (see `sign_flip_test`)."""
    return sign_flip_test(values, confidence=confidence, draws=draws, seed=seed).effect


def _subsets(
    means: NDArray[np.float64], draws: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Sums and sizes of non-empty subsets, all or drawn at random, and how they came about."""
    if means.size < SMALL_N:
        sums, sizes = _all_subsets(means)
        return sums, sizes, f"exact sign-flip, all {len(sums) + 1:,} patterns"
    sums, sizes = _random_subsets(means, draws, seed)
    return sums, sizes, f"Monte-Carlo sign-flip, {draws:,} draws, seed {seed}"


def _all_subsets(means: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sums, sizes = np.zeros(1), np.zeros(1)
    for mean in means:
        sums = np.concatenate([sums, sums + mean])
        sizes = np.concatenate([sizes, sizes + 1])
    return sums[1:], sizes[1:]


def _random_subsets(
    means: NDArray[np.float64], draws: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    columns = np.column_stack([means, np.ones_like(means)])
    drawn = np.concatenate(
        [rng.integers(0, 2, (rows, means.size), np.uint8) @ columns for rows in batches(draws, means.size)]
    )
    drawn = drawn[drawn[:, 1] > 0]
    return drawn[:, 0], drawn[:, 1]


def _p_value(sums: NDArray[np.float64], rounding: float) -> float:
    """Twice the smaller tail, the pattern without a flip counted in both; ties in the last digit are ties."""
    lower = 1 + np.count_nonzero(sums <= rounding)
    upper = 1 + np.count_nonzero(sums >= -rounding)
    return min(1.0, 2 * float(min(lower, upper)) / (len(sums) + 1))


def _effect(
    means: NDArray[np.float64], subset_means: NDArray[np.float64], confidence: float, method: str
) -> Estimate:
    # The k-th subset mean from either end bounds the centers whose p exceeds 1 − confidence.
    k = math.floor((1 - confidence) / 2 * (len(subset_means) + 1) + 1e-9)
    lower = upper = None
    note = f"{means.size} are too few for an interval at {confidence:.0%}"
    if k >= 1:
        ordered = np.partition(subset_means, [k - 1, len(subset_means) - k])
        lower, upper, note = float(ordered[k - 1]), float(ordered[-k]), ""
    return Estimate(
        value=float(means.mean()),
        lower=lower,
        upper=upper,
        confidence=confidence,
        n=int(means.size),
        method=f"interval of the {method}",
        note=note,
    )
