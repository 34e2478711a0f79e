"""Seed 003's sign of saturation: λ at rest and S near its target. A witness, never the reason to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.train.scu.control import Update

AT_REST_STATES = frozenset(
    {"deadband hold", "pinned low", "pinned high", "no authority", "held (non-finite)"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Whether the rule `|λ_t − λ_{t−w}| < ε and |S − S*|/S* < tol` holds, and whether it means anything.

    `genuine` is false where λ rests because it is held or pinned, not because the loop has settled.
    """

    holds: bool
    genuine: bool
    reason: str


def mdl_witness(
    steps: Sequence[float],
    updates: Sequence[Update],
    window_steps: float = 100.0,
    epsilon: float = 1e-3,
    tolerance: float = 0.05,
) -> Witness:
    """What the rule says at the last update; the window is in optimizer steps."""
    if not updates:
        return Witness(holds=False, genuine=False, reason="no update yet")
    last = updates[-1]
    earlier = [
        update for step, update in zip(steps, updates, strict=True) if step <= steps[-1] - window_steps
    ]
    if not earlier:
        return Witness(holds=False, genuine=False, reason=f"fewer than {window_steps:g} steps under control")
    moved = abs(last.lambda_ - earlier[-1].lambda_)
    off = abs(last.s / last.target - 1.0)
    if moved >= epsilon or off >= tolerance:
        return Witness(
            holds=False, genuine=False, reason=f"λ moved {moved:.2g}, S is {off:.1%} off its target"
        )
    if last.state in AT_REST_STATES:
        return Witness(
            holds=True, genuine=False, reason=f"λ rests because of {last.state}, not because S has settled"
        )
    return Witness(holds=True, genuine=True, reason=f"λ rests and S is {off:.1%} off its target")
