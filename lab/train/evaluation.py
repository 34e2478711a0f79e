"""Held-out loss, item by item, and whether one is really below another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lab.models.runtime import mx
from lab.train.hooks import Item, Objective
from lab.train.net import Net
from lab.train.ranks import Ranks
from lab.train.step import averages, summed

Z_95 = 1.959964
"""The standard normal's 97.5 % point."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The summed loss and weight of every held-out item, `(items,)` float64, in the data's order.

    `metrics` are the objective's, averaged over the items that have them.
    """

    totals: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def loss_nats(self) -> float:
        """Σ totals / Σ weights."""
        return float(self.totals.sum() / self.weights.sum())

    @property
    def perplexity(self) -> float:
        return math.exp(min(self.loss_nats, 700.0))


@dataclass(frozen=True, slots=True)
class Improvement:
    """By how much the loss went down between two evaluations of the same items, ± half a 95 % interval."""

    nats: float
    half_width: float

    @property
    def is_real(self) -> bool:
        """Whether the interval lies above 0."""
        return self.nats > self.half_width


def improvement(before: Evaluation, now: Evaluation) -> Improvement:
    """The paired difference of two ratio means, its variance by linearization over items (delta method)."""
    gains = before.totals - now.totals
    nats = float(gains.sum() / now.weights.sum())
    n = len(gains)
    if n < 2:
        return Improvement(nats, math.inf)
    residuals = gains - nats * now.weights
    error = math.sqrt(n / (n - 1) * float(np.square(residuals).sum())) / float(now.weights.sum())
    return Improvement(nats, Z_95 * error)


def evaluate(
    net: Net, objective: Objective, items: Sequence[Any], batch_size: int, ranks: Ranks
) -> Evaluation:
    """The loss of every item, in evaluation mode, the work shared by all ranks."""
    training = net.model.training
    net.model.eval()
    found = np.zeros((2, len(items)))
    names = sorted(objective.metric_names())
    sums = {name: mx.zeros((2,)) for name in names}
    try:
        objective.foresee(net, items, ranks)
        for rows in _batches(items, batch_size, ranks):
            losses = objective.losses(net, objective.collate([items[row] for row in rows]))
            sums |= {name: sums[name] + value for name, value in summed(losses.metrics).items()}
            mx.eval(losses.totals, losses.weights, sums)
            found[:, rows] = np.array(losses.totals), np.array(losses.weights)
    finally:
        net.model.train(training)
    if ranks.size > 1:
        added, *more = ranks.sum([mx.array(found.astype(np.float32)), *(sums[name] for name in names)])
        found, sums = np.array(added, dtype=np.float64), dict(zip(names, more, strict=True))
    return Evaluation(found[0], found[1], averages(sums))


def _batches(items: Sequence[Item], batch_size: int, ranks: Ranks) -> Iterator[list[int]]:
    """This rank's rows, alike in length."""
    order = sorted(range(len(items)), key=lambda row: items[row].length)[ranks.rank :: ranks.size]
    for first in range(0, len(order), batch_size):
        yield order[first : first + batch_size]


def chosen_items(items: Sequence[Any], val_batches: int, batch_size: int, seed: int) -> Sequence[Any]:
    """The items evaluations use: all of them for -1, else as many as fit, drawn once by the seed."""
    wanted = val_batches * batch_size
    if val_batches < 0 or wanted >= len(items):
        return items
    rows = np.random.default_rng((seed, 2)).permutation(len(items))[:wanted]
    return [items[row] for row in sorted(rows.tolist())]
