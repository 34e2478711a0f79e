"""From a probe and a condition to what is asked of the engine. Pure; screens and commands share it."""

from __future__ import annotations

from lab.decode.types import Sampling
from lab.kernels import Kernel
from lab.protocol import Ask
from store.records import ProbeRecord


def ask_text(prompt: str, kernel: Kernel | None, sampling: Sampling, seed: int) -> Ask:
    """The ask that puts a free prompt under a condition."""
    return Ask(
        prompt=prompt,
        sampling=sampling,
        seed=seed,
        kernel_name=kernel.name if kernel else None,
        kernel_text=kernel.text if kernel else None,
    )


def ask_probe(probe: ProbeRecord, kernel: Kernel | None, sampling: Sampling, seed: int) -> Ask:
    """The ask that puts a probe under a condition."""
    return Ask(
        prompt=probe.prompt,
        sampling=sampling,
        seed=seed,
        kernel_name=kernel.name if kernel else None,
        kernel_text=kernel.text if kernel else None,
        probe_battery=probe.battery,
        probe_id=probe.id,
        probe_sha256=probe.sha256,
    )
