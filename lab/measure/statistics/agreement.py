"""Do raters agree beyond chance? Cohen's κ for two without gaps, Krippendorff's α (nominal) for the rest.

Both are undefined when only one category was ever used: chance alone then explains all agreement. They say so
instead of claiming 1. Intervals draw items again with replacement (percentile bootstrap).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.errors import LabError
from lab.measure.statistics.inputs import batches, check_confidence
from lab.measure.statistics.results import Estimate

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement(Estimate):
    """κ or α: 1 is perfect, 0 is chance; n counts items with at least two ratings.

    Attributes:
        coefficient: "Cohen's κ" or "Krippendorff's α".
        observed: the share of agreeing pairs of ratings, chance not taken off; None without such pairs.
        categories: what the raters used, in order of first appearance.
    """

    coefficient: str
    observed: float | None
    categories: tuple[str, ...]


def cohen_kappa(
    first: Sequence[str],
    second: Sequence[str],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Agreement:
    """Cohen's κ (1960): (observed − expected) / (1 − expected) agreement of two raters on the same items."""
    if len(first) != len(second):
        raise LabError(f"κ: expected as many ratings from both raters, got {len(first)} and {len(second)}")
    patterns = Counter(zip(first, second, strict=True))
    if any(None in pattern for pattern in patterns):
        raise LabError("κ: expected every item rated by both; with gaps use Krippendorff's α")
    categories = tuple(dict.fromkeys(rating for pattern in patterns for rating in pattern))
    features = np.array(
        [
            [
                1.0,
                a == b,
                *(a == category for category in categories),
                *(b == category for category in categories),
            ]
            for a, b in patterns
        ],
        dtype=np.float64,
    )
    return _agreement("Cohen's κ", _kappa, features, patterns, categories, confidence, resamples, seed)


def krippendorff_alpha(
    units: Sequence[Sequence[str | None]],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Agreement:
    """Krippendorff's α for nominal categories: 1 − observed / expected disagreement of pairable ratings.

    `units` has one row an item with its ratings in any order, None where a rater gave none; items with fewer
    than two ratings cannot be paired and are left out (Krippendorff 2011, "Computing α-reliability").
    """
    rated = [[rating for rating in unit if rating is not None] for unit in units]
    pairable = [unit for unit in rated if len(unit) >= 2]
    categories = tuple(dict.fromkeys(rating for unit in pairable for rating in unit))
    patterns = Counter(tuple(unit.count(category) for category in categories) for unit in pairable)
    counts = np.array(list(patterns), dtype=np.float64).reshape(len(patterns), len(categories))
    ratings = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / np.maximum(ratings - 1, 1)
    features = np.column_stack([ratings, agreeing, counts])
    return _agreement("Krippendorff's α", _alpha, features, patterns, categories, confidence, resamples, seed)


def _kappa(totals: _Floats) -> _Floats:
    """κ of rows (items, agreeing items, the first rater's categories, the second's); NaN where undefined."""
    items, agreeing = totals[..., 0], totals[..., 1]
    first, second = np.split(totals[..., 2:], 2, axis=-1)
    return _beyond_chance(agreeing / items, (first * second).sum(axis=-1) / items**2)


def _alpha(totals: _Floats) -> _Floats:
    """α of rows (ratings, agreeing ratings, ratings of each category); NaN where undefined."""
    ratings, agreeing, categories = totals[..., 0], totals[..., 1], totals[..., 2:]
    expected = (categories * (categories - 1)).sum(axis=-1) / (ratings * (ratings - 1))
    return _beyond_chance(agreeing / ratings, expected)


def _beyond_chance(observed: _Floats, expected: _Floats) -> _Floats:
    room = 1 - expected
    return np.where(room > 1e-12, (observed - expected) / np.where(room > 1e-12, room, 1.0), np.nan)


def _agreement(
    coefficient: str,
    formula: Callable[[_Floats], _Floats],
    features: _Floats,
    patterns: Counter[tuple[str, str]] | Counter[tuple[int, ...]],
    categories: tuple[str, ...],
    confidence: float,
    resamples: int,
    seed: int,
) -> Agreement:
    """The coefficient over all items. Items with equal ratings are one pattern, drawn by their number."""
    counts = np.array(list(patterns.values()))
    value: float | None = None
    lower = upper = None
    check_confidence(confidence)
    totals = counts @ features if patterns else np.zeros(0)
    if not patterns:
        note = "undefined: no item has two ratings"
    elif len(categories) == 1:
        note = f"undefined: unanimous, every rating is {categories[0]!r}, as chance would have it too"
    else:
        value = float(formula(totals))
        lower, upper, note = _interval(formula, features, counts, confidence, resamples, seed)
    return Agreement(
        coefficient=coefficient,
        value=value,
        lower=lower,
        upper=upper,
        confidence=confidence,
        n=int(counts.sum()),
        method=f"percentile bootstrap over items, {resamples:,} resamples, seed {seed}",
        note=note,
        observed=float(totals[1] / totals[0]) if patterns else None,
        categories=categories,
    )


def _interval(
    formula: Callable[[_Floats], _Floats],
    features: _Floats,
    counts: NDArray[np.int64],
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[float | None, float | None, str]:
    rng, n = np.random.default_rng(seed), counts.sum()
    drawn = np.concatenate(
        [
            formula(rng.multinomial(n, counts / n, size=rows) @ features)
            for rows in batches(resamples, counts.size + features.shape[1])
        ]
    )
    defined = drawn[~np.isnan(drawn)]
    if defined.size == 0 or np.ptp(defined) < 1e-12:
        return None, None, f"no interval: resampling these {n} items has no spread to find"
    lower, upper = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    left_out = drawn.size - defined.size
    note = f"{left_out:,} unanimous resamples left out of the interval" if left_out else ""
    return float(lower), float(upper), note
