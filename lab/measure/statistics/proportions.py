"""Proportions: Wilson intervals, win rates with ties, pass and fail on two sides, gates without a failure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from lab.errors import LabError
from lab.measure.statistics.inputs import check_confidence
from lab.measure.statistics.results import Estimate, PairedTest


@dataclass(frozen=True, slots=True, kw_only=True)
class WinRate:
    """Wins, ties and losses of the second side, read both ways.

    Attributes:
        n: all pairs, ties included.
        decisive: W / (W + L) of the decided pairs.
        with_ties: (W + ½T) / N.
        p_value: exact binomial test of the decided pairs against one half (the sign test).
    """

    wins: int
    ties: int
    losses: int
    n: int
    decisive: Estimate
    with_ties: Estimate
    p_value: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemarTest(PairedTest):
    """McNemar's test; `gained` pairs pass on the second side only, `lost` ones on the first only."""

    gained: int
    lost: int


def wilson(successes: float, n: int, *, confidence: float = 0.95) -> Estimate:
    """The share successes / n with its score interval (Wilson 1927), which stays inside 0 and 1.

    Halves are allowed, for ties; the interval is then on the safe side, as ties vary less than wins.
    """
    _check_count(n, "n")
    if not 0 <= successes <= n:
        raise LabError(f"successes: expected a number from 0 to n = {n}, got {successes}")
    method = "Wilson score interval"
    z = NormalDist().inv_cdf(0.5 + check_confidence(confidence) / 2)
    if n == 0:
        return Estimate(
            value=None, lower=None, upper=None, confidence=confidence, n=0, method=method, note="no pairs"
        )
    share = successes / n
    center = (share + z * z / (2 * n)) / (1 + z * z / n)
    half_width = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Estimate(
        value=share,
        lower=0.0 if successes == 0 else center - half_width,
        upper=1.0 if successes == n else center + half_width,
        confidence=confidence,
        n=n,
        method=method,
    )


def win_rate(wins: int, ties: int, losses: int, *, confidence: float = 0.95) -> WinRate:
    """How often the second side wins, with and without ties, and whether that could be chance."""
    for name, count in (("wins", wins), ("ties", ties), ("losses", losses)):
        _check_count(count, name)
    n = wins + ties + losses
    return WinRate(
        wins=wins,
        ties=ties,
        losses=losses,
        n=n,
        decisive=wilson(wins, wins + losses, confidence=confidence),
        with_ties=wilson(wins + ties / 2, n, confidence=confidence),
        p_value=_fair_coin_p(wins, wins + losses),
        method=f"exact binomial test of {wins + losses} decided pairs",
    )


def mcnemar_test(base: Sequence[bool], tuned: Sequence[bool], *, confidence: float = 0.95) -> McNemarTest:
    """Exact McNemar test of passing on `base` against passing on `tuned`, one entry a probe on each side.

    The effect is the difference of the pass rates, tuned less base, with Newcombe's interval for paired
    proportions (1998, method 10). Pairs must be independent: for probes with rephrasings give the 0/1
    differences to `sign_flip_test` with clusters.
    """
    if len(base) != len(tuned) or not base:
        raise LabError(f"McNemar: expected as many results on both sides, got {len(base)} and {len(tuned)}")
    n = len(base)
    gained = sum(bool(after) and not before for before, after in zip(base, tuned, strict=True))
    lost = sum(bool(before) and not after for before, after in zip(base, tuned, strict=True))
    both = sum(bool(before) and bool(after) for before, after in zip(base, tuned, strict=True))
    return McNemarTest(
        p_value=_fair_coin_p(gained, gained + lost),
        least_p=min(1.0, 2.0 ** (1 - n)),
        n=n,
        method=f"exact McNemar, {gained + lost} of {n} pairs differ",
        effect=difference_of_rates(both, gained, lost, n, confidence=confidence),
        gained=gained,
        lost=lost,
    )


def zero_failure_bound(n: int, *, confidence: float = 0.95) -> Estimate:
    """What a gate passed by n probes without a failure says: the rate is 0 at best and `upper` at worst.

    The bound is exact and one-sided, 1 − (1 − confidence)^(1/n); at 95 % that is the rule of three, about 3/n
    (Hanley & Lippman-Hand 1983).
    """
    _check_count(n, "n")
    if n == 0:
        raise LabError("n: a gate without probes says nothing; run at least one")
    return Estimate(
        value=0.0,
        lower=0.0,
        upper=1 - (1 - check_confidence(confidence)) ** (1 / n),
        confidence=confidence,
        n=n,
        method="exact one-sided bound for no failures (rule of three: about 3/n at 95%)",
    )


def difference_of_rates(
    both: float, gained: float, lost: float, n: int, *, confidence: float = 0.95
) -> Estimate:
    """The difference of two pass rates over n pairs, second less first, by Newcombe's method 10 (1998).

    `both` pairs pass on both sides, `gained` on the second only, `lost` on the first only. Shares of pairs,
    such as means over repeated answers, may be given; the interval is then on the safe side.
    """
    tuned = wilson(both + gained, n, confidence=confidence)
    base = wilson(both + lost, n, confidence=confidence)
    correlation = _phi(both, gained, lost, n - both - gained - lost)
    difference = (gained - lost) / n
    return Estimate(
        value=difference,
        lower=difference - _combined(_below(tuned), _above(base), correlation),
        upper=difference + _combined(_above(tuned), _below(base), correlation),
        confidence=confidence,
        n=n,
        method="Newcombe score interval for paired proportions",
    )


def _combined(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * correlation * one * other + other * other))


def _below(estimate: Estimate) -> float:
    return (estimate.value or 0.0) - (estimate.lower or 0.0)


def _above(estimate: Estimate) -> float:
    return (estimate.upper or 0.0) - (estimate.value or 0.0)


def _phi(both: float, gained: float, lost: float, neither: float) -> float:
    """The correlation of the two sides' passes, its numerator corrected for continuity when positive."""
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    if margins == 0:
        return 0.0
    numerator: float = both * neither - gained * lost
    if numerator > 0:
        numerator = max(0.0, numerator - (both + gained + lost + neither) / 2)
    return numerator / math.sqrt(margins)


def _fair_coin_p(heads: int, tosses: int) -> float:
    """Exact two-sided binomial p against one half; nothing tossed is no evidence."""
    if tosses == 0:
        return 1.0
    from scipy import stats  # half a second to import, so only when asked

    return float(stats.binomtest(heads, tosses).pvalue)


def _check_count(value: int, name: str) -> None:
    if value < 0:
        raise LabError(f"{name}: expected a count, 0 or more, got {value}")
