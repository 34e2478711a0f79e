"""The control law whose trace was published with seed 003, kept to reproduce it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lab.train.scu.control import ControllerState, Update


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacySettings:
    """Gains per update. `filter_weight` 1 switches the filter off, `leak` 1 the leak.

    `sign` is +1 for λ ← λ·exp(Kp e + I) as published; a second published trace has −1.
    """

    target: float = 0.03
    kp: float = 0.8
    ki: float = 0.15
    lambda_start: float = 1.0
    lambda_min: float = 1e-4
    lambda_max: float = 2.0
    deadband: float = 0.003
    filter_weight: float = 0.1
    leak: float = 0.995
    integral_limit: float = 0.2
    sign: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyState:
    """What the law remembers between updates."""

    lambda_: float
    integral: float = 0.0
    s_hat: float | None = None


def start(settings: LegacySettings) -> LegacyState:
    """The state before the first update."""
    return LegacyState(lambda_=settings.lambda_start)


def update(state: LegacyState, s: float, settings: LegacySettings) -> tuple[LegacyState, Update]:
    """One update of the law with the measured S (scu.md, section 3)."""
    if not math.isfinite(s):
        return state, _said(state, s, settings, "held (non-finite)", f"S is {s}: λ is held")
    s_hat = _filtered(state.s_hat, s, settings.filter_weight)
    error = s_hat - settings.target
    integral = settings.leak * state.integral
    if abs(error) <= settings.deadband:
        held = replace(state, integral=integral, s_hat=s_hat)
        reason = f"|Ŝ − S*| = {abs(error):.5f} is within the deadband {settings.deadband:g}: λ is held"
        return held, _said(held, s, settings, "deadband hold", reason)
    if not _pushes_outward(state.lambda_, error, settings):
        integral = _clip(integral + settings.ki * error, -settings.integral_limit, settings.integral_limit)
    exponent = settings.sign * (settings.kp * error + integral)
    raw = state.lambda_ * math.exp(exponent)
    lambda_ = _clip(raw, settings.lambda_min, settings.lambda_max)
    moved = LegacyState(lambda_=lambda_, integral=integral, s_hat=s_hat)
    return moved, _said(moved, s, settings, *_state_of(raw, settings, error), raw=raw)


def _filtered(previous: float | None, s: float, weight: float) -> float:
    return s if previous is None else weight * s + (1.0 - weight) * previous


def _pushes_outward(lambda_: float, error: float, settings: LegacySettings) -> bool:
    push = settings.sign * error
    return (lambda_ <= settings.lambda_min and push < 0) or (lambda_ >= settings.lambda_max and push > 0)


def _state_of(raw: float, settings: LegacySettings, error: float) -> tuple[ControllerState, str]:
    if raw < settings.lambda_min:
        return "pinned low", f"λ would be {raw:.4g}, below its bound {settings.lambda_min:g}"
    if raw > settings.lambda_max:
        return "pinned high", f"λ would be {raw:.4g}, above its bound {settings.lambda_max:g}"
    return "tracking", f"Ŝ is {abs(error):.5f} {'above' if error > 0 else 'below'} the target"


def _said(
    state: LegacyState,
    s: float,
    settings: LegacySettings,
    name: ControllerState,
    reason: str,
    raw: float | None = None,
) -> Update:
    error = None if state.s_hat is None else state.s_hat - settings.target
    return Update(
        s=s,
        s_hat=state.s_hat,
        target=settings.target,
        error=error,
        proportional=None if error is None else settings.kp * error,
        integral=state.integral,
        u_raw=None if raw is None else math.log(raw),
        u=math.log(state.lambda_),
        lambda_=state.lambda_,
        state=name,
        reason=reason,
    )


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
