"""The figure that a gate is about: its value, its interval, and the chance of harm beyond a bound. Pure.

The unit is the probe: its rephrasings and repeated answers are averaged first. Tests are one-sided, towards
harm. A mean is tested by sign-flips about the bound, a rate by the binomial, a paired rate off zero by
inverting Newcombe's interval (sign-flips about a bound would call twenty equal pairs a certainty).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lab.curriculum.fields import Bound
from lab.curriculum.gate_plan import GateSpec
from lab.errors import LabError
from lab.measure.statistics import (
    Estimate,
    cluster_means,
    difference_of_rates,
    mean_interval,
    sign_flip_test,
    wilson,
    zero_failure_bound,
)

POWER = 0.80
_ROUNDING = 1e-9

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observation:
    """One answer, or one held-out text: its value, and that of what it is held against (None: undefined).

    `cluster` is the probe, or the one that it rephrases; `weight` is that of a text in a perplexity, its
    tokens, and 1 elsewhere. A perplexity's values are mean losses in nats per token.
    """

    cluster: str
    value: float | None
    reference: float | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was found: `estimate` in `unit`; harm tests take a level and say p.

    `harm_p` and `least_p` are None where nothing is tested: without a fail bound, or for a count, which is a
    fact. `spread` is the standard deviation that power is reckoned from; `zero` bounds a rate of which no
    failure was seen.
    """

    estimate: Estimate
    reference: float | None
    unit: str
    harm_p: float | None
    least_p: float | None
    spread: float | None
    scale: float = 1.0
    zero: Estimate | None = None
    note: str = ""

    def detectable(self, level: float) -> float | None:
        """The harm beyond the fail bound that as many probes find with 80 % chance; normal approximation."""
        if not self.spread or self.harm_p is None:
            return None
        normal = NormalDist()
        z = normal.inv_cdf(1 - level) + normal.inv_cdf(POWER)
        return z * self.spread / math.sqrt(self.estimate.n) * self.scale


def figure(
    spec: GateSpec, observed: Sequence[Observation], again: Sequence[float], confidence: float
) -> Figure:
    """The figure of a gate. `again` are fresh values of the worst probe, which was found by looking.

    Raises LabError, in words for people, where there is nothing to judge.
    """
    pairs = [
        one
        for one in observed
        if one.value is not None and (spec.against is None or one.reference is not None)
    ]
    if not pairs:
        raise LabError("nothing to judge: no answer has a score" + (" on both sides" if spec.against else ""))
    match spec.metric:
        case "count":
            return _count(pairs, confidence)
        case "worst":
            return _worst(spec, pairs, again, confidence)
        case "rate":
            return _rate(spec, pairs, confidence)
        case "perplexity":
            return _perplexity(spec, pairs, confidence)
        case _:
            return _mean(spec, pairs, confidence)


def _mean(spec: GateSpec, pairs: Sequence[Observation], confidence: float) -> Figure:
    values, references = _folded(pairs, spec)
    if references is None:
        return _tested(spec, values, values, confidence, reference=None)
    level = float(references.mean())
    if not spec.in_percent:
        return _tested(spec, values - references, values - references, confidence, reference=level)
    if level <= 0:
        raise LabError(f"a percentage of {level:g} has no meaning: give absolute bounds")
    bound = spec.fails or spec.passes
    assert bound is not None
    about = values - (1 + bound.value / 100) * references
    return _tested(
        spec,
        values - references,
        about,
        confidence,
        reference=level,
        scale=100 / level,
        unit="%",
        shifted=True,
    )


def _tested(
    spec: GateSpec,
    values: _Floats,
    about: _Floats,
    confidence: float,
    *,
    reference: float | None,
    scale: float = 1.0,
    unit: str = "",
    shifted: bool = False,
) -> Figure:
    """The mean of `values`, and the sign-flip test of `about` less the fail bound (or as `shifted` by it)."""
    estimate = _scaled(mean_interval(values, confidence=confidence), scale)
    p = least = None
    if spec.fails is not None:
        excess = about if shifted else about - spec.fails.value
        test = sign_flip_test(excess, confidence=confidence)
        p, least = _one_sided(float(excess.mean()), test.p_value, spec), test.least_p / 2
    spread = float(np.std(about, ddof=1)) if len(about) > 1 else None
    return Figure(
        estimate=estimate,
        reference=reference,
        unit=unit,
        harm_p=p,
        least_p=least,
        spread=spread,
        scale=scale,
    )


