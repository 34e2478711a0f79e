"""Which examples make up which batch: length buckets drawn anew every epoch, with replay in every batch.

Everything is a function of the seed and the epoch, so a run that is gone on with meets the same batches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POOL_BATCHES = 64
"""Examples are sorted by length within pools of so many batches; pools are drawn at random."""


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The rows of one micro-batch, as indices into the training and the replay examples."""

    train: tuple[int, ...]
    replay: tuple[int, ...] = ()


class Order:
    """The batches of every epoch of a data set.

    `batch_size` counts all rows of a micro-batch; of these `replay_share` are replay, rounded so that the
    share is kept over the batches of an epoch. An epoch is one pass over the training examples; its last
    batch may be smaller. Replay examples run in random order and begin anew when all were used.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        replay_lengths: Sequence[int] = (),
        replay_share: float = 0.0,
    ) -> None:
        self._lengths = np.asarray(lengths)
        self._replay_lengths = np.asarray(replay_lengths)
        self._seed = seed
        self._sizes = _row_counts(len(lengths), batch_size, replay_share if len(replay_lengths) else 0.0)

    @property
    def batches_per_epoch(self) -> int:
        return len(self._sizes)

    def epoch(self, number: int) -> list[BatchPlan]:
        """The batches of epoch `number` (from 0), in the order in which they are trained on."""
        rng = np.random.default_rng((self._seed, number))
        train = _bucketed(self._lengths, [size for size, _ in self._sizes], rng)
        replay = self._replay(number, train)
        plans = [BatchPlan(tuple(rows), tuple(extra)) for rows, extra in zip(train, replay, strict=True)]
        return [plans[index] for index in rng.permutation(len(plans))]

    def _replay(self, number: int, train: Sequence[Sequence[int]]) -> list[list[int]]:
        """Replay rows for each batch: those drawn for this epoch, the longest to the longest batches."""
        counts = [replay for _, replay in self._sizes]
        total = sum(counts)
        if not total:
            return [[] for _ in counts]
        drawn = self._draw(number * total, total)
        drawn.sort(key=lambda row: (self._replay_lengths[row], row))
        longest = [max(self._lengths[row] for row in rows) for rows in train]
        replay: list[list[int]] = [[] for _ in counts]
        taken = 0
        for index in sorted(range(len(counts)), key=lambda index: longest[index]):
            replay[index] = drawn[taken : taken + counts[index]]
            taken += counts[index]
        return replay

    def _draw(self, first: int, count: int) -> list[int]:
        """Rows `first` to `first + count` of the endless stream of shuffled passes over the replay data."""
        size = len(self._replay_lengths)
        drawn: list[int] = []
        for turn in range(first // size, (first + count - 1) // size + 1):
            shuffled = np.random.default_rng((self._seed, turn, 1)).permutation(size)
            begin = max(first - turn * size, 0)
            drawn += shuffled[begin : min(first + count - turn * size, size)].tolist()
        return drawn


def _row_counts(examples: int, batch_size: int, replay_share: float) -> list[tuple[int, int]]:
    """(training rows, replay rows) of each batch of an epoch; at least one training row each."""
    sizes = []
    left, batch = examples, 0
    while left:
        replay = math.floor((batch + 1) * batch_size * replay_share) - math.floor(
            batch * batch_size * replay_share
        )
        train = min(max(batch_size - replay, 1), left)
        sizes.append((train, min(replay, batch_size - 1)))
        left -= train
        batch += 1
    return sizes


def _bucketed(lengths: np.ndarray, sizes: Sequence[int], rng: np.random.Generator) -> list[list[int]]:
    """A shuffled pass over all examples, sorted by length within pools, cut into batches of `sizes` rows."""
    shuffled = rng.permutation(len(lengths))
    batches: list[list[int]] = []
    taken = 0
    for first in range(0, len(sizes), POOL_BATCHES):
        pool_sizes = sizes[first : first + POOL_BATCHES]
        pool = shuffled[taken : taken + sum(pool_sizes)]
        taken += len(pool)
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        ends = np.cumsum(pool_sizes)
        batches += [pool[end - size : end].tolist() for end, size in zip(ends, pool_sizes, strict=True)]
    return batches
