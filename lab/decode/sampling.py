"""From logits to the distribution a token is drawn from, and the draw. NumPy, one row at a time.

The order is mlx-lm's (`mlx_lm.sample_utils.make_sampler`), so that the same settings mean the same thing:
top-p, min-p and top-k are decided on the model's own distribution, and what they leave is drawn at the
temperature.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab.decode.noise import gumbel, step_key
from lab.decode.types import Sampling

Logits = NDArray[np.float32]


def survivors(logits: Logits, sampling: Sampling) -> NDArray[np.int64]:
    """Ids of the tokens that the filters leave, shape `(n,)`; at least one. `logits` has shape `(vocab,)`.

    Ties at a filter's edge stay in together.
    """
    top = logits.max()
    floor = -np.inf
    if sampling.min_p > 0:
        floor = float(top) + float(np.log(sampling.min_p))
    if 0 < sampling.top_k < logits.size:
        floor = max(floor, float(np.partition(logits, -sampling.top_k)[-sampling.top_k]))
    if 0 < sampling.top_p < 1:
        floor = max(floor, _nucleus_floor(logits, float(top), sampling.top_p))
    return np.flatnonzero(logits >= floor) if floor > -np.inf else np.arange(logits.size)


def _nucleus_floor(logits: Logits, top: float, top_p: float) -> float:
    """The smallest logit of the nucleus: the fewest best tokens that hold `top_p` of the mass.

    Tokens at or below (1 − top_p) / vocab together hold no more than 1 − top_p: the nucleus lies among the
    others, and only those few are sorted.
    """
    weights = np.exp(logits - np.float32(top))
    total = float(weights.sum(dtype=np.float64))
    candidates = logits[weights > np.float32(total * (1 - top_p) / logits.size * (1 - 1e-5))]
    ordered = np.sort(candidates)[::-1]
    mass = np.cumsum(np.exp(ordered.astype(np.float64) - top))
    last = int(np.searchsorted(mass, top_p * total))
    return float(ordered[min(last, ordered.size - 1)])


def draw(logits: Logits, sampling: Sampling, seed: int, step: int) -> tuple[int, float]:
    """The token drawn at `step` of the row with this seed, and the entropy in nats of what it was drawn from.

    Greedy (temperature 0) takes the best token, of equals the first, and has entropy 0.
    """
    if sampling.temperature == 0:
        return int(logits.argmax()), 0.0
    ids = survivors(logits, sampling)
    scaled = (logits[ids].astype(np.float64) - float(logits.max())) / sampling.temperature
    token = int(ids[int((scaled + gumbel(step_key(seed, step), ids)).argmax())])
    return token, _entropy_nats(scaled)


def sampling_entropy_nats(logits: Logits, sampling: Sampling) -> float:
    """Entropy in nats of the distribution that `draw` draws from; 0 when greedy."""
    if sampling.temperature == 0:
        return 0.0
    ids = survivors(logits, sampling)
    return _entropy_nats((logits[ids].astype(np.float64) - float(logits.max())) / sampling.temperature)


def _entropy_nats(shifted: NDArray[np.float64]) -> float:
    """Entropy of softmax(shifted); the largest entry is 0."""
    weights = np.exp(shifted)
    total = weights.sum()
    positive = weights > 0
    return max(float(np.log(total) - (weights[positive] @ shifted[positive]) / total), 0.0)
