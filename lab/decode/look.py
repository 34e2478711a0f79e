"""One step seen from outside the model: which token each row takes, and what the model thought there.

On a CPU the logits are looked at with NumPy, on a GPU within the graph (`lab.decode.graph`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lab.decode.sampling import choice
from lab.decode.statistics import Distributions, StepStatistics
from lab.decode.types import Sampling
from lab.models.runtime import mx


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

    known: bool
    """Whether the tokens are known at once; if not, the next step is best started before asking."""

    tokens: Any
    """The tokens taken, an mx.array `(rows,)` to run the model on, where they are not known yet."""

    def ids(self) -> list[int]:
        """The tokens as integers; waits for the step."""
        ...

    def statistics(self, row: int) -> tuple[StepStatistics, float]:
        """A row's statistics and its sampling entropy in nats."""
        ...


class HostLook:
    """The logits `(rows, vocab)` in NumPy, those of MLX through a view.

    Sampling with NumPy costs a tenth of the same in MLX operations on a CPU, which outweighs that the next
    step can start only afterwards. Greedy rows need an argmax: on MLX it stays in the graph, and the next
    step starts at once.
    """

    def __init__(self, logits: Any, draws: Sequence[Draw], best: Any = None) -> None:
        """`best` `(rows,)` are the rows' best tokens, if they are being computed with the logits already."""
        self._logits = logits
        self._draws = draws
        self._rows: Distributions | None = None
        self._sampling_entropies_nats = [0.0] * len(draws)
        self.known = isinstance(logits, np.ndarray) or any(
            draw.given is not None or draw.sampling.temperature > 0 for draw in draws
        )
        if self.known:
            self._ids = [self._take(row) for row in range(len(draws))]
            self.tokens = None
        else:
            self._ids = []
            self.tokens = mx.argmax(logits, axis=-1) if best is None else best

    def ids(self) -> list[int]:
        """The tokens as integers; waits for the step."""
        if not self._ids:
            self._ids = np.asarray(self.tokens).tolist()
        return self._ids

    def statistics(self, row: int) -> tuple[StepStatistics, float]:
        """A row's statistics and its sampling entropy in nats."""
        statistics = self._distributions().statistics(row, self.ids()[row], self._draws[row].alternatives)
        return statistics, self._sampling_entropies_nats[row]

    def _take(self, row: int) -> int:
        draw, rows = self._draws[row], self._distributions()
        if draw.sampling.temperature == 0:
            return int(rows.logits[row].argmax()) if draw.given is None else draw.given
        left = choice(rows.logits[row], rows.weights[row], rows.totals[row], draw.sampling)
        self._sampling_entropies_nats[row] = left.entropy_nats()
        return left.draw(draw.seed, draw.step) if draw.given is None else draw.given

    def _distributions(self) -> Distributions:
        if self._rows is None:
            k = max(draw.alternatives for draw in self._draws)
            self._rows = Distributions(np.asarray(self._logits), k)
        return self._rows
