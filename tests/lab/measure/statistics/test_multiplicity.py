"""Holm's adjustment by hand, by its closed testing definition, and on a family without effects."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import LabError
from lab.measure.statistics import holm

families = st.lists(st.floats(0, 1), min_size=1, max_size=7).map(
    lambda ps: {f"gate {index}": p for index, p in enumerate(ps)}
)


def closed_testing(p_values: dict[str, float]) -> dict[str, float]:
    """Holm is the closure of Bonferroni: the largest Bonferroni p of all sub-families that hold the test."""
    names = list(p_values)
    subsets = [s for r in range(1, len(names) + 1) for s in itertools.combinations(names, r)]
    bonferroni = {s: min(1.0, len(s) * min(p_values[name] for name in s)) for s in subsets}
    return {name: max(p for s, p in bonferroni.items() if name in s) for name in names}


def test_holm_by_hand() -> None:
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert {name: entry.p_adjusted for name, entry in adjusted.items()} == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    )
    assert [name for name, entry in adjusted.items() if entry.rejected] == ["a", "d"]
    assert list(adjusted) == ["a", "b", "c", "d"]
    assert {entry.n_tests for entry in adjusted.values()} == {4}


@given(families)
@settings(deadline=None)
def test_holm_is_the_closure_of_bonferroni(p_values: dict[str, float]) -> None:
    adjusted = {name: entry.p_adjusted for name, entry in holm(p_values).items()}
    assert adjusted == pytest.approx(closed_testing(p_values))
    assert all(adjusted[name] >= p for name, p in p_values.items())


def test_the_order_of_the_tests_does_not_matter() -> None:
    p_values = {"a": 0.02, "b": 0.01, "c": 0.2}
    backwards = dict(reversed(p_values.items()))
    assert holm(p_values) == holm(backwards)


def test_twenty_gates_without_an_effect_rarely_trip_once_adjusted() -> None:
    rng = np.random.default_rng(1)
    plain = adjusted = 0
    for _ in range(1_000):
        family = holm({str(gate): float(p) for gate, p in enumerate(rng.random(20))})
        plain += any(entry.p_value <= 0.05 for entry in family.values())
        adjusted += any(entry.rejected for entry in family.values())
    assert 0.60 < plain / 1_000 < 0.68
    assert adjusted / 1_000 < 0.07


def test_an_empty_family_and_a_p_that_is_none() -> None:
    assert holm({}) == {}
    with pytest.raises(LabError, match="p value of drift: expected a number from 0 to 1, got nan"):
        holm({"drift": float("nan")})
