"""The randomness of sampling: one number per (seed, step, token), the same wherever it is computed.

A draw is Gumbel-max: the token with the largest `log q + g` is an exact sample from q. `g` depends on nothing
but the row's seed, the step and the token id: an answer is the same alone or in a batch, and two models with
nearly the same distribution mostly draw the same token (Maddison et al. 2014, "A* sampling", section 2).

The numbers are SplitMix64 (Steele et al. 2014) in counter mode: output `id` of the stream whose state is the
step's key. 23 of its bits are used, which float32 holds exactly on either side of ½.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GAMMA = 0x9E3779B97F4A7C15
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB
UNIFORM_BITS = 23
_MASK = (1 << 64) - 1


def step_key(seed: int, step: int) -> int:
    """The 64-bit state of one step's stream."""
    return _mix(_mix(seed & _MASK) + step * GAMMA & _MASK)


def gumbel(key: int, token_ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Standard Gumbel noise of the given tokens at one step."""
    with np.errstate(over="ignore"):
        x = np.uint64(key) + (token_ids.astype(np.uint64) + np.uint64(1)) * np.uint64(GAMMA)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(MIX_1)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(MIX_2)
        x ^= x >> np.uint64(31)
    uniform = ((x >> np.uint64(64 - UNIFORM_BITS)).astype(np.float64) + 0.5) * 2.0**-UNIFORM_BITS
    return np.asarray(-np.log(-np.log(uniform)))


def _mix(x: int) -> int:
    x = (x ^ (x >> 30)) * MIX_1 & _MASK
    x = (x ^ (x >> 27)) * MIX_2 & _MASK
    return x ^ (x >> 31)
