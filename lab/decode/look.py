"""One step seen from outside the model: which token each row takes, and what the model thought there.

On a CPU the logits are looked at with NumPy, on a GPU within the graph (`lab.decode.graph`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lab.decode.sampling import choices
from lab.decode.statistics import Distributions, StepStatistics, row_blocks
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
            self._ids = self._take()
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

    def _take(self) -> list[int]:
        """The rows' tokens, and the entropies of what they were drawn from."""
        rows, draws = self._distributions(), self._draws
        ids: list[int] = rows.best[0][:, 0].tolist()
        drawn = [row for row, draw in enumerate(draws) if draw.sampling.temperature > 0]
        for places in row_blocks(len(drawn), rows.logits.shape[1]):
            these = drawn[places]
            left = choices(rows, these, [draws[row].sampling for row in these])
            taken = left.draw([draws[row].seed for row in these], [draws[row].step for row in these])
            for row, token, entropy_nats in zip(these, taken, left.entropies_nats(), strict=True):
                ids[row], self._sampling_entropies_nats[row] = token, entropy_nats
        return [token if draw.given is None else draw.given for token, draw in zip(ids, draws, strict=True)]

    def _distributions(self) -> Distributions:
        if self._rows is None:
            k = max(draw.alternatives for draw in self._draws)
            self._rows = Distributions(np.asarray(self._logits), k)
        return self._rows
