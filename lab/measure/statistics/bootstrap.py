"""The paired bootstrap: probes are drawn again with replacement, each with both of its scores."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.errors import LabError
from lab.measure.statistics.inputs import BATCH_ELEMENTS, check_confidence, cluster_means, numbers
from lab.measure.statistics.results import Estimate

SMALL_N = 20
"""Below this many probes the bootstrap is over-confident and the exact sign-flip test is to be shown."""

BootstrapMethod = Literal["percentile", "bca"]
_LABELS: dict[str, str] = {"percentile": "percentile", "bca": "BCa"}


def paired_bootstrap(
    differences: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    method: BootstrapMethod = "percentile",
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Estimate:
    """The mean of paired differences with a bootstrap interval (Efron & Tibshirani 1993, chapters 13 and 14).

    `differences` has one number a row, second side less first; with `clusters` (one key a row) the rows of a
    cluster are averaged first and clusters are drawn, so that n counts probes and not their rephrasings.
    "bca" corrects for bias and skew. There is no interval for one cluster or for equal differences:
    resampling has no spread to find there.
    """
    if method not in _LABELS:
        raise LabError(f"bootstrap method: expected percentile or bca, got {method!r}")
    check_confidence(confidence)
    means = numbers(differences, "differences")
    if clusters is not None:
        means = cluster_means(means, clusters)
    n = int(means.size)
    lower, upper = None, None
    if np.ptp(means) > 0:
        lower, upper = _interval(means, _LABELS[method], confidence, resamples, seed)
    return Estimate(
        value=float(means.mean()),
        lower=lower,
        upper=upper,
        confidence=confidence,
        n=n,
        method=f"paired bootstrap ({_LABELS[method]}), {resamples:,} resamples, seed {seed}",
        note=_note(n, has_interval=lower is not None),
    )


def _interval(
    means: NDArray[np.float64], label: str, confidence: float, resamples: int, seed: int
) -> tuple[float, float]:
    from scipy import stats  # half a second to import, so only when asked

    interval = stats.bootstrap(
        (means,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, BATCH_ELEMENTS // means.size),
        vectorized=True,
        confidence_level=confidence,
        method=label,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _note(n: int, *, has_interval: bool) -> str:
    if n == 1:
        return "one probe has no interval"
    if not has_interval:
        return f"all {n} differences are equal: resampling them has no spread to find"
    if n < SMALL_N:
        return f"over-confident below {SMALL_N} probes: read the exact sign-flip test"
    return ""
