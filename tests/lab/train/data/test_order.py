"""Batches: every example once an epoch, alike in length, drawn anew, the same for the same seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lab.train.data.order import Order

LENGTHS = [int(length) for length in np.random.default_rng(5).integers(8, 200, size=403)]


def padded_share(order: Order, lengths: list[int], epoch: int = 0) -> float:
    """Padded over real tokens."""
    batches = [[lengths[row] for row in plan.train] for plan in order.epoch(epoch)]
    return sum(len(rows) * max(rows) for rows in batches) / sum(map(sum, batches))


@given(
    examples=st.integers(1, 300),
    batch_size=st.integers(1, 9),
    replay=st.integers(0, 40),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 99),
    epoch=st.integers(0, 3),
)
def test_an_epoch_holds_every_training_example_once(
    examples: int, batch_size: int, replay: int, share: float, seed: int, epoch: int
) -> None:
    lengths = [3 + (row * 37) % 50 for row in range(examples)]
    order = Order(lengths, batch_size, seed, [5 + row % 7 for row in range(replay)], share)
    plans = order.epoch(epoch)
    assert sorted(row for plan in plans for row in plan.train) == list(range(examples))
    assert len(plans) == order.batches_per_epoch
    assert all(1 <= len(plan.train) + len(plan.replay) <= batch_size for plan in plans)


def test_buckets_save_padding_and_are_redrawn() -> None:
    order = Order(LENGTHS, 4, seed=1)
    assert padded_share(order, LENGTHS) < 1.06
    first, second = order.epoch(0), order.epoch(1)
    assert {frozenset(plan.train) for plan in first} != {frozenset(plan.train) for plan in second}
    assert [plan.train for plan in first] != sorted(plan.train for plan in first)


def test_the_same_seed_gives_the_same_batches_and_another_does_not() -> None:
    assert Order(LENGTHS, 4, seed=1).epoch(2) == Order(LENGTHS, 4, seed=1).epoch(2)
    assert Order(LENGTHS, 4, seed=1).epoch(2) != Order(LENGTHS, 4, seed=2).epoch(2)


def test_the_last_batch_is_kept_though_it_is_small() -> None:
    sizes = sorted(len(plan.train) for plan in Order(LENGTHS, 4, seed=0).epoch(0))
    assert sizes == [3] + [4] * 100


def test_a_quarter_of_four_is_one_replay_row_in_every_batch() -> None:
    plans = Order(LENGTHS, 4, 3, [20] * 50, 0.25).epoch(0)
    assert {len(plan.replay) for plan in plans} == {1}
    assert [len(plan.train) for plan in plans].count(3) >= len(plans) - 1


def test_a_share_below_one_row_is_kept_over_the_batches() -> None:
    plans = Order(LENGTHS, 2, 3, [20] * 50, 0.25).epoch(0)
    rows = [(len(plan.train), len(plan.replay)) for plan in plans]
    total = sum(train + replay for train, replay in rows)
    assert abs(sum(replay for _, replay in rows) / total - 0.25) < 0.01


def test_replay_goes_round_before_it_repeats() -> None:
    order = Order(LENGTHS, 4, 3, list(range(10, 60)), 0.25)
    drawn = [row for epoch in range(2) for plan in order.epoch(epoch) for row in plan.replay]
    counts = np.bincount(drawn, minlength=50)
    assert counts.max() - counts.min() <= 1


def test_replay_rows_are_as_long_as_their_batch() -> None:
    replay = list(range(8, 208, 4))
    plans = Order(LENGTHS, 4, 3, replay, 0.25).epoch(0)
    longest = [max(LENGTHS[row] for row in plan.train) for plan in plans]
    lengths = [replay[plan.replay[0]] for plan in plans]
    assert np.corrcoef(longest, lengths)[0, 1] > 0.9
