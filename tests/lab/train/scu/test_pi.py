"""The lab's own law on a plant fitted to the published growth, and its manners at limits and changes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import LabError
from lab.train.scu import pi
from lab.train.scu.control import Update
from lab.train.scu.pi import PISettings
from lab.train.scu.quantities import Prior, decay_of
from lab.train.scu.response import StepResponse, step_response

PRIOR = Prior(sigma=0.01, tokens=98_304_000, basis="planned")
GROWTH, LEARNING_RATE, DATA_BPT = 8.2e-5, 2e-5, 3.5


def _closed_loop(settings: PISettings, updates: int = 400, dt: int = 50) -> tuple[list[float], list[Update]]:
    """S and the updates of a plant in which Σw² grows as seed 003's did and λ pulls on it."""
    state, bits, shares, said = pi.start(settings), 0.092987, [], []
    for _ in range(updates):
        shares.append(bits / (bits + DATA_BPT))
        state, update = pi.update(state, shares[-1], dt, settings)
        said.append(update)
        bits *= (1 + GROWTH - 2 * LEARNING_RATE * decay_of(update.lambda_, PRIOR)) ** dt
    return shares, said


def _figures(settings: PISettings, shares: list[float], said: list[Update]) -> StepResponse:
    steps = [50.0 * index for index in range(len(said))]
    pinned = [update.state.startswith("pinned") for update in said]
    return step_response(steps, shares, [u.u for u in said], pinned, shares[0], settings.target)


def test_the_loop_settles_on_its_target() -> None:
    settings = PISettings(target=0.03, lambda_start=100.0, deadband=0.0)
    shares, said = _closed_loop(settings)
    figures = _figures(settings, shares, said)
    assert max(shares) / 0.03 - 1 < 0.05
    assert figures.settling_steps is not None and figures.settling_steps < 5000
    assert abs(figures.steady_error) < 1e-4
    assert sum(shares[100:]) / 300 == pytest.approx(0.03, rel=5e-3)
    # At rest the pull cancels the growth: decay 2.05, λ about 20,000.
    assert said[-1].lambda_ == pytest.approx(
        GROWTH / (2 * LEARNING_RATE) * PRIOR.sigma**2 * PRIOR.tokens, rel=0.01
    )


def test_the_published_clamp_pins_the_loop() -> None:
    settings = PISettings(target=0.03, lambda_start=1.0, lambda_max=2.0)
    shares, said = _closed_loop(settings)
    assert said[-1].state == "pinned high" and said[-1].lambda_ == pytest.approx(2.0)
    assert shares[-1] > 0.08


def test_after_a_long_time_on_the_bound_the_loop_comes_back_at_once() -> None:
    settings = PISettings(target=0.03, lambda_start=1.0, lambda_max=2.0, deadband=0.0, rate_per_step=1.0)
    state = pi.start(settings)
    for _ in range(500):
        state, said = pi.update(state, 0.05, 50, settings)
    assert said.state == "pinned high"
    updates = 0
    while said.state == "pinned high":
        state, said = pi.update(state, 0.0299, 50, settings)
        updates += 1
    assert updates <= 20


def test_the_rate_limit_holds() -> None:
    settings = PISettings(target=0.03, rate_per_step=0.001)
    state, _ = pi.update(pi.start(settings), 0.03 * 1.1, 50, settings)
    after, said = pi.update(state, 0.03 * 2, 50, settings)
    assert after.u - state.u == pytest.approx(0.05)
    assert said.u_raw is not None and said.u_raw > said.u
    # Held back by its rate far below its upper bound is not pinned there.
    _, far = pi.update(after, 0.9, 50, settings)
    assert far.u_raw is not None and far.u_raw > math.log(settings.lambda_max)
    assert far.state == "tracking" and "rate limit" in far.reason


def test_start_and_changed_gains_do_not_move_lambda() -> None:
    settings = PISettings(target=0.03, lambda_start=7.0)
    state, said = pi.update(pi.start(settings), 0.02, 50, settings)
    assert said.lambda_ == pytest.approx(7.0)
    for changed in (replace(settings, kc=3.0), replace(settings, target=0.021)):
        retuned = pi.retune(state, changed)
        assert retuned.lambda_ == pytest.approx(state.lambda_)
        _, next_said = pi.update(retuned, 0.02, 1e-9, changed)
        assert next_said.lambda_ == pytest.approx(state.lambda_)


def test_gains_survive_another_reporting_interval() -> None:
    settings = PISettings(target=0.03, lambda_start=100.0, deadband=0.0)
    often, _ = _closed_loop(settings, updates=1000, dt=10)
    seldom, _ = _closed_loop(settings, updates=200, dt=50)
    assert max(often) == pytest.approx(max(seldom), rel=0.01)
    assert often[-1] == pytest.approx(seldom[-1], rel=1e-3)


def test_the_deadband_has_hysteresis_and_leaves_without_a_bump() -> None:
    settings = PISettings(target=0.03, deadband=0.01, hysteresis=0.5, rate_per_step=10.0)
    state, said = pi.update(pi.start(settings), 0.03 * math.exp(0.009), 50, settings)
    assert said.state == "deadband hold"
    state, said = pi.update(state, 0.03 * math.exp(0.014), 50, settings)
    assert said.state == "deadband hold"
    state, said = pi.update(state, 0.03 * math.exp(0.016), 50, settings)
    assert said.state == "tracking"
    assert said.u == pytest.approx(settings.kc * (0.016 - 0.014), abs=1e-9)


def test_without_authority_the_state_says_so() -> None:
    settings = PISettings(target=0.03)
    _, said = pi.update(pi.start(settings), 0.06, 50, settings, has_authority=False)
    assert said.state == "no authority" and "no λ within its bounds" in said.reason


@pytest.mark.parametrize("s", [math.nan, math.inf, 0.0, -0.1])
def test_a_broken_reading_holds_lambda(s: float) -> None:
    settings = PISettings(target=0.03)
    state, _ = pi.update(pi.start(settings), 0.02, 50, settings)
    after, said = pi.update(state, s, 50, settings)
    assert after == state and said.state == "held (non-finite)"


@given(
    st.lists(st.floats(1e-9, 1 - 1e-9) | st.just(math.nan), min_size=1, max_size=40),
    st.floats(0.1, 500),
    st.floats(0, 1000),
)
def test_lambda_never_leaves_its_bounds(shares: list[float], dt: float, filter_steps: float) -> None:
    settings = PISettings(target=0.03, lambda_min=0.5, lambda_max=50.0, filter_steps=filter_steps)
    state = pi.start(settings)
    for share in shares:
        before = state.u
        state, said = pi.update(state, share, dt, settings)
        assert 0.5 * (1 - 1e-12) <= said.lambda_ <= 50.0 * (1 + 1e-12)
        assert abs(state.u - before) <= settings.rate_per_step * dt + 1e-12
        assert state.integral is None or math.isfinite(state.integral)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"target": 0.0}, "target"),
        ({"lambda_start": 1e9}, "lambda_start"),
        ({"kc": 0.0}, "kc"),
        ({"deadband": -1}, "deadband"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, float], word: str) -> None:
    with pytest.raises(LabError, match=word):
        PISettings(**{"target": 0.03, **changes})
