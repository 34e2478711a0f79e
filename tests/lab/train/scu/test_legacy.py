"""The published λ trajectory comes out of the published S column."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from lab.train.scu import legacy
from lab.train.scu.legacy import LegacySettings, LegacyState

TRACE = Path(__file__).parents[3] / "data/scu/seed_replay_100step.csv"


def _replayed() -> list[tuple[dict[str, str], LegacyState]]:
    settings = LegacySettings()
    state, trace = legacy.start(settings), []
    with TRACE.open() as file:
        for row in csv.DictReader(file):
            state, _ = legacy.update(state, float(row["s_ratio"]), settings)
            trace.append((row, state))
    return trace


def test_lambda_and_integral_to_nine_places() -> None:
    trace = _replayed()
    assert len(trace) == 15
    for row, state in trace:
        assert state.lambda_ == pytest.approx(float(row["lambda"]), abs=1e-9)
        assert state.integral == pytest.approx(float(row["integral"]), abs=1e-9)
        assert state.s_hat == pytest.approx(float(row["s_hat"]), abs=1e-9)


def test_the_card_s_lambdas() -> None:
    at = {int(row["step"]): state.lambda_ for row, state in _replayed()}
    assert [round(at[step], 3) for step in (100, 500, 1000, 1500)] == [0.995, 0.967, 0.922, 0.870]


def test_within_the_deadband_lambda_rests_and_the_integral_leaks() -> None:
    settings = LegacySettings()
    state, said = legacy.update(LegacyState(lambda_=0.87, integral=-0.01), 0.031, settings)
    assert said.state == "deadband hold" and state.lambda_ == 0.87
    assert state.integral == pytest.approx(-0.00995)


def test_on_a_bound_the_integral_does_not_wind_up() -> None:
    settings = LegacySettings(filter_weight=1.0)
    state = LegacyState(lambda_=settings.lambda_max, integral=0.0)
    for _ in range(50):
        state, said = legacy.update(state, 0.9, settings)
    assert said.state == "pinned high" and state.lambda_ == 2.0 and state.integral == 0.0


def test_sign_filter_and_leak_are_settings() -> None:
    settings = LegacySettings(sign=-1.0, filter_weight=1.0, leak=1.0, deadband=0.0)
    state, _ = legacy.update(LegacyState(lambda_=1.0, integral=0.01), 0.04, settings)
    integral = 0.01 + 0.15 * 0.01
    assert state.lambda_ == pytest.approx(math.exp(-(0.8 * 0.01 + integral)))


@pytest.mark.parametrize("s", [math.nan, math.inf, -math.inf])
def test_a_broken_reading_changes_nothing(s: float) -> None:
    state = LegacyState(lambda_=0.9, integral=0.1, s_hat=0.02)
    after, said = legacy.update(state, s, LegacySettings())
    assert after == state and said.state == "held (non-finite)"
