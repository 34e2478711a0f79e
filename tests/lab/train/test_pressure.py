"""Seed 002's two configurations, and what the calculator says before a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.errors import LabError
from lab.train.pressure import Plan, pressure_of, ratio, warnings

SMALL = Plan(
    name="1B",
    iterations=500,
    batch_size=4,
    learning_rate=1e-5,
    layers_trained=16,
    layers_total=26,
    examples=13_498,
)
LARGE = Plan(
    name="27B",
    iterations=400,
    batch_size=1,
    learning_rate=5e-6,
    layers_trained=16,
    layers_total=62,
    examples=13_498,
)


def test_seed_002_s_comparison_and_the_honest_factor() -> None:
    small, large = pressure_of(SMALL), pressure_of(LARGE)
    assert (small.updates, small.examples_seen) == (500, 2000)
    assert (large.updates, large.examples_seen) == (400, 400)
    assert small.layer_share == pytest.approx(0.615, abs=5e-4)
    assert large.layer_share == pytest.approx(0.258, abs=5e-4)
    assert small.data_share == pytest.approx(0.148, abs=5e-4)
    assert large.data_share == pytest.approx(0.030, abs=5e-4)
    between = ratio(large, small)
    assert between.heavier == "1B" and between.factor == pytest.approx(23.8, abs=0.05)
    assert between.learning_rate == pytest.approx(2.0)
    assert between.examples_seen == pytest.approx(5.0)
    assert between.updates == pytest.approx(1.25)
    assert between.layer_share == pytest.approx(62 / 26)


def test_seed_001_s_fifty_iterations_are_six_updates() -> None:
    plan = Plan(
        name="phase 0",
        iterations=50,
        batch_size=1,
        accumulation=8,
        learning_rate=2e-6,
        layers_trained=16,
        layers_total=62,
        examples=500,
    )
    found = pressure_of(plan)
    assert (found.updates, found.idle_iterations, found.examples_seen) == (6, 2, 48)
    assert "last 2 iterations" in warnings(found, [])[0]


def test_a_plan_as_heavy_as_the_broken_one_is_said_in_its_terms() -> None:
    said = warnings(pressure_of(SMALL), [pressure_of(LARGE)])
    assert any("23.8 times the pressure of 27B" in line and "1B model broke" in line for line in said)
    assert warnings(pressure_of(LARGE), [pressure_of(LARGE)]) == []
    milder = pressure_of(replace(LARGE, name="probe", iterations=2400))
    assert warnings(milder, [pressure_of(LARGE)]) == ["6.0 times the pressure of 27B."]


def test_repeats_and_empty_runs_are_named() -> None:
    assert "seen 2.0 times" in warnings(pressure_of(replace(LARGE, examples=200)), [])[0]
    none = pressure_of(replace(LARGE, iterations=3, accumulation=8))
    assert none.updates == 0 and "No update" in warnings(none, [])[0]
    with pytest.raises(LabError, match="no update at all"):
        ratio(none, pressure_of(LARGE))


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"iterations": 0}, "iterations"), ({"layers_trained": 99}, "99 layers"), ({"examples": 0}, "examples")],
)
def test_impossible_plans_are_refused(changes: dict[str, int], word: str) -> None:
    with pytest.raises(LabError, match=word):
        replace(LARGE, **changes)  # type: ignore[arg-type]
