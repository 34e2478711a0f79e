"""The control loop in a training run: measure S, move λ, and let λ act on the weights.

A run goes through three phases: λ at its start; a pulse that measures the plant, some updates under either
bound of λ which are then taken back, so that nothing learned is lost to it; and the closed loop. Everything
that decides λ is in `state`, so a resumed run goes on bit for bit.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lab.models.runtime import mx, tree_map
from lab.train.hooks import Array, Findings, Trail, Tree, Trial
from lab.train.scu import legacy, pi
from lab.train.scu.authority import Authority, growth_per_step, judge
from lab.train.scu.control import Update
from lab.train.scu.legacy import LegacySettings, LegacyState
from lab.train.scu.pi import PISettings, PIState
from lab.train.scu.quantities import Prior, Reading, read
from lab.train.scu.settings import ScuSettings, changed
from lab.train.sums import sum_of_squares
from store.records import EventLevel

Event = tuple[str, EventLevel, str]

WATCHED_UPDATES = 5
"""How many updates on a bound without effect are taken for a loss of authority."""


FEWEST_UPDATES = 2
"""A slope needs so many after the first, before which weights may not have moved at all."""


class Scu:
    """A regularizer in the sense of `lab.train.hooks`, under the law, actuator and prior of its settings."""

    name = "scu"
    every = 1

    def __init__(self, settings: ScuSettings) -> None:
        self._settings = settings
        self._state = _start(settings)
        self._steps = 0
        self._losses: list[float] = []
        self._since = 0
        self._pulsed = not settings.pulse_steps
        self._authority: Authority | None = None
        self._trail: deque[tuple[int, float]] = deque(maxlen=WATCHED_UPDATES)
        self._said = ""

    def begin(self, initial: Tree, planned_tokens: int) -> None:
        """Take down w₀, its sum of squares and the prior; λ starts."""
        given = self._settings.tokens
        self._prior = Prior(
            sigma=self._settings.sigma,
            tokens=planned_tokens if given is None else given,
            basis="planned" if given is None else "given",
        )
        self._initial = initial
        self._squares_at_init = float(sum_of_squares(initial).item())
        self._lambda = mx.array(self._lambda_now())

    def penalty(self, trainable: Tree) -> Array | None:
        """λ Σw² / (2σ²N), nats per token, where the actuator is coupled."""
        if self._settings.actuator != "coupled":
            return None
        return self._lambda * sum_of_squares(trainable) / (2.0 * self._prior.sigma**2 * self._prior.tokens)

    def shrink(self, trainable: Tree, learning_rate: float) -> Tree:
        """w − lr·λ/(σ²N)·(w − w₀) where the actuator is decoupled; never past w₀."""
        if self._settings.actuator != "decoupled":
            return trainable
        pull = mx.minimum(learning_rate * self._lambda / (self._prior.sigma**2 * self._prior.tokens), 1.0)
        return tree_map(lambda now, start: now - pull * (now - start), trainable, self._initial)

    def observe(self, step: int, loss_nats: float, trainable: Tree) -> Findings:
        """Take in one step; at the end of an interval, measure and move λ."""
        self._steps += 1
        self._losses.append(loss_nats)
        self._since += 1
        if not self._pulsed or self._since < self._settings.interval:
            return Findings()
        reading = self._read(_mean(self._losses), trainable)
        self._trail.append((step, self._watched(reading)))
        update = self._update(reading, self._since)
        self._losses, self._since = [], 0
        return self._findings(reading, update)

    def trial(self) -> Trial | None:
        """The pulse: the same updates under the lower and under the upper bound of λ."""
        if self._pulsed or self._steps < self._settings.pulse_after:
            return None
        control = self._settings.control
        return Trial((control.lambda_min, control.lambda_max), self._settings.pulse_steps)

    def hold(self, lambda_: float) -> None:
        """The λ of a trial."""
        self._lambda = mx.array(lambda_)

    def watch(self, trainable: Tree) -> float:
        """ParamBPT, raw or from initialization, bits per token."""
        return self._watched(self._read(math.nan, trainable))

    def judge(self, trails: Sequence[Trail], trainable: Tree) -> Findings:
        """The pulse is over: say what λ can move, and start the law."""
        low, high = trails
        self._pulsed, self._losses, self._since = True, [], 0
        reading = self._read(_mean(low.losses_nats), trainable)
        if min(len(low.losses_nats), len(high.losses_nats)) < FEWEST_UPDATES:
            self._lambda = mx.array(self._lambda_now())
            words = "the pulse on λ was too short to tell what it can move"
            return Findings(events=(("authority", "warning", words),))
        self._authority = self._judged(reading, _growth(low.watched), _growth(high.watched))
        needed, control = self._authority.lambda_needed, self._settings.control
        if self._settings.auto_start and needed is not None and isinstance(self._state, PIState):
            start = min(max(needed, control.lambda_min), control.lambda_max)
            self._state = PIState(u=math.log(start))
        self._lambda = mx.array(self._lambda_now())
        level: EventLevel = "info" if self._authority.enough else "warning"
        words = f"{'authority' if self._authority.enough else 'no authority'}: {self._authority.reason}"
        return Findings(
            values=_reading_values(reading) | {"lambda": float(self._lambda), "target": self._target},
            words={"state": "measured", "reason": f"after a pulse on λ, {words}"},
            events=(("authority", level, words),),
        )

    def set(self, key: str, value: object) -> str:
        """Change the target, a gain or a bound during the run; λ stays where it is."""
        self._settings = changed(self._settings, key, value)
        if isinstance(self._state, PIState) and isinstance(self._settings.control, PISettings):
            self._state = pi.retune(self._state, self._settings.control)
            self._lambda = mx.array(self._lambda_now())
        self._authority, self._trail = None, deque(maxlen=WATCHED_UPDATES)
        return f"{key} is {value} from here on; λ stays at {self._lambda_now():.4g}"

    def state(self) -> Mapping[str, Any]:
        """Law, settings changed on the way, the pulse and what it said, the open interval."""
        return {
            "control": asdict(self._settings.control),
            "law": asdict(self._state),
            "steps": self._steps,
            "losses": self._losses,
            "since": self._since,
            "pulsed": self._pulsed,
            "authority": None if self._authority is None else asdict(self._authority),
            "trail": [list(entry) for entry in self._trail],
            "said": self._said,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        for key, value in state["control"].items():
            self._settings = changed(self._settings, key, value)
        self._state = type(self._state)(**state["law"])
        self._steps, self._losses, self._since = (
            int(state["steps"]),
            list(state["losses"]),
            int(state["since"]),
        )
        self._pulsed = bool(state["pulsed"])
        self._authority = None if state["authority"] is None else Authority(**state["authority"])
        self._trail = deque((tuple(entry) for entry in state["trail"]), maxlen=WATCHED_UPDATES)
        self._said = state["said"]
        self._lambda = mx.array(self._lambda_now())

    def _lambda_now(self) -> float:
        """λ for the coming step."""
        return self._state.lambda_

    def _read(self, loss_nats: float, trainable: Tree) -> Reading:
        moved = tree_map(lambda now, start: now - start, trainable, self._initial)
        squares, from_init = sum_of_squares(trainable), sum_of_squares(moved)
        mx.eval(squares, from_init)
        return read(
            loss_nats, float(squares.item()), float(from_init.item()), self._squares_at_init, self._prior
        )

    def _watched(self, reading: Reading) -> float:
        return reading.param_bpt if self._settings.measure == "raw" else reading.param_bpt_from_init

    def _judged(self, reading: Reading, growth_at_min: float, growth_at_max: float) -> Authority:
        control = self._settings.control
        raw = self._settings.measure == "raw"
        return judge(
            growth_at_min=growth_at_min,
            growth_at_max=growth_at_max,
            lambda_min=control.lambda_min,
            lambda_max=control.lambda_max,
            s_now=reading.of(self._settings.measure),
            floor=reading.floor if raw else 0.0,
            target=self._target,
        )

    @property
    def _target(self) -> float:
        return self._settings.control.target

    def _update(self, reading: Reading, dt_steps: int) -> Update:
        share, control = reading.of(self._settings.measure), self._settings.control
        update: Update
        if isinstance(self._state, PIState) and isinstance(control, PISettings):
            self._state, update = pi.update(self._state, share, dt_steps, control, self._can_reach(reading))
        elif isinstance(self._state, LegacyState) and isinstance(control, LegacySettings):
            self._state, update = legacy.update(self._state, share, control)
        else:
            raise TypeError("the state is another law's")
        self._lambda = mx.array(self._state.lambda_)
        return update

    def _can_reach(self, reading: Reading) -> bool:
        """Whether the pulse found the target within reach, and the last updates do not show otherwise."""
        share = reading.of(self._settings.measure)
        if self._settings.measure == "raw" and self._target < reading.floor:
            return False
        if len(self._trail) < WATCHED_UPDATES:
            return self._authority is None or self._authority.enough
        growth, at = _slope(self._trail), self._lambda_now()
        control = self._settings.control
        if share > self._target and at >= control.lambda_max * (1.0 - 1e-9):
            return growth < 0.0
        if share < self._target and at <= control.lambda_min * (1.0 + 1e-9):
            return growth > 0.0
        return True

    def _findings(self, reading: Reading, update: Update) -> Findings:
        events: list[Event] = []
        if update.state != self._said:
            level: EventLevel = "warning" if update.state in ("no authority", "held (non-finite)") else "info"
            events.append(("controller", level, f"{update.state}: {update.reason}"))
            self._said = update.state
        values = _reading_values(reading) | {
            "s_hat": update.s_hat,
            "target": update.target,
            "error": update.error,
            "proportional": update.proportional,
            "integral": update.integral,
            "u_raw": update.u_raw,
            "u": update.u,
            "lambda": update.lambda_,
        }
        finite = {
            name: value if value is None or math.isfinite(value) else None for name, value in values.items()
        }
        return Findings(
            values=finite, words={"state": update.state, "reason": update.reason}, events=tuple(events)
        )


def _start(settings: ScuSettings) -> PIState | LegacyState:
    if isinstance(settings.control, PISettings):
        return pi.start(settings.control)
    return legacy.start(settings.control)


def _mean(losses_nats: Sequence[float]) -> float:
    """The mean of those that are numbers."""
    finite = [loss for loss in losses_nats if math.isfinite(loss)]
    return sum(finite) / len(finite) if finite else math.nan


def _growth(values: Sequence[float]) -> float:
    """Relative growth a step; from initialization there is nothing yet that could have grown."""
    grown = values[1:] if values[0] <= 0.0 else values
    return growth_per_step(range(len(grown)), [max(value, 1e-300) for value in grown])


def _slope(trail: Sequence[tuple[int, float]]) -> float:
    return growth_per_step([step for step, _ in trail], [max(value, 1e-300) for _, value in trail])


def _reading_values(reading: Reading) -> dict[str, float | None]:
    return {
        "s": reading.s,
        "s_from_init": reading.s_from_init,
        "floor": reading.floor,
        "data_bpt": reading.data_bpt,
        "param_bpt": reading.param_bpt,
        "param_bpt_from_init": reading.param_bpt_from_init,
    }
