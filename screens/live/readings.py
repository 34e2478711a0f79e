"""From tokens to what the gauges show. Pure; one pass over the tokens at the gauges' slow rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lab.decode.types import TokenStat
from screens.widgets.gauge import EntropyReading


def entropy_reading(tokens: Sequence[TokenStat], vocab_size: int | None) -> EntropyReading:
    """H_t of an answer so far; p90 is the linear-interpolation quantile, as NumPy's default."""
    greatest = math.log(vocab_size) if vocab_size else None
    if not tokens:
        return EntropyReading(max_nats=greatest)
    values = sorted(token.entropy_nats for token in tokens)
    return EntropyReading(
        now_nats=tokens[-1].entropy_nats,
        mean_nats=math.fsum(values) / len(values),
        p90_nats=quantile(values, 0.9),
        greatest_nats=values[-1],
        max_nats=greatest,
    )


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile of sorted values, interpolated between neighbors (Hyndman & Fan 1996, type 7)."""
    position = q * (len(values) - 1)
    below = math.floor(position)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (position - below)
