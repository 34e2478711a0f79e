"""How far a model has moved inside: attention rows, gates and states, hidden states. Pure NumPy.

Attention shift is the continuous measure that moves from the first training steps, before behavior does
(seed 004); layers without attention maps have measures of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]


def attention_shift(before: Floats, after: Floats) -> Doubles:
    """The mean L2 distance between a head's rows of attention, `(heads,)`: 0 for equal ones, √2 at most.

    Maps are `(heads, tokens, tokens)`, each row a distribution over earlier tokens. The first token's row is
    left out, for it can look at nothing but itself.
    """
    difference = np.asarray(after, dtype=np.float64)[:, 1:] - np.asarray(before, dtype=np.float64)[:, 1:]
    if difference.shape[1] == 0:
        return np.zeros(len(difference))
    return np.asarray(np.linalg.norm(difference, axis=-1).mean(axis=-1))


def mean_change(before: Floats, after: Floats) -> Doubles:
    """By how much a gate's mean over tokens moved, by head; gates are `(tokens, heads)` or `(tokens, heads,
    channels)`."""
    difference = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    heads = difference.reshape(*difference.shape[:2], -1)
    return np.asarray(heads.mean(axis=(0, 2)))


def relative_change(before: Floats, after: Floats) -> Doubles:
    """(after − before) / before, by head; 0 where both are 0."""
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    return np.asarray((second - first) / np.maximum(np.abs(first), np.finfo(np.float64).tiny))


def mean_cosine(before: Floats, after: Floats) -> float:
    """The mean cosine of two series of vectors `(tokens, width)`, token by token; 1: the same directions."""
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    norms = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return float(((first * second).sum(axis=-1) / np.maximum(norms, np.finfo(np.float64).tiny)).mean())


def averaged(by_text: Sequence[Doubles]) -> Doubles:
    """The mean over texts, each counting once."""
    return np.asarray(np.mean(np.stack(by_text), axis=0))
