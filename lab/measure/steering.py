"""Is there a direction between two behaviors, and do pairs agree on it? Pure NumPy.

A steering vector is the mean difference of activations between two behaviors. Its consistency is the mean
cosine between the differences of any two pairs; seed 004 saw 0.61 and set no pass mark. The mean of n
differences in which nothing is shared has a consistency around 0, whatever n is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SEED_CONSISTENCY = 0.61
"""What seed 004 observed; a reference and no pass mark."""

SPLITS = 100

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Steering:
    """A steering vector `(width,)` with what the pairs say of it.

    `pairwise` is the mean cosine of the differences of two pairs; `split_half` the mean cosine of the vectors
    of two random halves, over 100 halvings. None: too few pairs (2, or 4), or differences of no length.
    """

    vector: Doubles
    pairwise: float | None
    split_half: float | None
    pairs: int


def steering(differences: Doubles, *, seed: int = 0) -> Steering:
    """The steering vector of per-pair differences of activations `(pairs, width)`."""
    found = np.asarray(differences, dtype=np.float64)
    return Steering(
        vector=np.asarray(found.mean(axis=0)),
        pairwise=_pairwise(found),
        split_half=_split_half(found, seed),
        pairs=len(found),
    )


def cosine(first: Doubles, second: Doubles) -> float | None:
    """The cosine of two vectors; None where one has no length."""
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norms if norms > 0 else None


def _pairwise(differences: Doubles) -> float | None:
    """Of n unit vectors with the sum s, the mean cosine of two is (|s|² − n) / (n (n − 1))."""
    norms = np.linalg.norm(differences, axis=1)
    units = differences[norms > 0] / norms[norms > 0, None]
    n = len(units)
    if n < 2:
        return None
    total = units.sum(axis=0)
    return float((total @ total - n) / (n * (n - 1)))


def _split_half(differences: Doubles, seed: int) -> float | None:
    n = len(differences)
    if n < 4:
        return None
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(SPLITS):
        order = rng.permutation(n)
        halves = [differences[order[: n // 2]].mean(axis=0), differences[order[n // 2 :]].mean(axis=0)]
        if (value := cosine(*halves)) is not None:
            found.append(value)
    return float(np.mean(found)) if found else None
