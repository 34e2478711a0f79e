"""One text as two sides see it: both are led through it token by token, their distributions held together.

A side is a prompt (with or without a kernel) on a variant of the loaded weights. Teacher-forced: what a side
thinks before token i is what it would think had it said the first i tokens itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.decode.forward import prefill, score
from lab.decode.loop import never
from lab.decode.statistics import Distributions, StepStatistics
from lab.decode.text import TextStream, TokenTexts, decoder, token_texts
from lab.decode.types import Alternative
from lab.models.load import LoadedModel
from lab.protocol import OverlayToken

Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reading:
    """Behind which prompt a side reads the text, and on which variant (see `lab.decode.rows.Row`)."""

    prompt_ids: Sequence[int]
    variant: str | None = None


Alternatives = tuple[Alternative, ...]


def overlay(
    loaded: LoadedModel, left: Reading, right: Reading, token_ids: Sequence[int], *, alternatives: int = 5
) -> tuple[tuple[OverlayToken, ...], Alternatives, Alternatives]:
    """The text's tokens with both sides' statistics, then what either side would say after the last one.

    `alternatives` is the k of top-k. Raises LabError when a model's output is not numbers.
    """
    names = token_texts(loaded.tokenizer)
    texts = _pieces(loaded, token_ids)
    tokens: list[OverlayToken] = []
    for left_logits, right_logits in zip(
        _logits(loaded, left, token_ids), _logits(loaded, right, token_ids), strict=True
    ):
        chunk = _Chunk(left_logits, right_logits, alternatives, names)
        for row in range(min(len(left_logits), len(token_ids) - len(tokens))):
            index = len(tokens)
            tokens.append(chunk.token(row, index, token_ids[index], texts[index]))
    return tuple(tokens), *chunk.end()


class _Chunk:
    """Some steps of the text: both sides' raw logits `(n, vocab)`, before each token or behind the last."""

    def __init__(self, left: Logits, right: Logits, k: int, names: TokenTexts) -> None:
        self._left, self._right = Distributions(left, k), Distributions(right, k)
        self._kl_nats = kl_nats(left, right)
        self._k = k
        self._names = names

    def token(self, row: int, index: int, token_id: int, text: str) -> OverlayToken:
        """Both sides before a token, given the row of its logits."""
        left, right = (side.statistics(row, token_id, self._k) for side in (self._left, self._right))
        return OverlayToken(
            index=index,
            token_id=token_id,
            text=text,
            left_entropy_nats=left.entropy_nats,
            right_entropy_nats=right.entropy_nats,
            left_surprisal_nats=left.surprisal_nats,
            right_surprisal_nats=right.surprisal_nats,
            kl_nats=float(self._kl_nats[row]),
            left_rank=left.rank,
            right_rank=right.rank,
            left_alternatives=self._named(left),
            right_alternatives=self._named(right),
        )

    def end(self) -> tuple[Alternatives, Alternatives]:
        """What either side would say behind the last row's text."""
        last = len(self._kl_nats) - 1
        left, right = (side.statistics(last, 0, self._k) for side in (self._left, self._right))
        return self._named(left), self._named(right)

    def _named(self, step: StepStatistics) -> Alternatives:
        return tuple(Alternative(token_id, self._names[token_id], p) for token_id, p in step.alternatives)


def kl_nats(left: Logits, right: Logits) -> NDArray[np.float64]:
    """KL(left ‖ right) = Σ p (ln p − ln q) of each row of raw logits `(rows, vocab)`, in float64."""
    return np.array([_row_kl_nats(p, q) for p, q in zip(left, right, strict=True)])


def _row_kl_nats(left: Logits, right: Logits) -> float:
    """One row at a time: at a vocabulary of 150,000 a chunk in float64 would take hundreds of megabytes."""
    log_p, log_q = _log_softmax(left), _log_softmax(right)
    p = np.exp(log_p)
    with np.errstate(invalid="ignore"):
        terms = np.where(p > 0, p * (log_p - log_q), 0.0)
    return max(float(terms.sum()), 0.0)


def _log_softmax(logits: Logits) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - float(logits.max())
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def _logits(loaded: LoadedModel, side: Reading, token_ids: Sequence[int]) -> Iterator[Logits]:
    """Raw logits `(n, vocab)` before each token and, at the very end, behind the last, in chunks."""
    cache, logits = prefill(loaded, side.prompt_ids, side.variant, None, never)
    for _, chunk in score(loaded, token_ids, cache, logits, side.variant):
        yield np.asarray(chunk)


def _pieces(loaded: LoadedModel, token_ids: Sequence[int]) -> list[str]:
    """What each token adds to the text; what is left of a broken character goes to the last."""
    stream = TextStream(decoder(loaded.tokenizer))
    pieces = [stream.add(token_id) for token_id in token_ids]
    if pieces:
        pieces[-1] += stream.flush()
    return pieces
