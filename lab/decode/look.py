"""One step seen from outside the model: which token each row takes, and what the model thought there.

On a CPU the logits are looked at with NumPy, on a GPU within the graph (`lab.decode.graph`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lab.decode.sampling import draw, sampling_entropy_nats
from lab.decode.statistics import StepStatistics, step_statistics
from lab.decode.types import Sampling
from lab.errors import LabError
from lab.models.runtime import async_eval, mx

NOT_NUMBERS = "the model's logits are not numbers (NaN): its weights are damaged or overflow"


@dataclass(frozen=True, slots=True)
class Draw:
    """What one row asks of a step: how to draw its token (or which one is given), and how much to report."""

    sampling: Sampling
    seed: int
    step: int
    alternatives: int
    given: int | None = None


class Look(Protocol):
    """One step of all rows."""

    tokens: Any
    """The tokens taken, an mx.array `(rows,)`, to run the model on."""

    known: bool
    """Whether the tokens are known at once; if not, the next step is best started before asking."""

    def ids(self) -> list[int]:
        """The tokens as integers; waits for the step."""
        ...

    def statistics(self, row: int) -> tuple[StepStatistics, float]:
        """A row's statistics and its sampling entropy in nats."""
        ...


class HostLook:
    """The logits `(rows, vocab)` through a NumPy view, without a copy.

    Sampling with NumPy costs a tenth of the same in MLX operations on a CPU, which outweighs that the next
    step can start only afterwards. Greedy rows need an argmax: it stays in the graph, and the next step
    starts at once.
    """

    def __init__(self, logits: Any, draws: Sequence[Draw]) -> None:
        self._logits = logits
        self._draws = draws
        self._entropies: list[float | None] = [None] * len(draws)
        self.known = any(draw.given is not None or draw.sampling.temperature > 0 for draw in draws)
        if self.known:
            self._ids = [self._take(row) for row in range(len(draws))]
            self.tokens = mx.array(self._ids, dtype=mx.uint32)
        else:
            self._ids = []
            self.tokens = mx.argmax(logits, axis=-1)
            async_eval(self.tokens, logits)

    def ids(self) -> list[int]:
        if not self._ids:
            self._ids = [int(token) for token in np.asarray(self.tokens)]
        return self._ids

    def statistics(self, row: int) -> tuple[StepStatistics, float]:
        logits, draw = self._view(row), self._draws[row]
        entropy = self._entropies[row]
        if entropy is None:
            entropy = sampling_entropy_nats(logits, draw.sampling)
        return step_statistics(logits, self.ids()[row], draw.alternatives), entropy

    def _take(self, row: int) -> int:
        wanted = self._draws[row]
        if wanted.given is not None:
            return wanted.given
        token, self._entropies[row] = draw(self._view(row), wanted.sampling, wanted.seed, wanted.step)
        return token

    def _view(self, row: int) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = np.asarray(self._logits)[row]
        if np.isnan(logits.max()):
            raise LabError(NOT_NUMBERS)
        return logits
