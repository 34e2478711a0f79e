"""How hard a run presses on its model, before it starts: updates, examples, share of layers, all at once.

Seed 002's small model broke under 23.8 times the pressure of its large one; its paper says five. The figure
here is lr × examples seen × share of layers, compared with earlier runs on the same base.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.errors import LabError

WARN_FACTOR = 4.0
"""Above this factor over an earlier run on the same base a plan is called heavy."""

BROKEN_FACTOR = 23.8
"""What separated seed 002's broken model from its sound one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is going to do. `iterations` counts micro-batches, as mlx-lm's `iters` does.

    `mean_rate` is the mean learning rate over the updates as a share of `learning_rate` (1: no schedule).
    """

    name: str
    iterations: int
    batch_size: int
    learning_rate: float
    layers_trained: int
    layers_total: int
    examples: int
    accumulation: int = 1
    mean_rate: float = 1.0

    def __post_init__(self) -> None:
        for field in (
            "iterations",
            "batch_size",
            "accumulation",
            "layers_trained",
            "layers_total",
            "examples",
        ):
            if getattr(self, field) < 1:
                raise LabError(f"{self.name}: {field} is {getattr(self, field)}; expected at least 1")
        if self.layers_trained > self.layers_total:
            raise LabError(
                f"{self.name}: {self.layers_trained} layers to train, the model has {self.layers_total}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """The figures of one plan.

    `updates` are those really made: a last group of micro-batches short of `accumulation` makes none, so 50
    iterations with accumulation 8 are 6. `idle_iterations` are computed and thrown away by that.
    """

    name: str
    updates: int
    idle_iterations: int
    examples_seen: int
    data_share: float
    layer_share: float
    learning_rate: float
    lr_updates: float
    pressure: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureRatio:
    """How much harder `heavier` presses than `lighter`, whole and factor by factor."""

    heavier: str
    lighter: str
    factor: float
    learning_rate: float
    examples_seen: float
    updates: float
    layer_share: float


def pressure_of(plan: Plan) -> Pressure:
    """The figures of `plan`."""
    updates, idle = divmod(plan.iterations, plan.accumulation)
    seen = updates * plan.accumulation * plan.batch_size
    rate = plan.learning_rate * plan.mean_rate
    share = plan.layers_trained / plan.layers_total
    return Pressure(
        name=plan.name,
        updates=updates,
        idle_iterations=idle,
        examples_seen=seen,
        data_share=seen / plan.examples,
        layer_share=share,
        learning_rate=rate,
        lr_updates=rate * updates,
        pressure=rate * seen * share,
    )


def ratio(a: Pressure, b: Pressure) -> PressureRatio:
    """The two plans against each other, the heavier above."""
    heavier, lighter = (a, b) if a.pressure >= b.pressure else (b, a)
    if not lighter.pressure:
        raise LabError(f"{lighter.name}: makes no update at all; nothing can be compared with it")
    return PressureRatio(
        heavier=heavier.name,
        lighter=lighter.name,
        factor=heavier.pressure / lighter.pressure,
        learning_rate=heavier.learning_rate / lighter.learning_rate,
        examples_seen=heavier.examples_seen / lighter.examples_seen,
        updates=heavier.updates / lighter.updates,
        layer_share=heavier.layer_share / lighter.layer_share,
    )


def warnings(planned: Pressure, earlier: Sequence[Pressure]) -> list[str]:
    """What a person should know before starting, one line each; empty when there is nothing."""
    said = []
    if planned.updates == 0:
        said.append(
            f"No update will be made: {planned.idle_iterations} iterations are fewer than one accumulation."
        )
    elif planned.idle_iterations:
        said.append(f"The last {planned.idle_iterations} iterations are computed and make no update.")
    if planned.data_share > 1.0:
        said.append(f"Every example is seen {planned.data_share:.1f} times; one pass is advised.")
    for other in earlier:
        if other.pressure and (factor := planned.pressure / other.pressure) > WARN_FACTOR:
            said.append(
                f"{factor:.1f} times the pressure of {other.name}"
                + (
                    f": seed 002's 1B model broke under {BROKEN_FACTOR} times that of its 27B."
                    if factor >= BROKEN_FACTOR / 2
                    else "."
                )
            )
    return said