def _rate(spec: GateSpec, pairs: Sequence[Observation], confidence: float) -> Figure:
    values, references = _folded(pairs, spec)
    for side in (values, references):
        if side is not None and (side.min() < 0 or side.max() > 1):
            raise LabError("a rate is taken of values from 0 to 1: use metric mean")
    n = len(values)
    if references is None:
        p, least = _binomial(spec, float(values.sum()), n)
        failures = n - values.sum() if spec.harm_is_low else values.sum()
        return Figure(
            estimate=wilson(float(values.sum()), n, confidence=confidence),
            reference=None,
            unit="",
            harm_p=p,
            least_p=least,
            spread=float(np.std(values, ddof=1)) if n > 1 else None,
            zero=zero_failure_bound(n, confidence=confidence) if failures == 0 else None,
        )
    changes = values - references
    if spec.in_percent or spec.fails is None or spec.fails.value == 0:
        return _mean(spec, pairs, confidence)
    table = _table(values, references)
    p, least = _newcombe(spec, table, n)
    return Figure(
        estimate=difference_of_rates(*table, n, confidence=confidence),
        reference=float(references.mean()),
        unit="",
        harm_p=p,
        least_p=least,
        spread=float(np.std(changes, ddof=1)) if n > 1 else None,
    )


def _binomial(spec: GateSpec, successes: float, n: int) -> tuple[float | None, float | None]:
    """p of so few (or many) successes at the fail bound, and the least p there is; shares are rounded away
    from harm."""
    if spec.fails is None:
        return None, None
    from scipy import stats  # half a second to import, so only when asked

    rate = min(max(spec.fails.value, 0.0), 1.0)
    if spec.harm_is_low:
        seen = math.ceil(successes - _ROUNDING)
        return float(stats.binom.cdf(seen, n, rate)), float(stats.binom.cdf(0, n, rate))
    seen = math.floor(successes + _ROUNDING)
    return float(stats.binom.sf(seen - 1, n, rate)), float(stats.binom.sf(n - 1, n, rate))


def _table(values: _Floats, references: _Floats) -> tuple[float, float, float]:
    """Pairs that pass on both sides, on the first only, on the second only; shares count as such."""
    both = float((values * references).sum())
    return both, float(values.sum()) - both, float(references.sum()) - both


def _newcombe(spec: GateSpec, table: tuple[float, float, float], n: int) -> tuple[float, float]:
    """One-sided p of the paired difference at the fail bound, by the interval that just reaches it."""
    assert spec.fails is not None
    bound = spec.fails.value
    extreme = (0.0, 0.0, float(n)) if spec.harm_is_low else (0.0, float(n), 0.0)
    return _reaching(spec, table, n, bound), _reaching(spec, extreme, n, bound)


def _reaching(spec: GateSpec, table: tuple[float, float, float], n: int, bound: float) -> float:
    difference = (table[1] - table[2]) / n
    if (difference >= bound) if spec.harm_is_low else (difference <= bound):
        return 0.5

    def excludes(p: float) -> bool:
        interval = difference_of_rates(*table, n, confidence=1 - 2 * p)
        assert interval.lower is not None
        assert interval.upper is not None
        return interval.upper < bound if spec.harm_is_low else interval.lower > bound

    return _least(excludes, 1e-9, 0.5 - 1e-9)


