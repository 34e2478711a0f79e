"""What a model thought at a step, from its raw float32 logits: entropy, surprisal, rank, alternatives.

NumPy over a view of MLX's memory, which on a CPU costs a fraction of the same in MLX operations. Few passes
and few calls: between two steps of a small model every call starts with cold caches. `lab.decode.graph`
computes the same inside the graph for a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.errors import LabError

NOT_NUMBERS = "the model's logits are not numbers (NaN): its weights are damaged or overflow"
NEGLIGIBLE = np.float32(-80.0)
"""Log odds below which a token counts as this unlikely: e⁻⁸⁰ is nothing beside float32, but still a normal
number (denormal arithmetic is fifty times slower), and a masked token's −inf needs no special case."""

_SMALL_VOCAB = 16_384


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

    `weights` are exp(z − max z), `totals` their sums: p = weights / totals. Raises LabError for NaN.
    """

    __slots__ = ("entropies_nats", "logits", "tops", "totals", "weights")

    def __init__(self, logits: NDArray[np.float32]) -> None:
        self.logits = logits
        self.tops = np.maximum.reduce(logits, axis=-1)
        if np.isnan(self.tops).any():
            raise LabError(NOT_NUMBERS)
        shifted = np.subtract(logits, self.tops[:, None])
        np.maximum(shifted, NEGLIGIBLE, out=shifted)
        self.weights = np.exp(shifted)
        self.totals = np.add.reduce(self.weights, axis=-1)
        # H = ln Σ exp z − Σ p z, with z shifted by its maximum so that nothing is lost to cancellation.
        np.multiply(shifted, self.weights, out=shifted)
        self.entropies_nats = np.log(self.totals) - np.add.reduce(shifted, axis=-1) / self.totals

    def statistics(self, row: int, token_id: int, k: int) -> StepStatistics:
        """Statistics of one row for the token that was taken, with its `k` best alternatives.

        Equal probabilities are listed in the order of their ids.
        """
        logits, total = self.logits[row], float(self.totals[row])
        best = top_k(logits, max(k, 2)).tolist()
        p_best = [float(p) / total for p in self.weights[row][best]]
        taken = logits[token_id]
        return StepStatistics(
            entropy_nats=max(float(self.entropies_nats[row]), 0.0),
            surprisal_nats=max(float(self.tops[row] - taken) + float(np.log(total)), 0.0),
            p_top1=p_best[0],
            margin=p_best[0] - p_best[1] if len(p_best) > 1 else 1.0,
            rank=0 if taken == self.tops[row] else int(np.count_nonzero(logits > taken)),
            alternatives=tuple(zip(best[:k], p_best[:k], strict=True)),
        )


def top_k(values: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Indices of the `k` largest values, largest first, equal ones by index."""
    k = min(k, values.size)
    if values.size <= _SMALL_VOCAB:
        edge = np.partition(values, -k)[-k]
        candidates = np.flatnonzero(values >= edge)
        return candidates[np.argsort(-values[candidates], kind="stable")][:k]
    # In a large vocabulary a few passes of argmax are cheaper than a partition.
    rest = values.copy()
    best = np.empty(k, dtype=np.int64)
    for i in range(k):
        best[i] = rest.argmax()
        rest[best[i]] = -np.inf
    return best
