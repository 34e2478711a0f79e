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
_GAMMA, _MIX_1, _MIX_2 = np.uint64(GAMMA), np.uint64(MIX_1), np.uint64(MIX_2)


def step_key(seed: int, step: int) -> int:
    """The 64-bit state of one step's stream."""
    return _mix(_mix(seed & _MASK) + step * GAMMA & _MASK)


def gumbel(key: int | NDArray[np.uint64], token_ids: NDArray[np.intp]) -> NDArray[np.float64]:
    """Standard Gumbel noise of the given tokens at one step, or each at a step of its own."""
    x = token_ids.astype(np.uint64)
    x += 1
    # A single key is made an array: only for scalars would NumPy warn of the overflow that is meant.
    x = np.atleast_1d(np.asarray(key, dtype=np.uint64)) + x * _GAMMA
    x = _mixed(x, 30, _MIX_1)
    x = _mixed(x, 27, _MIX_2)
    x ^= x >> 31
    x >>= 64 - UNIFORM_BITS
    noise = x.astype(np.float64)
    noise += 0.5
    noise *= 2.0**-UNIFORM_BITS
    for _ in range(2):
        np.log(noise, out=noise)
        np.negative(noise, out=noise)
    return noise


def _mixed(x: NDArray[np.uint64], shift: int, factor: np.uint64) -> NDArray[np.uint64]:
    x ^= x >> shift
    x *= factor
    return x


def _mix(x: int) -> int:
    x = (x ^ (x >> 30)) * MIX_1 & _MASK
    x = (x ^ (x >> 27)) * MIX_2 & _MASK
    return x ^ (x >> 31)
