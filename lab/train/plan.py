"""How long a run is, from its settings and its data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lab.train.data.order import Order
from lab.train.hooks import Corpus
from lab.train.settings import TrainSettings


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a run is: its micro-batches, the updates they make, and the tokens they count."""

    micro_batches: int
    steps: int
    passes: float
    tokens: int


def make_order(settings: TrainSettings, corpus: Corpus) -> Order:
    """The batches of a corpus under these settings."""
    return Order(
        [item.length for item in corpus.train],
        settings.batch_size,
        settings.seed,
        [item.length for item in corpus.replay],
        settings.replay.share if settings.replay else 0.0,
    )


def make_plan(settings: TrainSettings, corpus: Corpus, order: Order) -> Plan:
    """How long the run will be."""
    per_epoch = order.batches_per_epoch
    micro_batches = settings.iters or max(math.ceil(settings.epochs * per_epoch), 1)
    passes = micro_batches / per_epoch
    tokens = sum(item.learned for item in corpus.train)
    return Plan(
        micro_batches, -(-micro_batches // settings.grad_accumulation_steps), passes, round(passes * tokens)
    )
