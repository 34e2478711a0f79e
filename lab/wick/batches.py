"""From sheaves to padded batches of token ids with loss weights, in a fixed order for a seed.

Rows of one window of sheaves are sorted by length before they are cut into batches, so little is padding; the
batches of the window are then shuffled, so that a step does not see one length only.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.wick.corpus import Conversation, Corpus, Sheaf
from lab.wick.tokenizer import ASSISTANT, END, SPECIALS, SYSTEM, USER

WINDOW_SHEAVES = 12
PROMPT_WEIGHT = 0.08


@dataclasses.dataclass(frozen=True)
class Batch:
    """`tokens` and `weights` are `(rows, time)`; a weight is that of predicting the token at its own place.

    `prefix` `(length,)` stands before every row, or is empty. Padding and special role tokens weigh nothing.
    """

    manner: str
    prefix: NDArray[np.int64]
    tokens: NDArray[np.int64]
    weights: NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class _Row:
    ids: list[int]
    weights: list[float]


class Encoder:
    """Turns conversations into ids exactly as the chat template would."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special: dict[str, int] = {token: tokenizer.token_to_id(token) for token in SPECIALS}

    def ids(self, text: str) -> list[int]:
        encoded: list[int] = self._tokenizer.encode(text.strip(), add_special_tokens=False).ids
        return encoded

    def prefix(self, sheaf: Sheaf) -> list[int]:
        """The ids that all rows of a sheaf begin with; an inlined prefix ends with its blank line."""
        if not sheaf.prefix:
            return []
        if sheaf.inline:
            return [self._special[USER], *self.ids(sheaf.prefix)]
        return [self._special[SYSTEM], *self.ids(sheaf.prefix), self._special[END]]

    def row(self, conversation: Conversation, shared: bool) -> _Row:
        """The ids after the shared prefix (all of them where nothing is shared) with their loss weights."""
        ids: list[int] = []
        weights: list[float] = []

        def add(part: list[int], weight: float) -> None:
            ids.extend(part)
            weights.extend([weight] * len(part))

        if conversation.system and not shared:
            add([self._special[SYSTEM], *self.ids(conversation.system), self._special[END]], 0.0)
        for index, (user, assistant) in enumerate(conversation.turns):
            if index == 0 and shared and conversation.inline:
                tail = self._tokenizer.encode("\n\n" + user.strip(), add_special_tokens=False).ids
                add(tail, PROMPT_WEIGHT)
            else:
                add([self._special[USER]], 0.0)
                add(self.ids(user), PROMPT_WEIGHT)
            add([self._special[END], self._special[ASSISTANT]], 0.0)
            add([*self.ids(assistant), self._special[END]], conversation.weight)
        return _Row(ids, weights)


def window(
    corpus: Corpus, encoder: Encoder, seed: int, number: int, batch_tokens: int, together: int = 1
) -> list[Batch]:
    """The shuffled batches of window `number`: `WINDOW_SHEAVES` consecutive sheaves.

    Each `together` neighbors cost about the same to compute, so that processes that share a step end at the
    same time; a leftover that does not fill a step is dropped.
    """
    batches: list[Batch] = []
    unshared: list[_Row] = []
    for index in range(number * WINDOW_SHEAVES, (number + 1) * WINDOW_SHEAVES):
        sheaf = corpus.sheaf(seed, index)
        rows = [encoder.row(conversation, bool(sheaf.prefix)) for conversation in sheaf.conversations]
        if sheaf.prefix:
            batches += _cut(sheaf.manner, encoder.prefix(sheaf), rows, batch_tokens)
        else:
            unshared += rows
    batches += _cut("plain", [], unshared, batch_tokens)
    batches.sort(key=_cost)
    steps = [
        batches[start : start + together] for start in range(len(batches) % together, len(batches), together)
    ]
    random.Random(f"window:{seed}:{number}").shuffle(steps)
    return [batch for step in steps for batch in step]


def _cost(batch: Batch) -> int:
    """Relative time of a batch: its places, and the pairs of places that attention compares."""
    rows, time = batch.tokens.shape
    prefix = int(batch.prefix.size)
    return int(1000 * (rows * time + prefix) + 2 * (rows * time * (time + prefix) + prefix * prefix))


def stream(
    corpus: Corpus, encoder: Encoder, seed: int, batch_tokens: int, together: int = 1, skip: int = 0
) -> Iterator[Batch]:
    """Batches without end; `skip` leaves out that many from the beginning."""
    number = 0
    while True:
        batches = window(corpus, encoder, seed, number, batch_tokens, together)
        yield from batches[min(skip, len(batches)) :]
        skip = max(0, skip - len(batches))
        number += 1


def _cut(manner: str, prefix: list[int], rows: list[_Row], batch_tokens: int) -> Iterator[Batch]:
    """Cut rows, longest last, into batches of about equal token counts, near `batch_tokens` each."""
    rows = sorted(rows, key=lambda row: len(row.ids))
    total = sum(len(row.ids) for row in rows)
    parts = max(1, round(total / batch_tokens))
    pending: list[_Row] = []
    seen = cut = 0
    for row in rows:
        pending.append(row)
        seen += len(row.ids)
        if seen * parts >= (cut + 1) * total:
            yield _pad(manner, prefix, pending)
            pending = []
            cut = seen * parts // total


def _pad(manner: str, prefix: list[int], rows: list[_Row]) -> Batch:
    time = max(len(row.ids) for row in rows)
    tokens = np.zeros((len(rows), time), dtype=np.int64)
    weights = np.zeros((len(rows), time), dtype=np.float32)
    for index, row in enumerate(rows):
        tokens[index, : len(row.ids)] = row.ids
        weights[index, : len(row.ids)] = row.weights
    return Batch(manner, np.array(prefix, dtype=np.int64), tokens, weights)
