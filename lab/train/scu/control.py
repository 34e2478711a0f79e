"""What every control law shares: its states, what it says of an update, and the face the loop calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ControllerState = Literal[
    "tracking", "deadband hold", "pinned low", "pinned high", "no authority", "held (non-finite)"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One update of a law, as logged. `error` is the law's own: Ŝ − S* (legacy) or ln(Ŝ / S*) (pi).

    `u_raw` and `u` are ln λ before and after the clamp and the rate limit; `reason` is for people.
    """

    s: float
    s_hat: float | None
    target: float
    error: float | None
    proportional: float | None
    integral: float
    u_raw: float | None
    u: float
    lambda_: float
    state: ControllerState
    reason: str
