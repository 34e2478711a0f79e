"""Step-response figures of a closed loop after its target was changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SETTLING_BAND = 0.02
STEADY_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResponse:
    """Times in optimizer steps from the change; None where the trace ends before it happened.

    `rise_steps` is 10 % to 90 % of the way, `overshoot` a share of the step, `settling_steps` the time after
    which S stays within ± 2 % of the target, `steady_error` the mean of S/S* − 1 over the last fifth,
    `saturated_steps` the time λ spent on a bound, `effort` Σ|Δu|.
    """

    rise_steps: float | None
    overshoot: float
    settling_steps: float | None
    steady_error: float
    saturated_steps: float
    effort: float


def step_response(
    steps: Sequence[float],
    s: Sequence[float],
    u: Sequence[float],
    saturated: Sequence[bool],
    before: float,
    target: float,
) -> StepResponse:
    """Figures of one response: all series have one entry an update, the first at the change itself."""
    at, value, effort = np.asarray(steps, float), np.asarray(s, float), np.asarray(u, float)
    way = (value - before) / (target - before)
    gaps = np.diff(at, append=at[-1])
    steady = value[-max(round(len(value) * STEADY_SHARE), 1) :]
    return StepResponse(
        rise_steps=_rise(at, way),
        overshoot=float(max(way.max() - 1.0, 0.0)),
        settling_steps=_settling(at, value, target),
        steady_error=float(steady.mean() / target - 1.0),
        saturated_steps=float(gaps[np.asarray(saturated, bool)].sum()),
        effort=float(np.abs(np.diff(effort)).sum()),
    )


def _rise(at: np.ndarray, way: np.ndarray) -> float | None:
    if not (way >= 0.9).any():
        return None
    return float(at[np.argmax(way >= 0.9)] - at[np.argmax(way >= 0.1)])


def _settling(at: np.ndarray, value: np.ndarray, target: float) -> float | None:
    outside = np.flatnonzero(np.abs(value / target - 1.0) > SETTLING_BAND)
    if len(outside) == 0:
        return 0.0
    if outside[-1] == len(value) - 1:
        return None
    return float(at[outside[-1] + 1] - at[0])