def _least(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The least number from `low` to `high` at which what holds from there on holds, by halving."""
    if holds(low):
        return low
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _perplexity(spec: GateSpec, pairs: Sequence[Observation], confidence: float) -> Figure:
    """Token-weighted: every text counts as many times its loss as it has tokens, as in the ratio of sums."""
    weights = np.array([one.weight for one in pairs])
    share = weights * len(pairs) / weights.sum()
    values = np.array([one.value for one in pairs], dtype=np.float64)
    reference = None
    if spec.against is not None:
        references = np.array([one.reference for one in pairs], dtype=np.float64)
        reference = math.exp(float((share * references).mean()))
        values = values - references
    nats = mean_interval(share * values, confidence=confidence)
    p = least = None
    if spec.fails is not None:
        bound = _nats(spec.fails)
        excess = share * (values - bound)
        test = sign_flip_test(excess, confidence=confidence)
        p, least = _one_sided(float(excess.mean()), test.p_value, spec), test.least_p / 2
    told = _percent if spec.against else math.exp
    estimate = _mapped(nats, told)
    spread = float(np.std(share * values, ddof=1)) if len(values) > 1 else None
    return Figure(
        estimate=estimate,
        reference=reference,
        unit="%" if spec.against else "",
        harm_p=p,
        least_p=least,
        spread=spread,
        scale=100.0 if spec.against else math.exp(nats.value or 0.0),
    )


def _nats(bound: Bound) -> float:
    """A bound on a perplexity, or on its change in percent, as nats per token."""
    ratio = 1 + bound.value / 100 if bound.percent else bound.value
    if ratio <= 0:
        raise LabError(f"{bound}: no perplexity is that low")
    return math.log(ratio)


def _percent(nats: float) -> float:
    return 100 * math.expm1(nats)


def _worst(spec: GateSpec, pairs: Sequence[Observation], again: Sequence[float], confidence: float) -> Figure:
    if not again:
        values, _ = _folded(pairs, spec)
        least = float(values.min() if spec.harm_is_low else values.max())
        estimate = Estimate(
            value=least,
            lower=None,
            upper=None,
            confidence=confidence,
            n=1,
            method=f"the extreme of {len(values)} probes",
            note="picked by looking and not asked again: more extreme than the probe is",
        )
        return Figure(
            estimate=estimate,
            reference=None,
            unit="",
            harm_p=1.0 if spec.fails else None,
            least_p=1.0 if spec.fails else None,
            spread=None,
            note=f"{worst_cluster(spec, pairs)}, {estimate.note}",
        )
    values = np.array(again, dtype=np.float64)
    found = _tested(spec, values, values, confidence, reference=None)
    worst, n = worst_cluster(spec, pairs), len(_clusters(pairs))
    note = f"{worst} was the worst of {n} and was asked {len(again)} times again"
    return Figure(
        estimate=found.estimate,
        reference=None,
        unit="",
        harm_p=found.harm_p,
        least_p=found.least_p,
        spread=found.spread,
        note=note,
    )


def worst_cluster(spec: GateSpec, observed: Sequence[Observation]) -> str | None:
    """The probe with the most harmful mean; None without any score."""
    pairs = [one for one in observed if one.value is not None]
    if not pairs:
        return None
    values, _ = _folded(pairs, spec)
    return _clusters(pairs)[int(values.argmin() if spec.harm_is_low else values.argmax())]


def _count(pairs: Sequence[Observation], confidence: float) -> Figure:
    seen = sum(1 for one in pairs if (one.value or 0.0) > 0)
    n = len(_clusters(pairs))
    estimate = Estimate(
        value=float(seen),
        lower=None,
        upper=None,
        confidence=confidence,
        n=n,
        method=f"counted in {len(pairs)} answers",
    )
    return Figure(
        estimate=estimate,
        reference=None,
        unit="",
        harm_p=None,
        least_p=None,
        spread=None,
        zero=zero_failure_bound(n, confidence=confidence) if seen == 0 else None,
    )


def _clusters(pairs: Sequence[Observation]) -> list[str]:
    return list(dict.fromkeys(one.cluster for one in pairs))


def _folded(pairs: Sequence[Observation], spec: GateSpec) -> tuple[_Floats, _Floats | None]:
    """The mean of each probe on both sides, in order of first appearance."""
    clusters = [one.cluster for one in pairs]
    values = cluster_means([one.value or 0.0 for one in pairs], clusters, "scores")
    if spec.against is None:
        return values, None
    return values, cluster_means([one.reference or 0.0 for one in pairs], clusters, "scores")


def _one_sided(excess: float, two_sided_p: float, spec: GateSpec) -> float:
    """From the two-sided p to that of harm alone."""
    harmful = excess < 0 if spec.harm_is_low else excess > 0
    return two_sided_p / 2 if harmful else 1 - two_sided_p / 2


def _scaled(estimate: Estimate, scale: float) -> Estimate:
    return estimate if scale == 1.0 else _mapped(estimate, lambda value: value * scale)


def _mapped(estimate: Estimate, change: Callable[[float], float]) -> Estimate:
    value, lower, upper = (
        None if one is None else change(one) for one in (estimate.value, estimate.lower, estimate.upper)
    )
    return Estimate(
        value=value,
        lower=lower,
        upper=upper,
        confidence=estimate.confidence,
        n=estimate.n,
        method=estimate.method,
        note=estimate.note,
    )
