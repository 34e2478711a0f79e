"""The sign-flip test of paired differences, and the interval that agrees with it.

If nothing differs, the two scores of a probe could as well have been swapped: each difference has either sign
with the same chance (Fisher 1935). Flipping a subset of signs moves the sum from T to T − 2·S(subset), so the
sums of subsets hold all there is to know. The test counts those that reach 0. By Hartigan's theorem (1969)
the means of the subsets cut the line into equally likely places for the true center; the interval holds all
centers that the test would not reject. Exact for differences that are symmetric about their center.

Of many pairs, blocks flip together. The sums of blocks are symmetric as the pairs are, so test and interval
stay exact; what the test can find hardly changes, as a thousand blocks tell the spread to 2 %.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.measure.statistics.bootstrap import SMALL_N
from lab.measure.statistics.inputs import batches, check_confidence, cluster_means, numbers
from lab.measure.statistics.results import Estimate, PairedTest

BLOCKS = 1_000
"""So many units flip at most: above, the pairs flip in so many blocks."""

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
    (test,) = sign_flip_tests([means], confidence=confidence, draws=draws, seed=seed)
    return test


def sign_flip_tests(
    columns: Sequence[ArrayLike], *, confidence: float = 0.95, draws: int = 9_999, seed: int = 0
) -> tuple[PairedTest, ...]:
    """`sign_flip_test` of each column of differences; those of one length are put under the same flips.

    Each gets what it would get by itself: the flips depend on nothing but the seed and the length. To draw
    them takes ten times as long as to add up a column under them.
    """
    check_confidence(confidence)
    arrays = [numbers(column, "differences") for column in columns]
    tests: dict[int, PairedTest] = {}
    for size in dict.fromkeys(array.size for array in arrays):
        places = [place for place, array in enumerate(arrays) if array.size == size]
        alike = [arrays[place] for place in places]
        all_sums, sizes, method = _subsets(alike, draws, seed)
        for place, means, sums in zip(places, alike, all_sums, strict=True):
            tests[place] = _test(means, sums, sizes, confidence, method)
    return tuple(tests[place] for place in range(len(arrays)))


def _test(
    means: NDArray[np.float64],
    sums: NDArray[np.float64],
    sizes: NDArray[np.float64],
    confidence: float,
    method: str,
) -> PairedTest:
    return PairedTest(
        p_value=_p_value(sums, _ROUNDING * float(np.abs(means).sum())),
        least_p=min(1.0, 2 / (len(sums) + 1)),
        n=int(means.size),
        method=method,
        effect=_effect(means, sums / sizes, confidence, method),
    )


def mean_interval(
    values: ArrayLike, *, confidence: float = 0.95, draws: int = 9_999, seed: int = 0
) -> Estimate:
    """The mean of independent values with the sign-flip interval about it (see `sign_flip_test`)."""
    return sign_flip_test(values, confidence=confidence, draws=draws, seed=seed).effect


def _subsets(
    columns: Sequence[NDArray[np.float64]], draws: int, seed: int
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64], str]:
    """Sums of each column's non-empty subsets, all or drawn at random, their sizes, how they came about."""
    if columns[0].size < SMALL_N:
        every = [_all_subsets(means) for means in columns]
        sizes = every[0][1]
        return [sums for sums, _ in every], sizes, f"exact sign-flip, all {len(sizes) + 1:,} patterns"
    drawn = _random_subsets(columns, draws, seed)
    units = f" of {BLOCKS:,} blocks" if columns[0].size > BLOCKS else ""
    return list(drawn[:-1]), drawn[-1], f"Monte-Carlo sign-flip{units}, {draws:,} draws, seed {seed}"


def _all_subsets(means: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sums, sizes = np.zeros(1), np.zeros(1)
    for mean in means:
        sums = np.concatenate([sums, sums + mean])
        sizes = np.concatenate([sizes, sizes + 1])
    return sums[1:], sizes[1:]


def _random_subsets(columns: Sequence[NDArray[np.float64]], draws: int, seed: int) -> NDArray[np.float64]:
    """One row a column with the sums of subsets drawn at random, then one with their sizes."""
    rng = np.random.default_rng(seed)
    summed = _in_blocks(np.column_stack([*columns, np.ones_like(columns[0])]))
    n = len(summed)
    drawn = np.concatenate([rng.integers(0, 2, (rows, n), np.uint8) @ summed for rows in batches(draws, n)])
    return np.ascontiguousarray(drawn[drawn[:, -1] > 0].T)


def _in_blocks(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over at most `BLOCKS` blocks of rows, dealt out in turn so that no block is one domain's."""
    if len(rows) <= BLOCKS:
        return rows
    filled = np.zeros((-(-len(rows) // BLOCKS) * BLOCKS, rows.shape[1]))
    filled[: len(rows)] = rows
    return np.asarray(filled.reshape(-1, BLOCKS, rows.shape[1]).sum(axis=0))


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
