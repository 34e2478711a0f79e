"""A run of probes under conditions: what is asked, in which order. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.asks import ask_probe
from lab.decode.types import Sampling
from lab.protocol import Ask
from store.records import ProbeRecord

if TYPE_CHECKING:
    from lab.kernels import Kernel


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The conditions of a run: in `kernels` None is the baseline; `n_seeds` answers to each of them."""

    kernels: tuple[Kernel | None, ...]
    sampling: Sampling
    batch_size: int = 8
    n_seeds: int = 1
    first_seed: int = 0

    def n_answers(self, n_probes: int) -> int:
        return n_probes * len(self.kernels) * self.n_seeds


def plan_asks(probes: Sequence[ProbeRecord], plan: RunPlan) -> list[Ask]:
    """Probe by probe, its conditions side by side under one seed: what is to be compared is made together."""
    return [
        ask_probe(probe, kernel, plan.sampling, seed)
        for probe in probes
        for seed in range(plan.first_seed, plan.first_seed + plan.n_seeds)
        for kernel in plan.kernels
    ]
