"""The lab's control law: a PI controller on u = ln λ with back-calculation, measured in optimizer steps.

The error is e = ln(Ŝ / S*), free of scale. The plant is negative: a high S asks for a higher λ.
Anti-windup and bumpless transfer after Åström & Hägglund, *Advanced PID Control*, chapter 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lab.errors import LabError
from lab.train.scu.control import ControllerState, Update


@dataclass(frozen=True, slots=True, kw_only=True)
class PISettings:
    """Gains and limits. Times are optimizer steps, so they survive a changed reporting interval.

    `tracking_steps` is the back-calculation time Tt (None: √(Ti·dt) of the update at hand). The deadband is
    in |e|; once held, the law moves again beyond `deadband · (1 + hysteresis)`. `rate_per_step` limits |Δu|.
    """

    target: float
    kc: float = 40.0
    ti_steps: float = 2000.0
    tracking_steps: float | None = None
    lambda_start: float = 1.0
    lambda_min: float = 1e-3
    lambda_max: float = 1e6
    rate_per_step: float = 0.05
    deadband: float = 0.005
    hysteresis: float = 0.5
    filter_steps: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.target < 1.0:
            raise LabError(f"scu.target: {self.target} is no share; expected a number between 0 and 1")
        if not 0.0 < self.lambda_min <= self.lambda_start <= self.lambda_max:
            raise LabError(
                f"scu: expected 0 < lambda_min ≤ lambda_start ≤ lambda_max, got {self.lambda_min:g}, "
                f"{self.lambda_start:g}, {self.lambda_max:g}"
            )
        for name in ("kc", "ti_steps", "rate_per_step"):
            if not getattr(self, name) > 0.0:
                raise LabError(f"scu.{name}: {getattr(self, name)} must be above 0")
        for name in ("deadband", "hysteresis", "filter_steps"):
            if getattr(self, name) < 0.0:
                raise LabError(f"scu.{name}: {getattr(self, name)} must not be below 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class PIState:
    """What the law remembers: `integral` is None until the first finite S sets it without a bump."""

    u: float
    integral: float | None = None
    s_hat: float | None = None
    holding: bool = False

    @property
    def lambda_(self) -> float:
        return math.exp(self.u)


def start(settings: PISettings) -> PIState:
    """The state before the first update: λ at its start value."""
    return PIState(u=math.log(settings.lambda_start))


def update(
    state: PIState, s: float, dt_steps: float, settings: PISettings, has_authority: bool = True
) -> tuple[PIState, Update]:
    """One update with the S measured `dt_steps` optimizer steps after the last one.

    `has_authority` is what the plant measurement said: without it the law runs on and says so by name.
    """
    if not (math.isfinite(s) and s > 0.0):
        return state, _said(state, s, settings, None, "held (non-finite)", f"S is {s}: λ is held")
    s_hat = _filtered(state.s_hat, s, dt_steps, settings.filter_steps)
    error = math.log(s_hat / settings.target)
    integral = state.u - settings.kc * error if state.integral is None else state.integral
    if _holds(state.holding, error, settings):
        held = PIState(u=state.u, integral=state.u - settings.kc * error, s_hat=s_hat, holding=True)
        reason = f"Ŝ is {_percent(error)} off the target, within the deadband: λ is held"
        return held, _said(held, s, settings, None, "deadband hold", reason)
    u_raw = settings.kc * error + integral
    u = _limited(u_raw, state.u, dt_steps, settings)
    moved = PIState(u=u, integral=_integrated(integral, error, u_raw, u, dt_steps, settings), s_hat=s_hat)
    name, reason = _state_of(u_raw, u, error, settings, has_authority)
    return moved, _said(moved, s, settings, u_raw, name, reason)


def retune(state: PIState, settings: PISettings) -> PIState:
    """The state under changed gains or another target: λ stays where it is (bumpless transfer)."""
    u = min(max(state.u, math.log(settings.lambda_min)), math.log(settings.lambda_max))
    if state.s_hat is None:
        return replace(state, u=u, integral=None, holding=False)
    error = math.log(state.s_hat / settings.target)
    return replace(state, u=u, integral=u - settings.kc * error, holding=False)


def _filtered(previous: float | None, s: float, dt_steps: float, filter_steps: float) -> float:
    if previous is None or filter_steps <= 0.0:
        return s
    return previous + (1.0 - math.exp(-dt_steps / filter_steps)) * (s - previous)


def _holds(holding: bool, error: float, settings: PISettings) -> bool:
    band = settings.deadband * (1.0 + settings.hysteresis) if holding else settings.deadband
    return abs(error) <= band and settings.deadband > 0.0


def _limited(u_raw: float, u_before: float, dt_steps: float, settings: PISettings) -> float:
    reach = settings.rate_per_step * dt_steps
    limited = min(max(u_raw, u_before - reach), u_before + reach)
    return min(max(limited, math.log(settings.lambda_min)), math.log(settings.lambda_max))


def _integrated(
    integral: float, error: float, u_raw: float, u: float, dt_steps: float, settings: PISettings
) -> float:
    tracking = settings.tracking_steps or math.sqrt(settings.ti_steps * dt_steps)
    back = min(dt_steps / tracking, 1.0) * (u - u_raw)
    return integral + settings.kc * (dt_steps / settings.ti_steps) * error + back


def _state_of(
    u_raw: float, u: float, error: float, settings: PISettings, has_authority: bool
) -> tuple[ControllerState, str]:
    off = f"Ŝ is {_percent(error)} {'above' if error > 0 else 'below'} the target"
    if not has_authority:
        return "no authority", f"{off}, and no λ within its bounds can bring it there"
    if u_raw < u <= math.log(settings.lambda_min):
        return "pinned low", f"{off}; λ is at its lower bound {settings.lambda_min:g}"
    if u_raw > u >= math.log(settings.lambda_max):
        return "pinned high", f"{off}; λ is at its upper bound {settings.lambda_max:g}"
    return "tracking", off if u == u_raw else f"{off}; the rate limit holds λ back"


def _percent(error: float) -> str:
    return f"{100.0 * abs(math.expm1(error)):.1f} %"


def _said(
    state: PIState, s: float, settings: PISettings, u_raw: float | None, name: ControllerState, reason: str
) -> Update:
    error = None if state.s_hat is None else math.log(state.s_hat / settings.target)
    return Update(
        s=s,
        s_hat=state.s_hat,
        target=settings.target,
        error=error,
        proportional=None if error is None else settings.kc * error,
        integral=state.integral or 0.0,
        u_raw=u_raw,
        u=state.u,
        lambda_=state.lambda_,
        state=name,
        reason=reason,
    )
