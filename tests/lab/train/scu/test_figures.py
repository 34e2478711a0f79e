"""Authority, step response and the second witness, against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from lab.train.scu.authority import growth_per_step, judge, lambda_to_cancel
from lab.train.scu.control import ControllerState, Update
from lab.train.scu.quantities import Prior
from lab.train.scu.response import step_response
from lab.train.scu.saturation import mdl_witness

PRIOR = Prior(sigma=0.01, tokens=98_304_000, basis="planned")


def test_growth_is_the_slope_of_the_logarithm() -> None:
    steps = [0, 10, 20, 30]
    assert growth_per_step(steps, [5 * math.exp(2e-4 * step) for step in steps]) == pytest.approx(2e-4)


def test_the_published_clamp_was_four_orders_too_weak() -> None:
    needed = lambda_to_cancel(8.2e-5, 2e-5, PRIOR)
    assert needed == pytest.approx(20_152, rel=1e-3)
    found = judge(
        growth_at_min=8.2e-5,
        growth_at_max=8.2e-5 * (1 - 2 / needed),
        lambda_min=0.0,
        lambda_max=2.0,
        s_now=0.0314,
        floor=0.023,
        target=0.03,
    )
    assert not found.enough and found.lambda_needed == pytest.approx(needed)
    assert "still grows" in found.reason and "2.02e+04 is needed" in found.reason


@pytest.mark.parametrize(
    ("at_min", "at_max", "s_now", "target", "floor", "enough", "word"),
    [
        (1e-3, -1e-3, 0.04, 0.03, 0.01, True, "raise and lower"),
        (1e-3, -1e-3, 0.04, 0.005, 0.01, False, "floor"),
        (-1e-4, -1e-3, 0.02, 0.03, 0.01, False, "does not grow"),
        (1e-3, 5e-4, 0.02, 0.03, 0.01, False, "pass the target"),
        (1e-3, 1e-3, 0.04, 0.03, 0.01, False, "no measurable effect"),
    ],
)
def test_authority_in_words(
    at_min: float, at_max: float, s_now: float, target: float, floor: float, enough: bool, word: str
) -> None:
    found = judge(
        growth_at_min=at_min,
        growth_at_max=at_max,
        lambda_min=0,
        lambda_max=10,
        s_now=s_now,
        floor=floor,
        target=target,
    )
    assert found.enough is enough and word in found.reason


def test_step_response_by_hand() -> None:
    steps = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    shares = [1.0, 1.1, 1.5, 1.91, 2.2, 2.1, 2.03, 2.0, 2.01, 1.99]
    figures = step_response(
        steps, shares, [0, 1, 0.5, *[0.5] * 7], [False, True, True, *[False] * 7], 1.0, 2.0
    )
    assert figures.rise_steps == 20
    assert figures.overshoot == pytest.approx(0.2)
    assert figures.settling_steps == 60
    assert figures.steady_error == pytest.approx(0.0)
    assert figures.saturated_steps == 20
    assert figures.effort == pytest.approx(1.5)


def test_a_response_that_never_arrives_has_no_times() -> None:
    figures = step_response([0, 1, 2], [1.0, 1.0, 1.05], [0, 0, 0], [False] * 3, 1.0, 2.0)
    assert figures.rise_steps is None and figures.settling_steps is None and figures.overshoot == 0


def _update(lambda_: float, s: float, state: ControllerState) -> Update:
    return Update(
        s=s,
        s_hat=s,
        target=0.03,
        error=0,
        proportional=0,
        integral=0,
        u_raw=0,
        u=0,
        lambda_=lambda_,
        state=state,
        reason="",
    )


def test_seed_003_s_equilibrium_is_a_deadband_hold() -> None:
    updates = [_update(0.87, 0.0293, "deadband hold"), _update(0.87, 0.0299, "deadband hold")]
    witness = mdl_witness([1500, 1600], updates)
    assert witness.holds and not witness.genuine and "deadband hold" in witness.reason


def test_a_settled_loop_is_a_genuine_witness_and_a_moving_one_is_none() -> None:
    settled = [_update(5.0, 0.030, "tracking"), _update(5.0004, 0.0301, "tracking")]
    assert mdl_witness([0, 100], settled).genuine
    assert not mdl_witness([0, 100], [settled[0], _update(5.1, 0.03, "tracking")]).holds
    assert not mdl_witness([0, 100], [settled[0], _update(5.0, 0.04, "tracking")]).holds
    assert not mdl_witness([50, 100], settled).holds
    assert not mdl_witness([], []).holds
