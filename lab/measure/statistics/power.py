"""Before the work: how many decided pairs show that a win rate is not one half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.errors import LabError

WIN_RATES = (0.60, 0.65, 0.70, 0.75, 0.80)
LEAST_WIN_RATE = 0.51
_BLOCK = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRow:
    """`n` decided pairs (ties do not count) detect a true `win_rate` with chance `power`."""

    win_rate: float
    n: int
    power: float
    level: float
    method: str = "exact two-sided binomial test against one half"


def pairs_needed(win_rate: float, *, level: float = 0.05, power: float = 0.80) -> PowerRow:
    """The fewest decided pairs whose exact power reaches `power` at a true `win_rate` above one half."""
    if not LEAST_WIN_RATE <= win_rate <= 1:
        raise LabError(f"win rate: expected a number from {LEAST_WIN_RATE} to 1, got {win_rate}")
    if not (0 < level < 1 and 0 < power < 1):
        raise LabError(f"level and power: expected numbers between 0 and 1, got {level} and {power}")
    from scipy import stats  # half a second to import, so only when asked

    first = 1
    while True:
        n = np.arange(first, first + _BLOCK)
        # The test rejects at `critical` wins or more, or as few losses; above n it never does.
        critical = stats.binom.isf(level / 2, n, 0.5) + 1
        reached = stats.binom.sf(critical - 1, n, win_rate) + stats.binom.cdf(n - critical, n, win_rate)
        enough = np.flatnonzero(reached >= power)
        if enough.size:
            return PowerRow(
                win_rate=win_rate, n=int(n[enough[0]]), power=float(reached[enough[0]]), level=level
            )
        first += _BLOCK


def power_table(
    win_rates: Sequence[float] = WIN_RATES, *, level: float = 0.05, power: float = 0.80
) -> tuple[PowerRow, ...]:
    """One row a win rate, for the page that says how much curating is enough."""
    return tuple(pairs_needed(rate, level=level, power=power) for rate in win_rates)
