"""The learning rate step by step against mlx-lm's own schedules."""

from __future__ import annotations

import pytest
from mlx_lm.tuner.utils import build_schedule

from lab.models.runtime import mx
from lab.train.schedule import learning_rate, mean_rate
from lab.train.settings import Schedule, from_mapping

THEIRS = [
    {"name": "cosine_decay", "arguments": [1e-4, 40, 1e-6], "warmup": 5, "warmup_init": 1e-7},
    {"name": "cosine_decay", "arguments": [1e-4, 30]},
    {"name": "linear_schedule", "arguments": [2e-4, 1e-5, 25], "warmup": 8},
]


@pytest.mark.parametrize("config", THEIRS, ids=str)
def test_mlx_lms_lr_schedule_is_read_and_followed(config: dict) -> None:
    settings = from_mapping({"data": "x", "lr_schedule": config})
    theirs = build_schedule(config)
    for step in range(60):
        expected = theirs(mx.array(step))
        expected = expected.item() if isinstance(expected, mx.array) else expected
        ours = learning_rate(settings.learning_rate, settings.schedule, step, 60)
        assert ours == pytest.approx(expected, rel=2e-6, abs=2e-11)


def test_without_a_length_the_decay_ends_with_the_run() -> None:
    schedule = Schedule(name="cosine", warmup_share=0.1, end_share=0.05)
    rates = [learning_rate(1.0, schedule, step, 100) for step in range(101)]
    assert rates[0] == 0.0
    assert rates[5] == 0.5
    assert rates[10] == rates[11] == 1.0
    assert rates[11:] == sorted(rates[11:], reverse=True)
    assert rates[100] == pytest.approx(0.05)


def test_the_mean_rate_is_that_of_the_steps() -> None:
    assert mean_rate(Schedule(), 7) == 1.0
    assert mean_rate(Schedule(name="linear"), 4) == pytest.approx((1 + 0.75 + 0.5 + 0.25) / 4)
