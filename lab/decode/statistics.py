"""What a model thought at a step, from its raw float32 logits: entropy, surprisal, rank, alternatives.

NumPy over a view of MLX's memory, which on a CPU costs a fraction of the same in MLX operations and runs
while the next step is being computed. `lab.decode.graph` computes the same inside the graph for a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FEW = 8


@dataclass(frozen=True, slots=True)
class StepStatistics:
    """One step of one row; `alternatives` are (token id, probability), best first."""

    entropy_nats: float
    surprisal_nats: float
    p_top1: float
    margin: float
    rank: int
    alternatives: tuple[tuple[int, float], ...]


def step_statistics(logits: NDArray[np.float32], token_id: int, k: int) -> StepStatistics:
    """Statistics of one row of raw logits, shape `(vocab,)`, for the token that was taken.

    H = ln Σ exp z − Σ p z, with z shifted by its maximum so that nothing is lost to cancellation.
    `k` alternatives are listed; equal probabilities in the order of their ids.
    """
    shifted = logits - logits.max()
    weights = np.exp(shifted)
    total = float(weights.sum())
    expectation = float(weights @ shifted)
    if not np.isfinite(expectation):
        # A model may mask tokens with −inf: they have no mass and no part in the sum.
        expectation = float(weights[weights > 0] @ shifted[weights > 0])
    log_total = float(np.log(total))
    taken = float(shifted[token_id])
    best = top_k(shifted, max(k, 2))
    p_best = np.exp(shifted[best], dtype=np.float64) / total
    return StepStatistics(
        entropy_nats=max(log_total - expectation / total, 0.0),
        surprisal_nats=max(log_total - taken, 0.0),
        p_top1=float(p_best[0]),
        margin=float(p_best[0] - p_best[1]) if p_best.size > 1 else 1.0,
        rank=int(np.count_nonzero(shifted > shifted[token_id])),
        alternatives=tuple(zip(best[:k].tolist(), p_best[:k].tolist(), strict=True)),
    )


def top_k(values: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Indices of the `k` largest values, largest first, equal ones by index."""
    k = min(k, values.size)
    if k <= _FEW:
        # A few passes of argmax beat a partition at every vocabulary size.
        rest = values.copy()
        best = np.empty(k, dtype=np.int64)
        for i in range(k):
            best[i] = rest.argmax()
            rest[best[i]] = -np.inf
        return best
    edge = np.partition(values, -k)[-k]
    candidates = np.flatnonzero(values >= edge)
    return np.asarray(candidates[np.lexsort((candidates, -values[candidates]))][:k])
