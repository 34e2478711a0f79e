"""λ is alive: it moves the loss, the weights and S; and what cannot be reached is said in words."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from lab.errors import LabError
from lab.models.runtime import mx
from lab.train.hooks import Findings, Trail
from lab.train.scu.quantities import LN2
from lab.train.scu.regularizer import Scu
from lab.train.scu.settings import from_mapping

LOSS, RATE, TOKENS = 2.0, 1e-2, 1000
GROWTH = 2e-3


def _tree(seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return {"a": mx.array(rng.normal(0, 0.1, (6, 4)).astype(np.float32)), "b": [mx.zeros((4, 3))]}


def _squares(tree: Any) -> float:
    return float((tree["a"] ** 2).sum() + (tree["b"][0] ** 2).sum())


def _scu(**settings: Any) -> Scu:
    given = {
        "target": 0.2,
        "sigma": 0.1,
        "interval": 5,
        "pulse_steps": 0,
        "pulse_after": 0,
        "kc": 5.0,
        "ti_steps": 100.0,
    }
    scu = Scu(from_mapping({**given, **settings}))
    scu.begin(_tree(), TOKENS)
    return scu


class Run:
    """Weights that grow by themselves, as a run's do, and λ's pull on them."""

    def __init__(self, scu: Scu, growth: float = GROWTH) -> None:
        self.scu, self.growth, self.weights, self.step = scu, growth, _tree(), 0
        self.findings: list[Findings] = []

    def go(self, steps: int) -> None:
        for _ in range(steps):
            self._try_out()
            self.step += 1
            self._update()
            self.findings.append(self.scu.observe(self.step, LOSS, self.weights))

    def _update(self) -> None:
        grown = math.sqrt(1.0 + self.growth)
        self.weights = {"a": self.weights["a"] * grown, "b": [self.weights["b"][0] + 1e-4]}
        self.weights = self.scu.shrink(self.weights, RATE)

    def _try_out(self) -> None:
        trial = self.scu.trial()
        if trial is None:
            return
        trails, before = [], self.weights
        for lambda_ in trial.lambdas:
            self.scu.hold(lambda_)
            watched = [self.scu.watch(self.weights)]
            for _ in range(trial.updates):
                self._update()
                watched.append(self.scu.watch(self.weights))
            trails.append(Trail(watched, [LOSS] * trial.updates))
            self.weights = before
        self.findings.append(self.scu.judge(trails, self.weights))

    def events(self) -> list[str]:
        return [words for found in self.findings for _, _, words in found.events]

    def last(self) -> Findings:
        return next(found for found in reversed(self.findings) if "u" in found.values)


def test_the_coupled_term_is_its_formula_and_moves_with_lambda() -> None:
    values = []
    for lambda_ in (1.0, 1.001):
        scu = _scu(actuator="coupled", lambda_start=lambda_)
        penalty = scu.penalty(_tree())
        assert penalty is not None
        values.append(float(penalty))
        assert scu.shrink(_tree(), RATE)["a"].tolist() == _tree()["a"].tolist()
    assert values[0] == pytest.approx(_squares(_tree()) / (2 * 0.1**2 * TOKENS), rel=1e-6)
    assert (values[1] - values[0]) / 0.001 == pytest.approx(values[0], rel=1e-2)


def test_the_decoupled_pull_moves_the_update_with_lambda_and_never_passes_the_start() -> None:
    moved = {"a": _tree()["a"] + 1.0, "b": [mx.ones((4, 3))]}
    left = []
    for lambda_ in (1.0, 2.0):
        scu = _scu(lambda_start=lambda_)
        assert scu.penalty(moved) is None
        left.append(float((scu.shrink(moved, RATE)["a"] - _tree()["a"]).mean()))
    pull = RATE / (0.1**2 * TOKENS)
    assert left == pytest.approx([1 - pull, 1 - 2 * pull], rel=1e-5)
    strongest = _scu(lambda_start=1e6, lambda_max=1e6).shrink(moved, 100.0)
    np.testing.assert_allclose(np.array(strongest["a"]), np.array(_tree()["a"]), atol=1e-6)


def test_the_closed_loop_holds_its_target() -> None:
    run = Run(_scu(target=0.04, lambda_start=10.0))
    run.go(3000)
    shares = [found.values["s"] for found in run.findings[-500:] if "s" in found.values]
    assert all(share == pytest.approx(0.04, rel=0.02) for share in shares)
    squares = _squares(run.weights)
    bits = squares / (2 * 0.1**2 * TOKENS * LN2)
    assert run.last().values["s"] == pytest.approx(bits / (bits + LOSS / LN2), rel=1e-4)
    free = Run(_scu(target=0.04, lambda_start=1e-3, lambda_max=1e-3))
    free.go(3000)
    assert _squares(free.weights) > 5 * squares


def test_an_upper_bound_too_weak_is_said_before_and_during_the_run() -> None:
    run = Run(_scu(target=0.04, lambda_start=1e-3, lambda_max=1e-2, pulse_after=5, pulse_steps=5))
    run.go(15)
    assert any(words.startswith("no authority: S will pass the target") for words in run.events())
    run.go(2500)
    assert run.last().words["state"] == "no authority"
    assert any("no λ within its bounds" in words for words in run.events())


def test_a_target_below_the_floor_is_out_of_reach() -> None:
    run = Run(_scu(target=0.001, pulse_after=0, pulse_steps=4))
    run.go(40)
    assert any("floor" in words for words in run.events()) and run.last().words["state"] == "no authority"


def test_auto_starts_where_growth_stands_still() -> None:
    run = Run(_scu(target=0.04, lambda_start="auto", lambda_max=30.0, pulse_after=40, pulse_steps=5))
    run.go(41)
    state = run.scu.state()
    needed = state["authority"]["lambda_needed"]
    assert state["law"]["u"] == pytest.approx(math.log(needed))
    at_rest = Run(_scu(target=0.04, lambda_start=needed, kc=1e-9, deadband=0.0))
    at_rest.weights = run.weights
    before = _squares(at_rest.weights)
    at_rest.go(20)
    assert _squares(at_rest.weights) == pytest.approx(before, rel=2e-3)


def test_a_pulse_too_short_is_said_and_the_loop_goes_on() -> None:
    scu = _scu(pulse_after=0, pulse_steps=4)
    found = scu.judge([Trail([1.0, 1.1, 1.2], [LOSS, LOSS]), Trail([1.0], [])], _tree())
    assert [words for _, _, words in found.events] == [
        "the pulse on λ was too short to tell what it can move"
    ]
    assert scu.trial() is None and scu.state()["authority"] is None


@pytest.mark.parametrize("law", ["pi", "legacy"])
def test_state_and_restore_go_on_bit_for_bit(law: str) -> None:
    settings: dict[str, Any] = {
        "law": law,
        "target": 0.04,
        "sigma": 0.1,
        "interval": 5,
        "pulse_after": 3,
        "pulse_steps": 4,
    }

    def made() -> Scu:
        scu = Scu(from_mapping(settings))
        scu.begin(_tree(), TOKENS)
        return scu

    for stop in (1, 5, 9, 13, 37):
        whole, cut = Run(made()), Run(made())
        whole.go(60)
        cut.go(stop)
        kept = json.loads(json.dumps(cut.scu.state()))
        cut.scu = made()
        cut.scu.restore(kept)
        cut.go(60 - stop)
        assert np.array_equal(np.array(cut.weights["a"]), np.array(whole.weights["a"]))
        assert cut.scu.state() == whole.scu.state()


def test_settings_change_live_without_a_bump() -> None:
    run = Run(_scu(target=0.04, lambda_start=10.0))
    run.go(200)
    before = run.last().values["lambda"]
    assert "target is 0.05" in run.scu.set("target", 0.05)
    run.go(5)
    assert run.last().values["target"] == 0.05
    assert run.last().values["lambda"] == pytest.approx(before, rel=0.3)
    with pytest.raises(LabError, match=r"scu\.sigma: cannot be changed"):
        run.scu.set("sigma", 1.0)
    with pytest.raises(LabError, match=r"scu\.kc: 'x'; expected a number"):
        run.scu.set("kc", "x")


def test_a_broken_loss_holds_lambda_and_leaves_no_nan_behind() -> None:
    scu = _scu(target=0.04)
    found = [scu.observe(step, math.nan, _tree()) for step in range(1, 6)][-1]
    assert found.words["state"] == "held (non-finite)"
    assert all(value is None or math.isfinite(value) for value in found.values.values())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "scu.target: missing"),
        ({"target": 0.03, "law": "pid"}, "scu.law: 'pid'; expected one of pi, legacy"),
        ({"target": 0.03, "simga": 1}, "scu.simga: no such setting; did you mean sigma?"),
        ({"target": "x"}, "scu.target: 'x'; expected a number"),
        ({"target": 0.03, "pulse_steps": 1}, "scu.pulse_steps: 1"),
        ({"target": 0.03, "actuator": "magic"}, "scu.actuator"),
        ({"target": 0.03, "lambda_start": "auto", "pulse_steps": 0}, "auto needs the pulse"),
        ({"target": 0.03, "interval": True}, "scu.interval: True"),
    ],
)
def test_settings_that_make_no_sense_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError) as caught:
        from_mapping(given)
    assert message in str(caught.value)
