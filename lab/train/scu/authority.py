"""Whether λ can bring S to its target at all: figures from a short pulse on λ, before the loop is closed.

Over the pulse λ sits at one bound and then at the other; ln P grows at a rate of its own under each. What the
controller can reach lies between those two rates, and never below the weights' floor at initialization.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lab.train.scu.quantities import Prior


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Relative growth of Σw² per optimizer step at either bound of λ, and whether that is enough.

    `lambda_needed` is the λ that would hold Σw² still, extrapolated along the measured line; None
    where λ has no measurable effect. `reason` says in words what was found.
    """

    growth_at_min: float
    growth_at_max: float
    lambda_min: float
    lambda_max: float
    lambda_needed: float | None
    enough: bool
    reason: str


def growth_per_step(steps: Sequence[float], sum_squares: Sequence[float]) -> float:
    """Least-squares slope of ln Σw² against steps: relative growth per optimizer step."""
    n = len(steps)
    mean_step = sum(steps) / n
    logs = [math.log(value) for value in sum_squares]
    mean_log = sum(logs) / n
    spread = sum((step - mean_step) ** 2 for step in steps)
    return sum((step - mean_step) * (log - mean_log) for step, log in zip(steps, logs, strict=True)) / spread


def judge(
    *,
    growth_at_min: float,
    growth_at_max: float,
    lambda_min: float,
    lambda_max: float,
    s_now: float,
    floor: float,
    target: float,
) -> Authority:
    """Can S go from `s_now` to `target` and be held there, given both measured growth rates?

    Above the target, Σw² must shrink at the upper bound; below it, it must grow at the lower one; a target
    under `floor`, which the weights had at initialization, is out of reach of any pull towards that point.
    """
    slope = (growth_at_max - growth_at_min) / (lambda_max - lambda_min)
    needed = None if slope >= 0.0 else lambda_min - growth_at_min / slope
    reason, enough = "λ can raise and lower S around the target", True
    if target < floor:
        reason, enough = (
            f"the target {target:.2%} lies below the weights' floor at initialization, {floor:.2%}",
            False,
        )
    elif s_now > target and growth_at_max >= 0.0:
        reason, enough = _too_weak(growth_at_max, lambda_max, needed), False
    elif s_now < target and growth_at_min <= 0.0:
        reason, enough = f"Σw² does not grow even at λ = {lambda_min:g}: S cannot rise to {target:.2%}", False
    elif growth_at_max > 0.0:
        reason, enough = f"S will pass the target: {_too_weak(growth_at_max, lambda_max, needed)}", False
    return Authority(
        growth_at_min=growth_at_min,
        growth_at_max=growth_at_max,
        lambda_min=lambda_min,
        lambda_max=lambda_max,
        lambda_needed=needed,
        enough=enough,
        reason=reason,
    )


def lambda_to_cancel(growth: float, learning_rate: float, prior: Prior) -> float:
    """The λ whose decoupled decay cancels a relative growth of Σw² per step: g / (2 lr) · σ²N.

    Seed 003's late growth of 8.2e-5 at lr 2e-5 needs a decay of about 2, that is λ ≈ 20,000.
    """
    return growth / (2.0 * learning_rate) * prior.sigma**2 * prior.tokens


def _too_weak(growth: float, lambda_max: float, needed: float | None) -> str:
    still = f"at λ = {lambda_max:g} Σw² still grows by {growth:.2e} a step"
    return (
        f"{still}; λ has no measurable effect on it"
        if needed is None
        else f"{still}; about λ = {needed:.3g} is needed"
    )
