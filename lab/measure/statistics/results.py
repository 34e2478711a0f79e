"""What the statistics hand back: numbers that cannot be shown without their n, method and uncertainty."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its uncertainty.

    Attributes:
        value: the estimate; None when it is undefined, `note` then says why.
        lower, upper: the bounds of the interval; None when there is no honest one, `note` then says why.
        confidence: what the interval claims to cover, such as 0.95.
        n: how many independent units stand behind it: probes, pairs or items, never rephrasings or samples.
        method: how the interval was made, in words for people.
        note: what to know when reading it; empty when there is nothing.
    """

    value: float | None
    lower: float | None
    upper: float | None
    confidence: float
    n: int
    method: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """A two-sided test of "no difference between the sides", with the size of the difference.

    Attributes:
        p_value: chance of a difference at least this large if the sides were exchangeable within each pair.
        least_p: the smallest p that n pairs can give; above the level, the test cannot reject at all.
        n: independent pairs.
        method: how p was computed, in words for people.
        effect: the difference, second side less first, with its interval.
    """

    p_value: float
    least_p: float
    n: int
    method: str
    effect: Estimate
