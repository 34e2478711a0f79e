"""Many tests at once: ten 5 % gates on an unchanged model trip at least once in 40 % of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.errors import LabError


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustedP:
    """One test of a family: `p_adjusted` is compared with the level as if it were the only test."""

    p_value: float
    p_adjusted: float
    rejected: bool
    n_tests: int
    level: float
    method: str = "Holm"


def holm(p_values: Mapping[str, float], *, level: float = 0.05) -> dict[str, AdjustedP]:
    """Holm's step-down adjustment (1979): no false rejection in the family with chance 1 − level.

    Holds however the tests depend on each other. Keys name the tests and keep their order.
    """
    for name, p in p_values.items():
        if not 0 <= p <= 1:
            raise LabError(f"p value of {name}: expected a number from 0 to 1, got {p}")
    adjusted: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = largest
    return {
        name: AdjustedP(
            p_value=p,
            p_adjusted=adjusted[name],
            rejected=adjusted[name] <= level,
            n_tests=len(p_values),
            level=level,
        )
        for name, p in p_values.items()
    }
