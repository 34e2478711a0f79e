"""The preferred-likelihood alarm: margins rise while the chosen answers themselves become less likely.

Displacement as described in arXiv 2402.13228 and 2410.08847; preference.md sets the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lab.preference.settings import ObjectiveName

WINDOW_STEPS = 10

AlarmLevel = Literal["quiet", "red"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What the last ten steps say, in words, with the remedy where there is something to mend."""

    level: AlarmLevel
    message: str
    remedy: str = ""


def preferred_likelihood(
    chosen_log_ratio: Sequence[float], margins: Sequence[float], objective: ObjectiveName
) -> Alarm:
    """Red where over ten steps mean ρ_w is below 0 in every step and the margins' trend is upward.

    `chosen_log_ratio` is the batch mean of ρ_w = log π(y_w) − log π_ref(y_w) a step, `margins` the mean
    reward margin; the last ten of each are read. The trend is the least-squares slope.
    """
    recent, rising = chosen_log_ratio[-WINDOW_STEPS:], margins[-WINDOW_STEPS:]
    if len(recent) < WINDOW_STEPS or len(rising) < WINDOW_STEPS:
        return Alarm(level="quiet", message=f"fewer than {WINDOW_STEPS} steps so far")
    if max(recent) >= 0.0 or _slope(rising) <= 0.0:
        return Alarm(level="quiet", message="chosen answers hold their likelihood or margins do not rise")
    mean = sum(recent) / len(recent)
    return Alarm(
        level="red",
        message=f"margins rise while chosen answers lose likelihood: {-mean:.2f} nats below the reference",
        remedy=_remedy(objective),
    )


def _remedy(objective: ObjectiveName) -> str:
    match objective:
        case "orpo":
            return "give the likelihood term more weight: lower lambda"
        case "dpop":
            return "raise lambda, the weight of DPOP's penalty"
        case _:
            return "switch the loss to dpop, which penalizes this"


def _slope(values: Sequence[float]) -> float:
    middle = (len(values) - 1) / 2
    return sum((index - middle) * value for index, value in enumerate(values))
