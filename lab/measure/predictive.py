"""Predictive entropy: what a model's distribution over the next token says, and its summary over an answer.

These are the reference definitions (entropy.md, section 1), in float64 and without haste; the decoding loop
computes the same quantities fast and is tested against them. Everything is in nats, from raw logits: before
temperature, top-p or any other processor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.decode.types import TokenStat


@dataclass(frozen=True, slots=True)
class EntropySummary:
    """Predictive entropy over the tokens of an answer; all None when there are none."""

    n: int
    mean_nats: float | None
    median_nats: float | None
    p90_nats: float | None
    max_nats: float | None


def log_probabilities(logits: ArrayLike) -> NDArray[np.float64]:
    """log softmax over the last axis."""
    z = np.asarray(logits, dtype=np.float64)
    shifted = z - z.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def entropy_nats(logits: ArrayLike) -> NDArray[np.float64]:
    """H = −Σ p ln p over the last axis, p = softmax(logits); masked tokens (−inf) count nothing."""
    log_p = log_probabilities(logits)
    with np.errstate(invalid="ignore"):
        terms = np.where(np.isneginf(log_p), 0.0, np.exp(log_p) * log_p)
    return np.asarray(-terms.sum(axis=-1))


def surprisal_nats(logits: ArrayLike, token_id: int) -> float:
    """−ln p(token): how unexpected the token was, which is not entropy."""
    return float(-log_probabilities(logits)[..., token_id])


def p_top1(logits: ArrayLike) -> float:
    """The probability of the best token."""
    return float(np.exp(log_probabilities(logits).max()))


def margin(logits: ArrayLike) -> float:
    """The best token's probability less the second best's."""
    second, first = np.sort(np.exp(log_probabilities(logits)))[-2:]
    return float(first - second)


def rank(logits: ArrayLike, token_id: int) -> int:
    """How many tokens are strictly more probable than this one."""
    z = np.asarray(logits)
    return int((z > z[token_id]).sum())


def share_of_maximum(entropy: float, vocab_size: int) -> float:
    """H / ln V: 0 is certainty, 1 is a uniform guess over the vocabulary."""
    return float(entropy / np.log(vocab_size))


def summarize(stats: Iterable[TokenStat]) -> EntropySummary:
    """Mean, median, 90th percentile (linear interpolation) and maximum of the tokens' predictive entropy."""
    series = np.array([stat.entropy_nats for stat in stats], dtype=np.float64)
    if series.size == 0:
        return EntropySummary(0, None, None, None, None)
    return EntropySummary(
        n=series.size,
        mean_nats=float(series.mean()),
        median_nats=float(np.median(series)),
        p90_nats=float(np.quantile(series, 0.9)),
        max_nats=float(series.max()),
    )
