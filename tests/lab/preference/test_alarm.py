"""When the alarm is red, when it is quiet, and what it advises."""

from __future__ import annotations

import pytest

from lab.preference.alarm import preferred_likelihood
from lab.preference.settings import ObjectiveName

RISING = [0.1 * step for step in range(10)]


@pytest.mark.parametrize(
    ("objective", "word"), [("dpo", "dpop"), ("orpo", "lower lambda"), ("dpop", "raise lambda")]
)
def test_displacement_is_red_and_names_its_remedy(objective: ObjectiveName, word: str) -> None:
    alarm = preferred_likelihood([-1.0] * 10, RISING, objective)
    assert alarm.level == "red" and word in alarm.remedy and "1.00 nats" in alarm.message


@pytest.mark.parametrize(
    ("chosen", "margins"),
    [
        ([-1.0] * 9, RISING[:9]),
        ([-1.0] * 9 + [0.01], RISING),
        ([-1.0] * 10, RISING[::-1]),
        ([-1.0] * 10, [0.5] * 10),
        ([], []),
    ],
)
def test_everything_short_of_it_is_quiet(chosen: list[float], margins: list[float]) -> None:
    assert preferred_likelihood(chosen, margins, "dpo").level == "quiet"


def test_only_the_last_ten_steps_count() -> None:
    assert preferred_likelihood([5.0] * 50 + [-1.0] * 10, [9.0] * 50 + RISING, "dpo").level == "red"
