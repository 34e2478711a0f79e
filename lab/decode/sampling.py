"""From distributions to those that tokens are drawn from, and the draws. NumPy, all rows of a step at once.

The order is mlx-lm's (`mlx_lm.sample_utils.make_sampler`), so that the same settings mean the same thing:
top-p, min-p and top-k are decided on the model's own distribution, and what they leave is drawn at the
temperature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.decode.noise import gumbel, step_key
from lab.decode.statistics import Distributions
from lab.decode.types import Sampling

Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """What the tokens of some rows are drawn from: what the filters leave of each, row after row.

    `token_ids`, their log weights, largest 0, and whose they are, are `(n,)` for all rows together; row i is
    `ends[i - 1]` to `ends[i]` of them, and never empty.
    """

    token_ids: NDArray[np.intp]
    log_weights: NDArray[np.float64]
    owners: NDArray[np.intp]
    ends: list[int]

    def draw(self, seeds: Sequence[int], steps: Sequence[int]) -> list[int]:
        """Every row's token at its step, of a row with this seed (Gumbel-max)."""
        keys = [step_key(seed, step) for seed, step in zip(seeds, steps, strict=True)]
        scores = gumbel(np.array(keys, dtype=np.uint64)[self.owners], self.token_ids)
        scores += self.log_weights
        best = [begin + int(scores[begin:end].argmax()) for begin, end in self._bounds()]
        return [int(self.token_ids[place]) for place in best]

    def entropies_nats(self) -> list[float]:
        """The entropy of what each row draws from: the sampling entropy."""
        weights = np.exp(self.log_weights)
        begins = [begin for begin, _ in self._bounds()]
        totals = np.add.reduceat(weights, begins)
        # A weight that underflows to 0 stands at a finite log: 0 · finite = 0.
        weights *= self.log_weights
        entropies = np.log(totals) - np.add.reduceat(weights, begins) / totals
        return [max(entropy, 0.0) for entropy in entropies.tolist()]

    def _bounds(self) -> list[tuple[int, int]]:
        return list(zip([0, *self.ends], self.ends, strict=False))


def choices(rows: Distributions, places: Sequence[int], samplings: Sequence[Sampling]) -> Choices:
    """What `samplings` (none greedy) leave of the rows at `places`. Ties at a filter's edge stay in."""
    floors = [_floor(rows, row, sampling) for row, sampling in zip(places, samplings, strict=True)]
    at = slice(places[0], places[-1] + 1) if places[-1] - places[0] < len(places) else list(places)
    logits, tops = rows.logits[at], rows.best[1][at, 0]
    kept = rows.weights[at] >= np.array(floors, dtype=np.float32)[:, None]
    token_ids = kept.ravel().nonzero()[0]
    log_weights = logits.ravel().take(token_ids).astype(np.float64)
    counts = np.add.reduce(kept, axis=-1, dtype=np.intp)
    owners = np.arange(len(counts)).repeat(counts)
    token_ids -= owners * logits.shape[1]
    log_weights -= tops[owners]
    log_weights /= np.array([sampling.temperature for sampling in samplings])[owners]
    np.maximum(log_weights, -1e30, out=log_weights)
    return Choices(token_ids, log_weights, owners, np.add.accumulate(counts).tolist())


def _floor(rows: Distributions, row: int, sampling: Sampling) -> float:
    """The smallest weight that the filters leave of one row; 0 where there are none."""
    weights, floor = rows.weights[row], 0.0
    if sampling.min_p > 0:
        floor = sampling.min_p
    if 0 < sampling.top_k < weights.size:
        floor = max(floor, float(np.partition(weights, -sampling.top_k)[-sampling.top_k]))
    if 0 < sampling.top_p < 1:
        floor = max(floor, _nucleus_floor(weights, rows.best[0][row], rows.totals[row], sampling.top_p))
    return floor


def _nucleus_floor(weights: Logits, best: NDArray[np.intp], total: float, top_p: float) -> float:
    """The smallest weight in the nucleus: the fewest best tokens that hold `top_p` of the mass.

    Often the few best tokens do, which are known. Else: tokens at or below (1 − top_p) / vocab together hold
    no more than 1 − top_p, so that the nucleus lies among the others, and only those are sorted.
    """
    mass, wanted = 0.0, top_p * total
    for weight in weights[best].tolist():
        mass += weight
        if mass >= wanted:
            return float(weight)
    edge = total * (1 - top_p) / weights.size * (1 - 1e-5)
    ordered = weights.compress(weights > np.float32(edge))
    ordered.sort()
    masses = np.add.accumulate(ordered[::-1], dtype=np.float64)
    last = int(masses.searchsorted(wanted))
    return float(ordered[-1 - min(last, ordered.size - 1)])
