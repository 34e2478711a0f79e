"""The learning rate of every step, as mlx-lm's schedules give it, computed in Python from plain settings."""

from __future__ import annotations

import math

from lab.train.settings import Schedule


def learning_rate(peak: float, schedule: Schedule, step: int, steps: int) -> float:
    """The rate of the update after `step` updates, of `steps` planned.

    Over W warm-up steps the rate rises in a line from `warmup_init`; update W is the first at the peak, and
    the decay begins behind it: mlx-lm's `join_schedules` at W + 1.
    """
    warm_up = warm_up_steps(schedule, steps)
    if warm_up and step <= warm_up:
        return schedule.warmup_init + (peak - schedule.warmup_init) * step / warm_up
    first = warm_up + 1 if warm_up else 0
    decay_steps = max(schedule.decay_steps or steps - first, 1)
    done = min(step - first, decay_steps) / decay_steps
    return peak * (schedule.end_share + (1.0 - schedule.end_share) * _left(schedule.name, done))


def warm_up_steps(schedule: Schedule, steps: int) -> int:
    """How many updates the warm-up takes."""
    return schedule.warmup_steps or round(schedule.warmup_share * steps)


def mean_rate(schedule: Schedule, steps: int) -> float:
    """The mean rate over all updates, as a share of the peak."""
    return sum(learning_rate(1.0, schedule, step, steps) for step in range(steps)) / steps


def _left(name: str, done: float) -> float:
    match name:
        case "linear":
            return 1.0 - done
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * done))
        case _:
            return 1.0
