"""Under what the next answer is asked: kernel, sampling, seed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lab.decode.types import Sampling

if TYPE_CHECKING:
    from lab.kernels import Kernel

GREATEST_TEMPERATURE = 2.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What Live asks with. `kernel` None is the baseline."""

    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    kernel: Kernel | None = None

    def warmer(self, by: float) -> Setup:
        """The temperature moved by `by`, kept between 0 and 2 and on tenths' grid."""
        temperature = round(min(GREATEST_TEMPERATURE, max(0.0, self.sampling.temperature + by)), 2)
        return replace(self, sampling=replace(self.sampling, temperature=temperature))

    def next_seed(self) -> Setup:
        return replace(self, seed=self.seed + 1)

    def next_kernel(self, kernels: Sequence[Kernel]) -> Setup:
        """None, then each kernel, then None again."""
        order: list[Kernel | None] = [None, *kernels]
        names = [kernel.name if kernel else None for kernel in order]
        here = names.index(self.kernel.name if self.kernel else None) if self._known(names) else 0
        return replace(self, kernel=order[(here + 1) % len(order)])

    def _known(self, names: Sequence[str | None]) -> bool:
        return (self.kernel.name if self.kernel else None) in names


def sampling_parts(sampling: Sampling) -> list[str]:
    """Only what is switched on: "T 0.7", "top-p 0.9"; or "greedy"."""
    if sampling.temperature <= 0:
        return ["greedy"]
    parts = [f"T {sampling.temperature:g}"]
    if sampling.top_p < 1:
        parts.append(f"top-p {sampling.top_p:g}")
    if sampling.top_k:
        parts.append(f"top-k {sampling.top_k}")
    if sampling.min_p:
        parts.append(f"min-p {sampling.min_p:g}")
    return parts


def setup_parts(setup: Setup) -> list[str]:
    """The setup in words, the most important first."""
    sampling = setup.sampling
    first, *filters = sampling_parts(sampling)
    seed = [f"seed {setup.seed}"] if sampling.temperature > 0 else []
    kernel = f"kernel {setup.kernel.name}" if setup.kernel else "no kernel"
    return [f"next: {kernel}", first, *seed, *filters, f"≤{sampling.max_tokens} tokens"]
