"""The distillation benchmark measures what it says. No figure is asserted: those depend on the machine."""

from __future__ import annotations

import pytest

from lab.bench.decode import LEAST_GAIN
from lab.bench.distill import distill_gain
from lab.decode.types import Sampling
from lab.kernels import Kernel
from lab.models.load import load
from lab.probes import shipped
from tests.models import tiny_model


def test_every_answer_is_made_by_both_sides_and_counted() -> None:
    llama = load(str(tiny_model("llama")))
    probes = [probe for probe in shipped() if probe.battery == "core"][:3]
    kernel = Kernel.of("weighing", "Weigh what is said. " * 5)
    gain = distill_gain(llama, probes, kernel, Sampling(max_tokens=5), batch_size=2)
    assert (gain.answers, gain.conditions, gain.batch_size) == (3, ("weighing",), 2)
    assert gain.gain == pytest.approx(gain.ours_answers_per_s / gain.peer_answers_per_s)
    assert 0 < gain.ours_mean_tokens <= 5 and gain.peer_mean_tokens > 0
    assert gain.holds == (gain.gain >= LEAST_GAIN)
