"""Under what the next answer is asked: kernel, sampling, seed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lab.decode.types import Sampling

if TYPE_CHECKING:
    from lab.kernels import Kernel

GREATEST_TEMPERATURE = 2.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What Live asks with. `kernel` None is the baseline."""

    sampling: Sampling = Sampling()
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


def setup_words(setup: Setup) -> str:
    """The setup in one line, only what is switched on."""
    sampling = setup.sampling
    parts = [f"kernel {setup.kernel.name}" if setup.kernel else "no kernel"]
    parts.append(f"T {sampling.temperature:g}" if sampling.temperature > 0 else "greedy")
    if sampling.temperature > 0:
        if sampling.top_p < 1:
            parts.append(f"top-p {sampling.top_p:g}")
        if sampling.top_k:
            parts.append(f"top-k {sampling.top_k}")
        if sampling.min_p:
            parts.append(f"min-p {sampling.min_p:g}")
        parts.append(f"seed {setup.seed}")
    parts.append(f"≤{sampling.max_tokens}")
    return " · ".join(parts)
