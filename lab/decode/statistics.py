"""What a model thought at a step, from its raw float32 logits: entropy, surprisal, rank, alternatives.

NumPy over a view of MLX's memory, which on a CPU costs a fraction of the same in MLX operations. Few passes
and few calls: between two steps of a small model every call starts with cold caches. `lab.decode.graph`
computes the same inside the graph for a GPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.errors import LabError

NOT_NUMBERS = "the model's logits are not numbers (NaN): its weights are damaged or overflow"
NEGLIGIBLE = np.float32(-80.0)
"""Log odds below which a token counts as this unlikely: e⁻⁸⁰ is nothing beside float32, but still a normal
number (denormal arithmetic is fifty times slower), and a masked token's −inf needs no special case."""


@dataclass(frozen=True, slots=True)
class StepStatistics:
    """One step of one row; `alternatives` are (token id, probability), best first."""

    entropy_nats: float
    surprisal_nats: float
    p_top1: float
    margin: float
    rank: int
    alternatives: tuple[tuple[int, float], ...]


class Distributions:
    """The model's distributions over the next token for several rows, from raw logits `(rows, vocab)`.

    `weights` `(rows, vocab)` are exp(z − max z), `totals` their sums: p = weights / totals. The `k` best
    tokens are found at once. Raises LabError for NaN.
    """

    __slots__ = ("_best", "_expectations", "logits", "totals", "weights")

    def __init__(self, logits: NDArray[np.float32], k: int) -> None:
        self.logits = logits
        self._best = [_best(row, max(k, 2)) for row in logits]
        tops = [best[0][1] for best in self._best]
        if any(map(math.isnan, tops)):
            raise LabError(NOT_NUMBERS)
        shifted = np.subtract(logits, np.array(tops, dtype=np.float32)[:, None])
        np.maximum(shifted, NEGLIGIBLE, out=shifted)
        self.weights = np.exp(shifted)
        self.totals: list[float] = np.add.reduce(self.weights, axis=-1).tolist()
        self._expectations: list[float] = np.vecdot(self.weights, shifted).tolist()

    def statistics(self, row: int, token_id: int, k: int) -> StepStatistics:
        """Statistics of one row for the token that was taken, with its `k` best alternatives.

        H = ln Σ exp z − Σ p z, with z shifted by its maximum so that nothing is lost to cancellation.
        """
        total, best = self.totals[row], self._best[row]
        log_total, top = math.log(total), best[0][1]
        taken = float(self.logits[row, token_id])
        alternatives = tuple((token, math.exp(value - top) / total) for token, value in best)
        return StepStatistics(
            entropy_nats=max(log_total - self._expectations[row] / total, 0.0),
            surprisal_nats=max(top - taken + log_total, 0.0),
            p_top1=alternatives[0][1],
            margin=alternatives[0][1] - alternatives[1][1] if len(best) > 1 else 1.0,
            rank=0 if taken == top else int(np.count_nonzero(self.logits[row] > taken)),
            alternatives=alternatives[:k],
        )


def _best(logits: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
    """The `k` best tokens of one row and their logits, best first, equal ones by id; NaN counts as best.

    A few passes of argmax: cheaper than a partition in a large vocabulary, and with cold caches in any.
    """
    rest = logits.copy()
    best = []
    for _ in range(min(k, rest.size)):
        token = int(rest.argmax())
        best.append((token, float(rest[token])))
        rest[token] = -np.inf
    return best
