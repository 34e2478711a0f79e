"""From a distribution to the one a token is drawn from, and the draw. NumPy, one row at a time.

The order is mlx-lm's (`mlx_lm.sample_utils.make_sampler`), so that the same settings mean the same thing:
top-p, min-p and top-k are decided on the model's own distribution, and what they leave is drawn at the
temperature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.decode.noise import gumbel, step_key
from lab.decode.types import Sampling

Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a token is drawn from: the tokens the filters leave and their log weights `(n,)`, largest 0."""

    token_ids: NDArray[np.int64]
    log_weights: NDArray[np.float64]

    def draw(self, seed: int, step: int) -> int:
        """The token drawn at `step` of the row with this seed (Gumbel-max)."""
        noise = gumbel(step_key(seed, step), self.token_ids)
        return int(self.token_ids[int((self.log_weights + noise).argmax())])

    def entropy_nats(self) -> float:
        """The entropy of what is drawn from: the sampling entropy."""
        weights = np.exp(self.log_weights)
        total = float(np.add.reduce(weights))
        # A weight that underflows to 0 stands at a finite log: 0 · finite = 0.
        return max(math.log(total) - float(weights @ self.log_weights) / total, 0.0)


def choice(logits: Logits, weights: Logits, total: float, sampling: Sampling) -> Choice:
    """What `sampling` (not greedy) leaves of one row.

    `weights` `(vocab,)` are exp(z − max z), and `total` is their sum. Ties at a filter's edge stay in.
    """
    floor = 0.0
    if sampling.min_p > 0:
        floor = sampling.min_p
    if 0 < sampling.top_k < weights.size:
        floor = max(floor, float(np.partition(weights, -sampling.top_k)[-sampling.top_k]))
    if 0 < sampling.top_p < 1:
        floor = max(floor, _nucleus_floor(weights, total, sampling.top_p))
    ids = np.flatnonzero(weights >= np.float32(floor)) if floor > 0 else np.arange(weights.size)
    kept = logits[ids].astype(np.float64)
    return Choice(ids, np.maximum((kept - kept.max()) / sampling.temperature, -1e30))


def _nucleus_floor(weights: Logits, total: float, top_p: float) -> float:
    """The smallest weight in the nucleus: the fewest best tokens that hold `top_p` of the mass.

    Tokens at or below (1 − top_p) / vocab together hold no more than 1 − top_p: the nucleus lies among the
    others, and only those few are sorted.
    """
    edge = total * (1 - top_p) / weights.size * (1 - 1e-5)
    ordered = np.sort(weights[weights > np.float32(edge)])[::-1]
    mass = np.cumsum(ordered, dtype=np.float64)
    last = int(np.searchsorted(mass, top_p * total))
    return float(ordered[min(last, ordered.size - 1)])
