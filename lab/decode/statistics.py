"""What a model thought at a step, from its raw float32 logits: entropy, surprisal, rank, alternatives.

NumPy over a view of MLX's memory, which on a CPU costs a fraction of the same in MLX operations. Few passes
and few calls: between two steps of a small model every call starts with cold caches. `lab.decode.graph`
computes the same inside the graph for a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.errors import LabError

NOT_NUMBERS = "the model's logits are not numbers (NaN): its weights are damaged or overflow"
NEGLIGIBLE = np.float32(-80.0)
"""Log odds below which a token counts as this unlikely: e⁻⁸⁰ is nothing beside float32, but still a normal
number (denormal arithmetic is fifty times slower), and a masked token's −inf needs no special case."""

BLOCK_LOGITS = 1 << 18
"""Rows are gone through together up to so many logits (1 MiB): what is made of them stays in a cache."""


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

    `weights` `(rows, vocab)` are exp(z − max z), `totals` their sums: p = weights / totals. `best` are each
    row's best tokens, `k` of them and at least two: ids and logits `(rows, k)`, best first, equal ones by id.
    Raises LabError for NaN.
    """

    __slots__ = ("_best", "_expectations", "best", "logits", "totals", "weights")

    def __init__(self, logits: NDArray[np.float32], k: int) -> None:
        self.logits = logits
        self.best = _best(logits, max(k, 2))
        ids, values = self.best
        tops = values[:, :1]
        if np.isnan(tops).any():
            raise LabError(NOT_NUMBERS)
        shifted = np.subtract(logits, tops)
        np.maximum(shifted, NEGLIGIBLE, out=shifted)
        self.weights = np.exp(shifted)
        self.totals: list[float] = np.add.reduce(self.weights, axis=-1).tolist()
        self._expectations: list[float] = np.vecdot(self.weights, shifted).tolist()
        p = np.exp(np.subtract(values, tops, dtype=np.float64)) / np.array(self.totals)[:, None]
        self._best: list[tuple[list[int], list[float], list[float]]] = list(
            zip(ids.tolist(), values.tolist(), p.tolist(), strict=True)
        )

    def statistics(self, row: int, token_id: int, k: int) -> StepStatistics:
        """Statistics of one row for the token that was taken, with its `k` best alternatives.

        H = ln Σ exp z − Σ p z, with z shifted by its maximum so that nothing is lost to cancellation.
        """
        total, (ids, values, p) = self.totals[row], self._best[row]
        log_total, top = math.log(total), values[0]
        taken = float(self.logits[row, token_id])
        return StepStatistics(
            entropy_nats=max(log_total - self._expectations[row] / total, 0.0),
            surprisal_nats=max(top - taken + log_total, 0.0),
            p_top1=p[0],
            margin=p[0] - p[1] if len(p) > 1 else 1.0,
            rank=self._rank(row, taken, values),
            alternatives=tuple(zip(ids[:k], p[:k], strict=True)),
        )

    def _rank(self, row: int, taken: float, best: list[float]) -> int:
        """How many logits are larger; where `taken` is among the best, so are those."""
        if taken >= best[-1]:
            return sum(value > taken for value in best)
        return int(np.count_nonzero(self.logits[row] > taken))


def row_blocks(rows: int, vocab: int) -> Iterator[slice]:
    """Rows to go through together (see `BLOCK_LOGITS`)."""
    step = max(BLOCK_LOGITS // vocab, 1)
    for begin in range(0, rows, step):
        yield slice(begin, begin + step)


def _best(logits: NDArray[np.float32], k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The `k` best tokens of every row and their logits `(rows, k)`, best first, equal ones by id; NaN counts
    as best.

    A few passes of argmax: cheaper than a partition in a large vocabulary, and with cold caches in any.
    """
    rows, vocab = logits.shape
    ids = np.empty((rows, min(k, vocab)), dtype=np.intp)
    values = np.empty(ids.shape, dtype=np.float32)
    for block in row_blocks(rows, vocab):
        rest = logits[block].copy()
        places = np.arange(len(rest))
        for i in range(ids.shape[1]):
            found = rest.argmax(axis=-1)
            ids[block, i] = found
            values[block, i] = rest[places, found]
            rest[places, found] = -np.inf
    return ids, values
