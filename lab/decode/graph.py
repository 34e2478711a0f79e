"""The same look at a step as `HostLook`, inside MLX's graph: for a GPU, where fetching logits is dear.

Everything a step reports leaves the device as two small arrays. The noise is the same numbers as on the host,
so that a seed means the same answer on either, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.decode.look import Draw
from lab.decode.noise import GAMMA, MIX_1, MIX_2, UNIFORM_BITS, step_key
from lab.decode.statistics import NOT_NUMBERS, StepStatistics
from lab.errors import LabError
from lab.models.runtime import async_eval, mx


class GraphLook:
    """The logits `(rows, vocab)` looked at where they are. Nothing waits until something is asked for."""

    known = False

    def __init__(self, logits: Any, draws: Sequence[Draw]) -> None:
        self._draws = draws
        scores, sampling_entropy = _scores(logits, draws)
        if any(draw.given is not None for draw in draws):
            self.tokens = mx.array([draw.given for draw in draws], dtype=mx.uint32)
        else:
            self.tokens = mx.argmax(scores, axis=-1)
        k = max(2, *(draw.alternatives for draw in draws))
        self._alternatives = _top_k(logits, min(k, logits.shape[-1]))
        self._table = _table(logits, self.tokens, sampling_entropy, self._alternatives)
        self._host: tuple[Any, Any] | None = None
        async_eval(self.tokens, self._alternatives, self._table)

    def ids(self) -> list[int]:
        """The tokens as integers; waits for the step."""
        return [int(token) for token in np.asarray(self.tokens)]

    def statistics(self, row: int) -> tuple[StepStatistics, float]:
        """A row's statistics and its sampling entropy in nats."""
        if self._host is None:
            self._host = np.asarray(self._table).astype(np.float64), np.asarray(self._alternatives)
        values, ids = self._host[0][row], self._host[1][row]
        if np.isnan(values).any():
            raise LabError(NOT_NUMBERS)
        entropy, sampling_entropy, surprisal, rank = (float(value) for value in values[:4])
        k = self._draws[row].alternatives
        p = values[4:]
        statistics = StepStatistics(
            entropy_nats=max(entropy, 0.0),
            surprisal_nats=max(surprisal, 0.0),
            p_top1=float(p[0]),
            margin=float(p[0] - p[1]) if p.size > 1 else 1.0,
            rank=int(rank),
            alternatives=tuple(zip(ids[:k].tolist(), p[:k].tolist(), strict=True)),
        )
        return statistics, max(sampling_entropy, 0.0)


def _scores(logits: Any, draws: Sequence[Draw]) -> tuple[Any, Any]:
    """What each row's argmax is taken of `(rows, vocab)`, and the entropy `(rows,)` of what it draws from."""
    if all(draw.sampling.temperature == 0 for draw in draws):
        return logits, mx.zeros(len(draws))
    samplings = [draw.sampling for draw in draws]
    drawn = _column([float(sampling.temperature > 0) for sampling in samplings])
    temperature = _column([sampling.temperature or 1.0 for sampling in samplings])
    shifted = logits - logits.max(axis=-1, keepdims=True)
    scaled = mx.where(shifted >= _floor(shifted, draws), shifted / temperature, -mx.inf)
    weights = mx.exp(scaled)
    total = weights.sum(axis=-1)
    expectation = mx.where(weights > 0, weights * scaled, 0.0).sum(axis=-1)
    entropy = (mx.log(total) - expectation / total) * drawn[:, 0]
    keys = [step_key(draw.seed, draw.step) for draw in draws]
    return mx.where(drawn > 0, scaled + _gumbel(keys, logits.shape[-1]), logits), entropy


def _floor(shifted: Any, draws: Sequence[Draw]) -> Any:
    """The smallest shifted logit `(rows, 1)` that each row's filters leave; −inf where there are none."""
    samplings = [draw.sampling if draw.sampling.temperature > 0 else None for draw in draws]
    vocab = shifted.shape[-1]
    min_p = [np.log(s.min_p) if s and s.min_p > 0 else -np.inf for s in samplings]
    floor = _column(min_p)
    top_k = [s.top_k if s and 0 < s.top_k < vocab else vocab for s in samplings]
    top_p = [s.top_p if s and 0 < s.top_p < 1 else None for s in samplings]
    if any(p is not None for p in top_p) or any(k < vocab for k in top_k):
        ordered = mx.sort(shifted, axis=-1)
        kth = mx.array([[vocab - k] for k in top_k])
        floor = mx.maximum(floor, mx.take_along_axis(ordered, kth, axis=-1))
        weights = mx.exp(ordered)
        above = mx.cumsum(weights, axis=-1, reverse=True, inclusive=False)
        wanted = _column([np.inf if p is None else p for p in top_p]) * weights.sum(axis=-1, keepdims=True)
        dropped = (above >= wanted).sum(axis=-1, keepdims=True)
        floor = mx.maximum(floor, mx.take_along_axis(ordered, dropped, axis=-1))
    return floor


def _gumbel(keys: Sequence[int], vocab: int) -> Any:
    """`lab.decode.noise.gumbel` of every token, `(rows, vocab)`."""
    x = mx.array(np.array(keys, dtype=np.uint64))[:, None]
    x = x + mx.arange(1, vocab + 1).astype(mx.uint64)[None] * _u64(GAMMA)
    x = (x ^ (x >> _u64(30))) * _u64(MIX_1)
    x = (x ^ (x >> _u64(27))) * _u64(MIX_2)
    x = x ^ (x >> _u64(31))
    uniform = ((x >> _u64(64 - UNIFORM_BITS)).astype(mx.float32) + 0.5) * 2.0**-UNIFORM_BITS
    return -mx.log(-mx.log(uniform))


def _u64(value: int) -> Any:
    return mx.array(np.array(value, dtype=np.uint64))


def _column(values: Sequence[float]) -> Any:
    return mx.array(list(values), dtype=mx.float32)[:, None]


def _top_k(logits: Any, k: int) -> Any:
    """Ids of the k best tokens `(rows, k)`, best first."""
    ids = mx.argpartition(-logits, kth=k - 1, axis=-1)[:, :k]
    order = mx.argsort(-mx.take_along_axis(logits, ids, axis=-1), axis=-1)
    return mx.take_along_axis(ids, order, axis=-1)


def _table(logits: Any, tokens: Any, sampling_entropy: Any, alternatives: Any) -> Any:
    """`(rows, 4 + k)`: entropy, sampling entropy, surprisal, rank, and the alternatives' probabilities."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    weights = mx.exp(shifted)
    total = weights.sum(axis=-1, keepdims=True)
    expectation = mx.where(weights > 0, weights * shifted, 0.0).sum(axis=-1, keepdims=True)
    log_total = mx.log(total)
    taken = mx.take_along_axis(shifted, tokens[:, None], axis=-1)
    rank = (shifted > taken).sum(axis=-1, keepdims=True).astype(mx.float32)
    p = mx.exp(mx.take_along_axis(shifted, alternatives, axis=-1)) / total
    columns = [log_total - expectation / total, sampling_entropy[:, None], log_total - taken, rank, p]
    return mx.concatenate(columns, axis=-1)
